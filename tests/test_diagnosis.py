"""Limits that clash, named and measured, against textbook programs that know nothing of the library."""

import pickle
import subprocess
import sys
from itertools import product

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.infeasible_cases import KINDS, is_feasible, make_case
from trackfolio import EqualWeighted, MeanRisk, MinTrackingError
from trackfolio._diagnosis import FAMILIES, few_digits, rounded
from trackfolio.constraints import (
    ActiveBounds,
    ConditionalBudget,
    Constraint,
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
    RiskLimit,
)
from trackfolio.costs import TransactionCost
from trackfolio.diagnosis import diagnose
from trackfolio.exceptions import InfeasibleError
from trackfolio.risks import CVaR, StandardDeviation
from trackfolio.solvers import Conic, DenseQP, InteriorPoint, MixedInteger, Sparse

from .conftest import simulate

EQUAL = np.full(8, 1 / 8)
HALVES = ["a"] * 4 + ["b"] * 4


def failure(model, X, y=None, **fit):
    with pytest.raises(InfeasibleError) as caught:
        model.fit(X, y, **fit)
    return caught.value


def needed(explanation):
    return {each.what: each.needed for each in explanation.conflict}


# Known causes.


@pytest.mark.parametrize(("kind", "seed"), list(product(KINDS, range(2))))
def test_the_cause_is_named_and_each_change_is_enough_and_no_larger_than_needed(kind, seed):
    case = make_case(kind, (8, 13)[seed % 2], 1000 + seed)
    limits = case.limits
    assert not is_feasible(limits)
    error = failure(limits.model, limits.X, limits.y, previous_weights=limits.previous)
    explanation = error.explanation
    assert explanation.is_feasible is False
    assert set(case.cause) <= set(explanation.names)
    assert not is_feasible(limits.only(explanation.names))
    assert explanation.remedies
    for way in explanation.remedies:
        assert is_feasible(limits.relaxed(way)), way
        whole = isinstance(way.change, int)
        less = (abs(way.change) - 1) / abs(way.change) if whole else 0.99
        assert not is_feasible(limits.relaxed(way, less)), way
        assert str(way) in str(error)
    for each in explanation.conflict:
        assert each.change is not None or each.reason == "no value of it alone is enough"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "names" not in kind and "trades" not in kind])
def test_none_of_the_conflict_can_be_spared(kind):
    limits = make_case(kind, 8, 1000).limits
    names = failure(limits.model, limits.X, limits.y, previous_weights=limits.previous).explanation.names
    for name in names:
        assert is_feasible(limits.only([other for other in names if other != name])), name


@pytest.mark.parametrize("kind", ["turnover and a group", "tracking error and bounds", "tail risk", "names and bounds"])
def test_with_the_suggested_value_the_estimator_fits(kind):
    limits = make_case(kind, 8, 1001).limits
    for way in failure(limits.model, limits.X, limits.y, previous_weights=limits.previous).explanation.remedies:
        weights = limits.relaxed(way).fit().weights_
        assert np.isfinite(weights).all()


@pytest.mark.parametrize("solver", [None, DenseQP(), InteriorPoint(), Conic()], ids=repr)
def test_the_explanation_is_the_same_for_every_solver(market, solver):
    X, y = market
    model = MinTrackingError(
        max_weights=0.3, constraints=[GroupBounds(HALVES, {"a": 0.9}), Exposure([0] * 4 + [1] * 4, 0.2)]
    )
    first = diagnose(model, X, y)
    assert failure(model.set_params(solver=solver), X, y).explanation == first
    assert needed(first)["groupbounds (lower of 'a')"] == 0.8


@pytest.mark.parametrize("solver", [Sparse(), MixedInteger()], ids=repr)
def test_few_names_have_the_same_explanation_for_every_solver(market, solver):
    X, y = market
    model = MinTrackingError(cardinality=2, constraints=[GroupBounds([*"aabbccdd"], {"a": 0.1, "b": 0.1, "c": 0.1})])
    explanation = failure(model.set_params(solver=solver), X, y).explanation
    assert explanation == diagnose(model, X, y)
    assert needed(explanation)["cardinality"] == 3


# Every kind of limit, with values that follow by hand.

BY_HAND = {
    "bounds that cross": ({"min_weights": {"x2": 0.5}, "max_weights": 0.3}, {"max_weights": 0.5, "min_weights": None}),
    "sides that cross": (
        {"constraints": [Exposure([1.0] * 7 + [2], 1.7, 1.2)]},
        {"exposure (lower)": 1.2, "exposure (upper)": 1.7},
    ),
    "equal budget": ({"budget": 2.5, "max_weights": 0.25}, {"budget": 2.0, "max_weights": 0.3125}),
    "a range of budgets": ({"budget": (2.5, 3), "max_weights": 0.25}, {"budget (lower)": 2.0, "max_weights": 0.3125}),
    "one number for all groups": (
        {"constraints": [GroupBounds(HALVES, upper=0.4)]},
        {"groupbounds (upper)": 0.5, "budget": 0.8},
    ),
    "active groups": (
        {"max_weights": 0.2, "constraints": [GroupBounds(HALVES, lower={"a": 0.4}, active=True)]},
        {"groupbounds (lower of 'a')": 0.3, "max_weights": 0.225},
    ),
    "a ratio": (
        {"max_weights": 0.2, "constraints": [GroupRatio(HALVES, "a", "b", upper=0.2)]},
        {"groupratio (upper)": 0.25, "max_weights": 5 / 24, "budget": 0.96},
    ),
    "active bounds": (
        {"max_weights": 0.3, "constraints": [ActiveBounds(lower={"x0": 0.4})]},
        {"activebounds (lower)": 0.175, "max_weights": 0.525},
    ),
    "an active share": (
        {"min_weights": {"x0": 0.5}, "constraints": [MaxActiveShare(0.3)]},
        {"maxactiveshare": 0.375, "min_weights": None},
    ),
    "leverage": (
        {"min_weights": -1, "constraints": [MaxLeverage(gross=1.2), LinearConstraint([-1, *[0] * 7], 0.3)]},
        {"maxleverage (gross)": 1.6, "linearconstraint (lower)": 0.1, "budget": 0.6},
    ),
    "rows": (
        {"constraints": [LinearConstraint(np.eye(8)[:3], lower=[0.5, 0.2, 0.4])]},
        {
            "linearconstraint (lower of 'row 0')": 0.4,
            "linearconstraint (lower of 'row 1')": 0.1,
            "linearconstraint (lower of 'row 2')": 0.3,
            "budget": 1.1,
        },
    ),
    "names of groups": (
        {"max_weights": 0.3, "constraints": [GroupCardinality(HALVES, most=1)]},
        {"groupcardinality (most)": 2, "max_weights": 0.5, "budget": 0.6},
    ),
    "positions": ({"min_position": 0.3, "cardinality": (4, 5)}, {"min_position": 0.25, "cardinality (fewest)": 3}),
    "trades": (
        {"max_weights": {"x0": 0.1, "x1": 0.1, "x2": 0.1}, "constraints": [MaxTrades(2)]},
        {"maxtrades": 4},
    ),
    "large positions": (
        {"max_weights": 0.3, "constraints": [ConditionalBudget(0.1, 0.1)]},
        {"conditionalbudget": 0.3, "budget": 0.8},
    ),
}


@pytest.mark.parametrize(("terms", "values"), BY_HAND.values(), ids=BY_HAND)
def test_values_that_follow_by_hand(market, terms, values):
    X, _ = market
    model = MinTrackingError(**terms, benchmark_weights=EQUAL)
    found = needed(failure(model, X, previous_weights=EQUAL).explanation)
    assert values.keys() <= found.keys()
    for what, value in values.items():
        assert (found[what] is None) == (value is None)
        if value is not None:
            assert_allclose(found[what], value, rtol=2e-3, err_msg=what)


def test_bounds_of_several_sizes_give_way_alike(market):
    X, y = market
    upper = np.linspace(0.05, 0.12, 8)
    way = failure(MinTrackingError(max_weights=upper), X, y).explanation.conflict[0]
    assert way.limit is None
    assert way.needed is None
    assert_allclose(way.change, (1 - upper.sum()) / 8, rtol=1e-3)
    assert str(way) == f"raise max_weights by at least {way.change:.12g}, for every asset"


def test_net_returns_are_limited_from_below(market):
    X, _ = market
    mu = X.mean(axis=0)
    model = MeanRisk(constraints=[MinReturn(0.1, costs=[TransactionCost(0.0001)])])
    most = mu.max() - 0.0001 * np.abs(np.eye(8)[mu.argmax()] - EQUAL).sum()
    explanation = failure(model, X, previous_weights=EQUAL).explanation
    found = {each.name: each for each in explanation.conflict}
    assert found["minreturn"].limit == 0.1
    assert_allclose(found["minreturn"].needed, most, rtol=1e-3)
    assert found["minreturn"].needed <= most


def test_a_constraint_of_ones_own_is_named_and_has_no_number(market):
    class Ball(Constraint):
        def constraints(self, problem, w):
            return [cp.sum_squares(w) <= 0.1]

    X, y = market
    explanation = failure(MinTrackingError(constraints=[Ball()]), X, y).explanation
    assert explanation.names[-1] == "ball" or "ball" in explanation.names
    own = next(each for each in explanation.conflict if each.name == "ball")
    assert own.limit is own.needed is own.change is None
    assert "what is not known" in own.reason
    (budget,) = [each for each in explanation.conflict if each.name == "budget"]
    assert_allclose(budget.needed, np.sqrt(0.8), rtol=5e-3)  # the least sum of squares of a sum b is b²/8


def test_two_risks_that_cannot_be_had_together(market):
    X, y = market
    tail = MeanRisk(CVaR(0.9)).fit(X).solution_.objective
    te = MeanRisk(CVaR(0.9), max_tracking_error=0.004).fit(X, y)
    middle = (tail + te.solution_.objective) / 2
    model = MeanRisk(max_tracking_error=0.004, constraints=[CVaR(0.9) <= middle])
    explanation = failure(model, X, y).explanation
    assert {"max_tracking_error", "cvar"} <= set(explanation.names)
    values = needed(explanation)
    assert_allclose(values["cvar"], te.solution_.objective, rtol=2e-3)
    nearest = MinTrackingError(constraints=[CVaR(0.9) <= middle]).fit(X, y).solution_.objective
    assert_allclose(values["max_tracking_error"], nearest, rtol=2e-3)


def test_independent_clashes_leave_no_single_change(market):
    X, y = market
    both = [Exposure(np.arange(8), 9), ("other", LinearConstraint(np.eye(8)[0], 1.5))]
    error = failure(MinTrackingError(constraints=both), X, y)
    assert error.explanation.remedies == []
    assert "No change of one of them alone is known to be enough" in str(error)
    assert "no value of it alone is enough" in str(error.explanation)


def test_what_the_budget_and_bounds_contradict_is_blamed_alone(market):
    X, y = market
    held = np.array([0.3, 0.3, 0.3, 0, 0, 0, 0, 0])
    model = MinTrackingError(max_weights=0.1, constraints=[MaxTurnover(0.01), MaxLeverage(gross=0.7)])
    assert failure(model, X, y, previous_weights=held).explanation.names == ["max_weights", "budget"]


def test_a_budget_that_only_one_sum_meets_is_told_to_the_last_digit(market):
    X, y = market
    fixed = np.full(8, 0.1) + 0.001 * np.sqrt(np.arange(8))
    values = needed(failure(MinTrackingError(min_weights=fixed, max_weights=fixed), X, y).explanation)
    assert_allclose(values["budget"], fixed.sum(), rtol=1e-12)
    MinTrackingError(min_weights=fixed, max_weights=fixed, budget=values["budget"]).fit(X, y)


def test_tangents_find_values_with_few_solutions(monkeypatch):
    """Halves would need twice as many."""
    from trackfolio import solvers

    calls, own = [], solvers._minimum
    monkeypatch.setattr(solvers, "_minimum", lambda *arguments: calls.append(1) or own(*arguments))
    limits = make_case("return and tracking error", 8, 1000).limits
    calls.clear()
    explanation = diagnose(limits.model, limits.X, limits.y, previous_weights=limits.previous)
    assert explanation.names == ["minreturn", "max_tracking_error"]
    assert len(calls) <= 16


# The record.


def test_a_manager_relaxes_trades_first_and_the_tracking_error_last():
    limits = make_case("tracking error and bounds", 8, 1000).limits
    explanation = failure(limits.model, limits.X, limits.y).explanation
    families = [FAMILIES.index(each.family) for each in explanation.conflict]
    assert families == sorted(families)
    assert explanation.names[-1] == "max_tracking_error"
    turned = diagnose(limits.model, limits.X, limits.y, order=["tracking"])
    assert turned.names[0] == "max_tracking_error"
    assert set(turned.conflict) == set(explanation.conflict)
    assert (
        diagnose(limits.model, limits.X, limits.y, order=["max_tracking_error", "bounds"]).names[0] == turned.names[0]
    )
    with pytest.raises(ValueError, match=r"order names 'max_weight', .* Did you mean 'max_weights'"):
        diagnose(limits.model, limits.X, limits.y, order=["max_weight"])
    with pytest.raises(TypeError, match="order must be a list"):
        diagnose(limits.model, limits.X, limits.y, order="tracking")


def test_errors_with_an_explanation_pickle(market):
    X, y = market
    error = failure(MinTrackingError(max_weights=0.1), X, y)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.explanation == error.explanation
    assert pickle.loads(pickle.dumps(InfeasibleError("alone"))).explanation is None


def test_messages_of_checks_stay_and_changes_follow(market):
    X, y = market
    assert str(failure(MinTrackingError(max_weights=0.1), X, y)) == (
        "budget is at least 1, but max_weights add up to only 0.8: raise max_weights or lower budget. "
        "Any one of these changes is enough: raise max_weights from 0.1 to at least 0.125; lower budget from 1 to at "
        "most 0.8."
    )


def test_diagnose_raises_nothing_and_changes_nothing(market):
    X, y = market
    model = MinTrackingError()
    found = diagnose(model, X, y)
    assert found.is_feasible
    assert found.conflict == ()
    assert str(found) == "There are portfolios within all limits."
    assert not hasattr(model, "weights_")
    assert diagnose(MinTrackingError(cardinality=3), X, y).is_feasible
    near = MeanRisk(constraints=[RiskLimit(StandardDeviation(), 0.01, active=True)])
    assert diagnose(near, X, y).is_feasible
    with pytest.raises(TypeError, match="MinTrackingError or MeanRisk"):
        diagnose(EqualWeighted(), X, y)
    with pytest.raises(ValueError, match="needs the previous"):
        diagnose(MinTrackingError(constraints=[MaxTurnover(0.1)]), X, y)


def test_an_explanation_that_fails_hides_nothing(market, monkeypatch):
    from trackfolio import solvers

    def broken(*_):
        raise RuntimeError("no idea")

    monkeypatch.setattr(solvers, "explain", broken)
    X, y = market
    error = failure(MinTrackingError(max_weights=0.1), X, y)
    assert str(error).startswith("budget is at least 1, but max_weights add up to only 0.8")
    assert error.explanation.reason == "the explanation failed with RuntimeError: no idea"
    limits = make_case("turnover and a group", 8, 1000).limits
    error = failure(limits.model, limits.X, limits.y, previous_weights=limits.previous)
    assert "the explanation failed with RuntimeError: no idea" in str(error)


def test_what_is_not_settled_in_time_is_said(market, monkeypatch):
    from trackfolio.solvers._infeasible import _explain

    X, y = market
    model = MinTrackingError(cardinality=2, max_weights=0.4)
    problem = model.make_problem(X, y)
    found = _explain.explain(problem, lambda *_: None, seconds=0.0)
    assert found.is_feasible is None
    assert "not settled" in str(found)


def test_nothing_is_explained_where_there_is_a_portfolio(market, monkeypatch):
    from trackfolio import solvers

    for name in ("explain", "contradiction"):
        monkeypatch.setattr(solvers, name, lambda *_: pytest.fail("asked without need"))
    X, y = market
    MinTrackingError(max_weights=0.3).fit(X, y)
    MeanRisk(CVaR(), max_tracking_error=0.01).fit(X, y)
    MinTrackingError(cardinality=3).fit(X, y)


def test_in_units_far_from_one():
    """Weights of a millionth, and an exposure in billions."""
    X, y = simulate()
    for unit, size in ((1e-6, 1.0), (1e6, 1.0), (1.0, 1e9), (1.0, 1e-9)):
        limit = Exposure(size * np.arange(8.0), 7.7 * size * unit)
        model = MinTrackingError(budget=unit, max_weights=unit, constraints=[limit])
        values = needed(failure(model, X, unit * y).explanation)
        assert_allclose(values["exposure (lower)"], 7 * size * unit, rtol=1e-9)
        assert_allclose(values["budget"], (1 + 0.7 / 6) * unit, rtol=1e-3)


@pytest.mark.parametrize("sign", [-1, 1])
def test_numbers_are_rounded_away_from_the_limit(sign):
    rng = np.random.default_rng(0)
    for limit, change in zip(rng.normal(size=300), 10 ** rng.uniform(-6, 3, 300), strict=True):
        value = limit + sign * change
        shown = rounded(value, limit, sign=sign)
        assert sign * (shown - value) >= -1e-9 * change
        assert abs(shown - value) <= 0.0051 * change
    assert rounded(0.1 + 1e-15, 0.05, sign=1) == 0.1
    assert rounded(0.062415, 0.05, sign=1) == 0.06242 or rounded(0.062415, 0.05, sign=1) == 0.0625


def test_numbers_of_few_digits():
    assert few_digits(0.19993, 0.2001) == 0.2
    assert few_digits(-0.0001, 0.0002) == 0
    assert few_digits(123.4, 126.7) == 125 or few_digits(123.4, 126.7) in (124, 125, 126, 120)


def test_no_solver_is_loaded_for_the_names():
    code = "import sys, trackfolio.exceptions; assert 'scipy' not in sys.modules and 'cvxpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
