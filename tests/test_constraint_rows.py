"""Limits as the data that solvers get, against what they say by hand: no solver takes part."""

import itertools
from types import SimpleNamespace

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trackfolio import MeanRisk
from trackfolio._universe import Universe
from trackfolio.constraints import (
    ActiveBounds,
    BetaBounds,
    ConditionalBudget,
    Exposure,
    GroupBounds,
    GroupCardinality,
    GroupRatio,
    LinearConstraint,
    MaxActiveShare,
    MaxLeverage,
    MaxTrades,
    MaxTurnover,
    MinReturn,
)
from trackfolio.costs import L2, ManagementFee, TransactionCost
from trackfolio.exceptions import InfeasibleError
from trackfolio.risks import Variance

from .conftest import simulate

X, Y = simulate(4, 30)
B = np.array([0.1, 0.2, 0.3, 0.4])
HELD = np.array([0.4, 0.4, 0.2, 0.0])
GROUPS = ["a", "b", "a", None]
W = np.array([0.5, 0.3, 0.15, 0.05])


def case(y=None, **parameters):
    parameters = {"benchmark_weights": B} | parameters if y is None else parameters
    data = (X,) if y is None else (X, y)
    return MeanRisk(**parameters).make_problem(*data, previous_weights=HELD)


def rows(limit, problem=None):
    A, lower, upper = limit.rows(case() if problem is None else problem)
    return (A.toarray() if hasattr(A, "toarray") else np.asarray(A)), lower, upper


def value(limits, w):
    """Sides of one limit on functions: what it limits at w, and the limit."""
    ((coefficient, function), *others) = limits.summands
    return coefficient * function.value(w) + sum(c * f.value(w) for c, f in others), limits.bound


def test_linear():
    A, lower, upper = rows(LinearConstraint([[1, 2, 3, 4]], 0.5))
    assert_array_equal(A, [[1, 2, 3, 4]])
    assert (lower, upper) == (0.5, np.inf)
    by_name = pd.DataFrame([[4.0, 3.0, 1.0, 2.0]], columns=["x3", "x2", "x0", "x1"])
    A, lower, upper = rows(LinearConstraint(by_name, upper=[2.0]))
    assert_array_equal(A, [[1, 2, 3, 4]])
    assert (lower, upper) == (-np.inf, [2.0])
    numbered = MeanRisk().make_problem(pd.DataFrame(X, columns=range(4)))
    assert_array_equal(rows(LinearConstraint(pd.DataFrame([[1.0, 2, 3, 4]]), 0), numbered)[0], [[1, 2, 3, 4]])
    with pytest.raises(ValueError, match=r"leaves out the assets \['x1', 'x3'\]"):
        rows(LinearConstraint(by_name[["x0", "x2"]], 0))
    with pytest.raises(ValueError, match=r"LinearConstraint.A names the asset 'y', "):
        rows(LinearConstraint(by_name.assign(y=1.0), 0))


def test_no_more_than_five_of_what_is_left_out_are_named():
    many = MeanRisk().make_problem(np.tile(X, 2))
    five = r"leaves out (the assets )?\['x1', 'x2', 'x3', 'x4', 'x5'\]; "
    for limit in (LinearConstraint(pd.DataFrame([[1.0]], columns=["x0"]), 0), GroupBounds({"x0": "a"}, upper=1)):
        with pytest.raises(ValueError, match=five):
            limit.rows(many)


def test_exposure():
    A, lower, upper = rows(Exposure([1.0, 2.0, 3.0, 4.0], 1.5, 2.5))
    assert_array_equal(A, [[1, 2, 3, 4]])
    assert (lower, upper) == (1.5, 2.5)
    _, lower, upper = rows(Exposure([1.0, 2.0, 3.0, 4.0], -0.5, 0.25, active=True))
    assert_allclose((lower, upper), (3.0 - 0.5, 3.0 + 0.25))  # the benchmark has 0.1 + 0.4 + 0.9 + 1.6
    assert rows(Exposure(dict.fromkeys(["x0", "x1", "x2", "x3"], 1.0), None, None))[1:] == (-np.inf, np.inf)


def test_active_bounds():
    A, lower, upper = rows(ActiveBounds(-0.05, {"x1": 0.1}))
    assert_array_equal(A, np.eye(4))
    assert_allclose(lower, B - 0.05)
    assert_allclose(upper, [np.inf, 0.3, np.inf, np.inf])
    assert_array_equal(rows(ActiveBounds({"x0": 0.0}))[1], [0.1, -np.inf, -np.inf, -np.inf])


def test_beta():
    A, lower, upper = rows(BetaBounds(None, 1.1), case(Y))
    assert_allclose(A, [np.cov(X.T, Y)[-1, :-1] / np.var(Y, ddof=1)])
    assert (lower, upper) == (-np.inf, 1.1)
    assert rows(BetaBounds(0.9, None), case(Y))[1:] == (0.9, np.inf)
    by_weights = rows(BetaBounds(0.9), case())[0]
    assert_allclose(by_weights, [np.cov(X.T, X @ B)[-1, :-1] / np.var(X @ B, ddof=1)])


def test_group_bounds():
    A, lower, upper = rows(GroupBounds(GROUPS, {"b": 0.1}, 0.6))
    assert_array_equal(A, [[1, 0, 1, 0], [0, 1, 0, 0]])
    assert_array_equal(lower, [-np.inf, 0.1])
    assert_array_equal(upper, [0.6, 0.6])
    _, lower, upper = rows(GroupBounds(pd.Series(GROUPS, ["x0", "x1", "x2", "x3"]), 0.0, active=True))
    assert_allclose(lower, [0.4, 0.2])
    assert_array_equal(upper, [np.inf, np.inf])
    assert_array_equal(rows(GroupBounds(GROUPS, upper=0.5))[1], [-np.inf, -np.inf])
    for side in ("lower", "upper"):
        with pytest.raises(ValueError, match=f"GroupBounds.{side} names the group 'c'"):
            rows(GroupBounds(GROUPS, **{side: {"c": 0.1}}))


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        ({"x0": "a", "x1": "b", "x2": "a"}, r"leaves out \['x3'\]; give these assets a group, or None"),
        (["a", "b"], "GroupBounds.groups has 2 labels for 4 assets"),
        (pd.Series(list("abca"), ["x0", "x1", "x2", "x0"]), "names the asset 'x0' twice"),
        ({"x0": "a", "x1": "b", "x2": "a", "x3": "b", "y": "a"}, "GroupBounds.groups names the asset 'y'"),
        (np.array([["a", "b"]]), "must give one label per asset"),
        ([None, np.nan, None, None], "GroupBounds.groups puts no asset in a group"),
    ],
    ids=["left out", "too few", "twice", "unknown", "matrix", "none"],
)
def test_groups_that_make_no_sense(groups, match):
    with pytest.raises(ValueError, match=match):
        rows(GroupBounds(groups, upper=0.5))


def test_group_ratio():
    A, lower, upper = rows(GroupRatio(GROUPS, "a", "b", 0.5, 2.0))
    assert_array_equal(A, [[1, -0.5, 1, 0], [-1, 2, -1, 0]])
    assert (lower, upper) == (0.0, np.inf)
    assert_array_equal(rows(GroupRatio(GROUPS, "b", "a", upper=0.0))[0], [[0, -1, 0, 0]])
    A, lower, upper = rows(GroupRatio(GROUPS, "b", "a", 1.0, 1.0))
    assert_array_equal(A, [[-1, 1, -1, 0]])
    assert (lower, upper) == (0.0, 0.0)
    with pytest.raises(ValueError, match=r"GroupRatio.lower must be a finite number of at least 0, got -0.5"):
        rows(GroupRatio(GROUPS, "a", "b", lower=-0.5))
    with pytest.raises(ValueError, match="names the group 'c'"):
        rows(GroupRatio(GROUPS, "a", "c", lower=0.5))


def test_sums_of_absolute_values():
    problem = case()
    assert_allclose(value(*MaxTurnover(0.2).limits(problem), W), (np.abs(W - HELD).sum() / 2, 0.2))
    assert_allclose(value(*MaxActiveShare(0.3).limits(problem), W), (np.abs(W - B).sum() / 2, 0.3))
    short = np.array([0.9, 0.4, -0.1, -0.2])
    for limit, size in (({"gross": 1.7}, 1.6), ({"long": 1.7}, 1.3), ({"short": 1.7}, 0.3)):
        assert_allclose(value(*MaxLeverage(**limit).limits(problem), short), (size, 1.7))
    assert [limit.bound for limit in MaxLeverage(2.0, 1.5, 0.0).limits(problem)] == [2.0, 1.5, 0.0]
    for wrong in (None, np.inf, -0.1):
        with pytest.raises(ValueError, match=r"MaxTurnover.limit must be a number of at least 0, and finite, got"):
            MaxTurnover(wrong).limits(problem)
    with pytest.raises(ValueError, match=r"MaxTurnover.limit must be one number"):
        MaxTurnover("much").limits(problem)


def test_return():
    mu = [0.1, 0.2, 0.3, 0.4]
    A, lower, upper = MinReturn(0.05, mu).limits(case())
    assert_array_equal(A, [mu])
    assert (lower, upper) == (0.05, np.inf)
    assert_allclose(MinReturn(0.05, mu, active=True).limits(case()).lower, 0.05 + 0.3)  # 0.01 + 0.04 + 0.09 + 0.16
    assert_allclose(MinReturn(0.05, mu, active=True).limits(case(Y)).lower, 0.05 + Y.mean())
    assert_allclose(MinReturn(0.05).limits(case()).A, [X.mean(axis=0)])
    costs = [TransactionCost(0.01), L2(0.1)]
    (net,) = MinReturn(0.05, mu, costs, active=True).limits(case())
    cost = 0.01 * np.abs(W - HELD).sum() + 0.1 * W @ W
    assert_allclose(value(net, W), (-(W @ mu - 0.3 - cost), -0.05))
    with pytest.raises(ValueError, match=r"MinReturn.limit must be a finite number, got None"):
        MinReturn(None).limits(case())


def test_a_cost_that_is_the_same_for_all_counts_in_a_return():
    (net,) = MinReturn(0.05, [0.1, 0.2, 0.3, 0.4], [ManagementFee(0.02)]).limits(case())
    assert_allclose(value(net, W), (0.02 - W @ [0.1, 0.2, 0.3, 0.4], -0.05))
    with pytest.raises(ValueError, match=r"MinReturn.managementfee has no effect"):
        MinReturn(0.05, costs=[ManagementFee(0.0)]).limits(case())


def test_group_cardinality():
    first, second = GroupCardinality(GROUPS, {"b": 1}, {"a": 1}).holdings(case())
    assert_array_equal(first.members, [True, False, True, False])
    assert_array_equal(second.members, [False, True, False, False])
    assert (first.name, first.fewest, first.most) == ("groupcardinality of 'a'", 0, 1)
    assert (second.name, second.fewest, second.most) == ("groupcardinality of 'b'", 1, 4)
    assert [limit.most for limit in GroupCardinality(GROUPS, fewest=0).holdings(case())] == [4, 4]
    assert [limit.fewest for limit in GroupCardinality(GROUPS, 2, 2).holdings(case())] == [2, 2]
    for term, error, match in (
        (GroupCardinality(GROUPS), ValueError, "neither fewest nor most"),
        (GroupCardinality(GROUPS, most=1.5), ValueError, "GroupCardinality.most must be whole numbers .* got 1.5"),
        (GroupCardinality(GROUPS, fewest=-1), ValueError, "GroupCardinality.fewest must be whole numbers .* got -1"),
        (GroupCardinality(GROUPS, {"b": 2}, 1), InfeasibleError, "at least 2 and at most 1 names of group 'b'"),
        (GroupCardinality(GROUPS, most={"c": 1}), ValueError, "GroupCardinality.most names the group 'c'"),
    ):
        with pytest.raises(error, match=match):
            term.holdings(case())


GONE = Universe(["x0", "x1", "x2", "x3"], np.array([True, False, True, True]), None)


def test_limits_that_a_group_without_assets_keeps_go_with_it():
    cut = GroupBounds(GROUPS, lower=-0.1, upper=0.5).restricted_to(GONE)
    assert list(cut.groups) == ["a", "a", None]
    assert (cut.lower, cut.upper) == ({"a": -0.1}, {"a": 0.5})
    kept = GroupBounds(GROUPS, lower={"a": 0.1, "b": 0.1}, upper={"b": -0.1}).restricted_to(GONE)
    assert (kept.lower, kept.upper) == ({"a": 0.1, "b": 0.1}, {"b": -0.1})  # nothing in b cannot keep these
    assert GroupBounds(GROUPS, 0.0, {"b": 0.0}, active=True).restricted_to(GONE).upper == {"b": 0.0}
    assert GroupBounds(["a", "b", "b", "a"], upper=0.5).restricted_to(GONE).upper == 0.5
    nothing = GroupBounds(GROUPS, lower={"a": 0.1, "b": 0.0}, upper={"b": 0.0}).restricted_to(GONE)
    assert (nothing.lower, nothing.upper) == ({"a": 0.1}, {})
    by_name = GroupBounds(dict(zip(GONE.names, GROUPS, strict=True)), upper=0.5).restricted_to(GONE)
    assert (by_name.groups, by_name.upper) == ({"x0": "a", "x2": "a", "x3": None}, {"a": 0.5})
    names = GroupCardinality(GROUPS, fewest={"a": 1, "b": 0}, most={"a": 1, "b": 1}).restricted_to(GONE)
    assert (names.fewest, names.most) == ({"a": 1}, {"a": 1})
    assert GroupRatio(["a", "b", "b", "a"], "a", "b", 0.5).restricted_to(GONE).groups == ["a", "b", "a"]


def after(*trades):
    return HELD + np.array(trades)


def breaks(constraints, booleans, others=None, candidates=()):
    """Whether no values of the booleans, and of the other variable those that are tried, fulfil the constraints."""
    for values in itertools.product([0.0, 1.0], repeat=booleans.size):
        booleans.value = np.array(values)
        for candidate in candidates if others is not None else [None]:
            if others is not None:
                others.value = candidate * booleans.value
            if all(np.max(c.violation()) <= 1e-12 for c in constraints):
                return False
    return True


def variable(constraints, attribute):
    found = [v for c in constraints for v in c.variables()]
    return next(v for v in found if v.attributes[attribute])


def test_trades_by_enumeration():
    problem = case(min_weights=-0.2, max_weights=0.6)
    w = cp.Variable(4)
    for most in (0, 1, 2, 3):
        constraints = MaxTrades(most).constraints(problem, w)
        traded = variable(constraints, "boolean")
        assert traded.attributes["boolean"]
        for target in (HELD, after(0.2, -0.6, 0, 0), after(0.1, 0, -0.4, 0.6), after(0.1, -0.1, 0.1, -0.2)):
            w.value = target
            assert breaks(constraints, traded) == ((np.abs(target - HELD) > 1e-9).sum() > most)
    for bounds in ({"min_weights": None}, {"max_weights": None}):
        with pytest.raises(ValueError, match="MaxTrades needs finite"):
            MaxTrades(1).constraints(case(**bounds), w)
    for wrong in (None, -1, 1.5):
        with pytest.raises(ValueError, match=rf"must be a whole number of at least 0, got {wrong}"):
            MaxTrades(wrong).constraints(problem, w)


def test_where_a_position_outside_of_its_bounds_is_no_trade_back():
    """Up is no room where the position is above its bound, down none where it is below."""
    problem = case(min_weights=0.1, max_weights=0.3)
    w = cp.Variable(4)
    constraints = MaxTrades(4).constraints(problem, w)
    traded = variable(constraints, "boolean")
    for target, broken in ((after(0.1, 0, 0, 0), True), (HELD - [0, 0, 0, 0.1], True), ([0.3, 0.3, 0.2, 0.1], False)):
        w.value = np.array(target)
        assert breaks(constraints, traded) == broken


def test_violation_of_trades():
    problem = case()
    moved = after(0.2, -0.1, -0.05, 1e-9)
    for most, excess in ((0, 0.2), (1, 0.1), (2, 0.05), (3, 0.0), (4, 0.0), (5, 0.0)):
        assert_allclose(MaxTrades(most).violation(problem, moved), excess, atol=1e-12)
    small = MaxTrades(2).decided(problem, after(0, 0, -0.1, 0.1))
    assert_array_equal(small.A, np.eye(4)[:2])  # the trades count, whatever the weights are
    decided = MaxTrades(1).decided(problem, moved)
    assert_array_equal(decided.A, np.eye(4)[[1, 2, 3]])
    assert_array_equal(decided.lower, HELD[[1, 2, 3]])
    assert_array_equal(decided.upper, HELD[[1, 2, 3]])


def test_of_trades_of_one_size_the_first_stay():
    held = np.full(40, 0.5)
    problem = SimpleNamespace(require_previous_weights=lambda who: held)
    decided = MaxTrades(10).decided(problem, held + np.tile([0.25, -0.25], 20))
    assert_array_equal(decided.A, np.eye(40)[10:])


def test_conditional_budget_by_enumeration():
    problem = case(max_weights=0.5)
    w, rule = cp.Variable(4), ConditionalBudget(0.2, 0.4)
    constraints = rule.constraints(problem, w)
    is_large, large = variable(constraints, "boolean"), variable(constraints, "nonneg")
    for target, broken in (
        ([0.4, 0.2, 0.2, 0.2], False),
        ([0.41, 0.2, 0.2, 0.19], True),
        ([0.25, 0.25, 0.25, 0.25], True),
        ([0.2, 0.2, 0.2, 0.2], False),
        ([0.21, 0.21, 0.1, 0.1], True),
    ):
        w.value = np.array(target)
        # All of a position counts, or what is above once or twice the threshold, were that allowed.
        ways = [np.maximum(w.value - times * 0.2, 0.0) for times in range(3)]
        assert breaks(constraints, is_large, large, ways) == broken
        assert (rule.violation(problem, w.value) > 1e-9) == broken
    assert_allclose(rule.violation(problem, np.array([0.5, 0.3, 0.2, 0.0])), 0.4)
    # A trifle above the threshold is none; what is there to decide says the same.
    near = np.array([0.2 + 1e-8, 0.2, 0.3, 0.3])
    assert_allclose(rule.violation(problem, near), 0.2)
    decided = rule.decided(problem, near)
    assert_array_equal(decided.A, [[0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0]])
    assert_array_equal(decided.lower, [-np.inf] * 3)
    assert_allclose(decided.upper, [0.4, 0.2, 0.2])
    # Tolerances are in units of the weights.
    unit = SimpleNamespace(unit=100.0, require_previous_weights=lambda who: HELD)
    near = np.array([0.2 + 5e-5, 0.3, 0.1, 0.1])
    assert rule.violation(unit, near) == 0
    assert_array_equal(rule.decided(unit, near).A[0], [0, 1, 0, 0])
    assert MaxTrades(0).violation(unit, after(5e-5, 0, 0, 0)) == 0
    for bounds in ({"min_weights": -0.1}, {"max_weights": None}):
        with pytest.raises(ValueError, match="ConditionalBudget needs min_weights of at least 0 and finite"):
            rule.constraints(case(**bounds), w)
    for wrong, side in ((ConditionalBudget(None, 0.4), "threshold"), (ConditionalBudget(0.1, -1), "limit")):
        with pytest.raises(ValueError, match=f"ConditionalBudget.{side} must be a number of at least 0"):
            wrong.violation(problem, W)


def test_beta_without_returns_is_refused():
    problem = MeanRisk(Variance("precomputed"), benchmark_weights=B).make_problem(np.cov(X.T))
    with pytest.raises(ValueError, match="BetaBounds needs returns"):
        BetaBounds(1, 1).rows(problem)
    with pytest.raises(ValueError, match="benchmark's return is constant"):
        BetaBounds(1, 1).rows(MeanRisk().make_problem(X, np.full(30, 0.01)))
