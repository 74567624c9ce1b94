"""Limits against textbook programs, their multipliers against finite differences, and what makes no sense."""

from typing import NamedTuple
from unittest.mock import patch

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import (
    BetaBounds,
    Exposure,
    GroupBounds,
    GroupRatio,
    LinearConstraint,
    MaxActiveShare,
    MaxLeverage,
    MaxTurnover,
    MinReturn,
    RiskLimit,
)
from trackfolio.costs import L2, TransactionCost
from trackfolio.exceptions import InfeasibleError
from trackfolio.metrics import beta
from trackfolio.risks import CVaR, RootMeanSquare, StandardDeviation, Variance
from trackfolio.solvers import Conic, DenseQP
from trackfolio.testing import check_constraint

from .conftest import simulate

X, Y = simulate()
N = X.shape[1]
NAMES = [f"x{i}" for i in range(N)]
BENCHMARK = np.arange(1, N + 1) / 36
HELD = np.full(N, 1 / N)
GROUPS = list("aaabbbcc")
A, B, C = (np.array([g == name for g in GROUPS], dtype=float) for name in "abc")
MU = X.mean(axis=0)
VIEWS = np.linspace(0.002, -0.001, N)
BETAS = np.array([np.cov(x, Y)[0, 1] for x in X.T]) / np.var(Y, ddof=1)


def traded(m, w, centre=0.0):
    return m.sum(m.abs(w - centre))


class Case(NamedTuple):
    """A limit as a function of one number v, and by how much weights exceed it, for numpy and for cvxpy."""

    value: float
    limit: object
    excess: object
    looser: int = 1  # the direction of v that loosens the limit
    lowest: float = 0.0


CASES = {
    "group": Case(0.25, lambda v: GroupBounds(GROUPS, upper={"a": v}), lambda m, w, v: A @ w - v),
    "least group": Case(0.3, lambda v: GroupBounds(GROUPS, {"c": v}), lambda m, w, v: v - C @ w, -1),
    "active group": Case(
        -0.1, lambda v: GroupBounds(GROUPS, None, {"b": v}, True), lambda m, w, v: B @ (w - BENCHMARK) - v
    ),
    "least active group": Case(
        0.02, lambda v: GroupBounds(GROUPS, {"c": v, "a": -1}, None, True), lambda m, w, v: v - C @ (w - BENCHMARK), -1
    ),
    "group ratio": Case(0.6, lambda v: GroupRatio(GROUPS, "a", "b", None, v), lambda m, w, v: (A - v * B) @ w),
    "least group ratio": Case(1.5, lambda v: GroupRatio(GROUPS, "c", "a", v), lambda m, w, v: (v * A - C) @ w, -1),
    "leverage": Case(1.2, lambda v: MaxLeverage(gross=v), lambda m, w, v: traded(m, w) - v, lowest=-0.5),
    "long": Case(1.1, lambda v: MaxLeverage(long=v), lambda m, w, v: m.sum(m.maximum(w, 0)) - v, lowest=-0.5),
    "short": Case(0.12, lambda v: MaxLeverage(short=v), lambda m, w, v: m.sum(m.maximum(-w, 0)) - v, lowest=-0.5),
    "active share": Case(0.25, MaxActiveShare, lambda m, w, v: traded(m, w, BENCHMARK) / 2 - v),
    "turnover": Case(0.2, MaxTurnover, lambda m, w, v: traded(m, w, HELD) / 2 - v),
    "return": Case(0.0008, MinReturn, lambda m, w, v: v - w @ MU, -1),
    "return by views": Case(0.001, lambda v: MinReturn(v, VIEWS), lambda m, w, v: v - w @ VIEWS, -1),
    "active return": Case(0.0005, lambda v: MinReturn(v, active=True), lambda m, w, v: v - (w @ MU - Y.mean()), -1),
    "net return": Case(
        0.0003,
        lambda v: MinReturn(v, costs=[TransactionCost(0.0005)]),
        lambda m, w, v: v - w @ MU + 0.0005 * traded(m, w, HELD),
        -1,
    ),
    "net active return": Case(
        0.0001,
        lambda v: MinReturn(v, costs=[TransactionCost(0.0004), L2(1e-4)], active=True),
        lambda m, w, v: v + Y.mean() - w @ MU + 0.0004 * traded(m, w, HELD) + 1e-4 * m.sum(m.power(w, 2)),
        -1,
    ),
    "beta": Case(0.3, lambda v: BetaBounds(upper=v), lambda m, w, v: BETAS @ w - v),
    "least beta": Case(1.05, lambda v: BetaBounds(v, 2.0), lambda m, w, v: v - BETAS @ w, -1),
    "tracking error": Case(
        0.004,
        lambda v: RiskLimit(RootMeanSquare(), v, active=True),
        lambda m, w, v: 1e3 * (m.sum(m.power(X @ w - Y, 2)) / len(Y) - v**2),
    ),
}

# Values that a tracker feels too, where the others only bind the least risk.
TRACKED = {"group": 0.04, "least group": 0.75, "active group": -0.17, "least active group": 0.3, "group ratio": 0.15}
TRACKED |= {"least group ratio": 16.0, "leverage": 1.002, "long": 1.001, "short": 0.001, "tracking error": 0.00106465}


def solved(model, *data, **metadata):
    model.fit(*data, **metadata)
    assert model.solution_.status == "optimal", model.solution_
    assert model.solution_.gap <= 1e-8
    assert model.solution_.certificate.kind == "bound"
    return model


def fitted(name, value, estimator=MeanRisk, risk=None):
    case = CASES[name]
    model = estimator(
        StandardDeviation() if risk is None else risk,
        min_weights=case.lowest,
        benchmark_weights=BENCHMARK,
        constraints=[("limit", case.limit(value))],
    )
    return solved(model, X, Y, previous_weights=HELD)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("estimator", [MeanRisk, MinTrackingError])
def test_least_deviation_under_a_limit_is_that_of_the_textbook(name, estimator):
    case, tracks = CASES[name], estimator is MinTrackingError
    value = TRACKED.get(name, case.value) if tracks else case.value
    returns = X - Y[:, None] if tracks else X
    centred = (returns - returns.mean(axis=0)) / np.sqrt(len(X) - 1)
    w = cp.Variable(N)
    limits = [cp.sum(w) == 1, w >= case.lowest, w <= 1]
    program = cp.Problem(cp.Minimize(100 * cp.norm(centred @ w)), [*limits, 100 * case.excess(cp, w, value) <= 0])
    program.solve(solver=cp.CLARABEL, tol_gap_rel=1e-9, tol_gap_abs=1e-9)
    model = fitted(name, value, estimator)
    assert_allclose(model.solution_.objective, program.value / 100, rtol=1e-6)
    assert_allclose(np.std(returns @ model.weights_, ddof=1), program.value / 100, rtol=1e-6)
    assert_allclose(case.excess(np, model.weights_, value), 0, atol=1e-8)  # active at the optimum
    assert np.max(model.solution_.multipliers["limit"]) > 1e-8


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("risk", [StandardDeviation(), CVaR(0.8)], ids=lambda r: r.term_name)
def test_multiplier_is_the_derivative(name, risk):
    value, looser = CASES[name].value, CASES[name].looser
    step = 1e-4 * max(abs(value), 0.01)
    loose, tight = (fitted(name, value + sign * looser * step, risk=risk).solution_.objective for sign in (1, -1))
    model = fitted(name, value, risk=risk)
    price = np.max(model.solution_.multipliers["limit"])
    assert price > 0
    assert_allclose(price, (tight - loose) / (2 * step), rtol=0.02, atol=1e-6 * risk.value(X @ HELD))


VARIANTS = [
    GroupBounds([1, 1, 2, 2, None], -0.05, 0.05, active=True),
    GroupRatio([1, 1, 2, 2, None], 1, 2, lower=0.8),
    BetaBounds(1, 1),
    MaxLeverage(long=1.0),
    MinReturn(-0.002),
    MinReturn(-0.002, np.linspace(-0.003, 0.001, 5), active=True),
    MinReturn(-0.001, dict.fromkeys(("x0", "x1", "x2", "x3", "x4"), 0.0), costs=[TransactionCost(0, 0.01), L2(1e-4)]),
]


@pytest.mark.parametrize("limit", VARIANTS, ids=lambda limit: limit.term_name)
def test_variants_keep_the_promises_of_constraints(limit):
    check_constraint(limit)


# Groups.


def test_each_group_has_its_multiplier():
    limits = GroupBounds(dict(zip(NAMES, GROUPS, strict=True)), upper={"a": 0.2, "b": 0.25})
    of_groups = solved(MeanRisk(constraints=[limits]), X)
    assert_allclose([A @ of_groups.weights_, B @ of_groups.weights_], [0.2, 0.25], atol=1e-9)
    prices = of_groups.solution_.multipliers["groupbounds"]
    assert prices.shape == (3,)
    assert (prices[:2] > 0).all()
    assert prices[2] == 0


def test_ratio_of_groups_is_held_between_both_limits():
    model = solved(MinTrackingError(constraints=[GroupRatio(GROUPS, "a", "b", 0.5, 0.5)]), X, Y)
    assert_allclose(A @ model.weights_, 0.5 * (B @ model.weights_), atol=1e-9)
    numbered = [GROUPS.index(g) for g in GROUPS]
    by_number = solved(MinTrackingError(constraints=[GroupRatio(numbered, 0, 3, 0.5, 0.5)]), X, Y)
    assert_allclose(by_number.weights_, model.weights_, atol=1e-12)


# Leverage, turnover, active share.


def leveraged(**limits):
    return solved(MeanRisk(StandardDeviation(), min_weights=-1, constraints=[MaxLeverage(**limits)]), X)


def test_110_10():
    """With a fixed budget, the long and the short side imply one another: their prices add up."""

    def fit(shorts):
        return leveraged(long=1 + shorts, short=shorts)

    model = fit(0.1)
    w = model.weights_
    assert_allclose([w[w > 0].sum(), -w[w < 0].sum()], [1.1, 0.1], atol=1e-8)
    assert_allclose(w, leveraged(gross=1.2).weights_, atol=1e-5)
    slope = (fit(0.0999).solution_.objective - fit(0.1001).solution_.objective) / 2e-4
    assert_allclose(np.sum(model.solution_.multipliers["maxleverage"]), slope, rtol=1e-3)


@pytest.mark.parametrize("limits", [{"gross": 1}, {"long": 1}, {"short": 0}], ids=repr)
def test_no_shorts_by_leverage_is_long_only(limits):
    """Limits that leave no room to move inside them are met all the same."""
    long_only = MeanRisk(StandardDeviation()).fit(X)
    model = leveraged(**limits)
    assert_allclose(model.weights_, long_only.weights_, atol=1e-5)
    assert_allclose(model.solution_.objective, long_only.solution_.objective, rtol=1e-8)


def test_limits_of_nothing_leave_no_choice():
    share = solved(MeanRisk(benchmark_weights=BENCHMARK, constraints=[MaxActiveShare(0)]), X)
    assert_allclose(share.weights_, BENCHMARK, atol=1e-8)
    turnover = solved(MeanRisk(constraints=[MaxTurnover(0)]), X, previous_weights=HELD)
    assert_allclose(turnover.weights_, HELD, atol=1e-8)


def test_turnover_counts_both_sides_where_cash_flows_in():
    held = 0.9 * np.roll(BENCHMARK, 3)
    model = solved(MeanRisk(constraints=[MaxTurnover(0.15)]), X, previous_weights=held)
    traded = model.weights_ - held
    assert_allclose(traded.sum(), 0.1, atol=1e-9)
    assert_allclose(np.abs(traded).sum() / 2, 0.15, atol=1e-8)


# Beta.


def test_rolls_critique():
    """The least tracking error for an excess return ends with a beta above 1; a band on beta mends it."""
    market, noise = X[:, [0]] + 0.001, 0.3 * X[:, 1:]
    returns = np.hstack([market, market * [0.7, 0.8, 0.9, 1.1, 1.2, 1.3, 1.4] + noise])
    y = returns.mean(axis=1)
    goal = MinReturn(0.0002, active=True)
    free = MinTrackingError(constraints=[goal]).fit(returns, y)
    banded = MinTrackingError(constraints=[goal, BetaBounds(0.98, 1.0)]).fit(returns, y)
    assert beta(y, returns @ free.weights_) > 1.01
    assert beta(y, returns @ banded.weights_) <= 1 + 1e-8
    assert banded.solution_.objective >= free.solution_.objective


def test_beta_counts_repetitions():
    repeats = np.random.default_rng(0).integers(0, 3, len(X))
    model = MeanRisk(constraints=[BetaBounds(0.6)]).fit(X, Y, sample_weight=repeats)
    repeated = np.repeat(X @ model.weights_, repeats), np.repeat(Y, repeats)
    assert_allclose(np.cov(*repeated)[0, 1] / np.var(repeated[1], ddof=1), 0.6, atol=1e-8)


def test_beta_to_a_benchmark_by_weights():
    model = solved(MeanRisk(benchmark_weights=BENCHMARK, constraints=[BetaBounds(1, 1)]), X)
    assert_allclose(beta(X @ BENCHMARK, X @ model.weights_), 1, atol=1e-9)
    assert model.solution_.solver == "DenseQP"  # a row like any other


# Return.


def test_return_by_array_by_name_and_of_the_estimator():
    by_array = solved(MeanRisk(constraints=[MinReturn(0.001, VIEWS)]), X)
    assert by_array.solution_.solver == "DenseQP"
    assert_allclose(VIEWS @ by_array.weights_, 0.001, atol=1e-10)
    by_name = [MinReturn(0.001, pd.Series(VIEWS, NAMES)[::-1]), MinReturn(0.001, dict(zip(NAMES, VIEWS, strict=True)))]
    of_estimator = MeanRisk(expected_returns=VIEWS, constraints=[MinReturn(0.001)])
    for model in (of_estimator, *(MeanRisk(constraints=[limit]) for limit in by_name)):
        assert_allclose(solved(model, X).weights_, by_array.weights_, atol=1e-12)


@pytest.mark.parametrize("costs", [None, [TransactionCost(1e-5)]], ids=["gross", "net"])
def test_what_an_active_return_is_measured_from(costs):
    def fit(*data, views=None, **metadata):
        limit = MinReturn(0.0013, views, costs, active=True)
        model = MeanRisk(Variance(), constraints=[limit], benchmark_weights=None if len(data) > 1 else BENCHMARK)
        solved(model, *data, previous_weights=HELD, **metadata)
        cost = 0.0 if costs is None else 1e-5 * np.abs(model.weights_ - HELD).sum()
        return model.weights_, 0.0013 + cost

    w, most = fit(X)  # by weights: the benchmark's expected return is that of its holdings
    assert_allclose(MU @ (w - BENCHMARK), most, atol=1e-9)
    w, most = fit(X, views=VIEWS)
    assert_allclose(VIEWS @ (w - BENCHMARK), most, atol=1e-9)
    w, most = fit(X, Y, views=VIEWS)  # by returns: their mean
    assert_allclose(VIEWS @ w - Y.mean(), most, atol=1e-9)
    repeats = np.arange(len(X)) % 3
    w, most = fit(X, Y, sample_weight=repeats)
    assert_allclose(np.average(X @ w - Y, weights=repeats), most, atol=1e-9)


def test_unreachable_return_is_said():
    with pytest.raises(InfeasibleError, match="minreturn"):
        MeanRisk(constraints=[MinReturn(0.1)]).fit(X)


# Names.


def test_two_of_a_kind_and_nested_names():
    limits = [CVaR(0.9) <= 0.03, CVaR(0.99) <= 0.05, Exposure(np.arange(8.0), 0, 7), LinearConstraint(np.ones(8), 0)]
    model = MeanRisk(constraints=limits)
    model.set_params(**{"constraints__cvar-1__risk__confidence": 0.8, "constraints__cvar-2__limit": 0.06})
    assert limits[0].risk.confidence == 0.8
    assert limits[1].limit == 0.06
    net = MeanRisk(constraints=[MinReturn(0.0, costs=[TransactionCost(0.1)])])
    nested = {"limit": 0.1, "costs__transactioncost__rate": 0.2}
    tuned = clone(net).set_params(**{f"constraints__minreturn__{name}": value for name, value in nested.items()})
    assert (tuned.constraints[0].limit, tuned.constraints[0].costs[0].rate) == (0.1, 0.2)
    assert (net.constraints[0].limit, net.constraints[0].costs[0].rate) == (0.0, 0.1)


def test_multipliers_of_two_of_a_kind():
    limits = [MaxLeverage(gross=1.5), MaxLeverage(short=0.1)]
    model = solved(MeanRisk(StandardDeviation(), min_weights=-1, constraints=limits), X)
    slack, tight = (model.solution_.multipliers[f"maxleverage-{i}"] for i in (1, 2))
    assert slack < 1e-8 < 1e-5 < tight
    model.set_params(constraints=[("wide", limits[0]), ("narrow", limits[1])])
    assert_allclose(solved(model, X).solution_.multipliers["narrow"], tight, rtol=1e-6)


# What makes no sense is said before any solver is called.


def refused(match, model, *data, error=(ValueError, TypeError), **metadata):
    called = AssertionError("a solver was called on bad input")
    with (
        patch.object(DenseQP, "solve", side_effect=called),
        patch.object(Conic, "solve", side_effect=called),
        pytest.raises(error, match=match),
    ):
        model.fit(*data, **metadata)


@pytest.mark.parametrize(
    ("limit", "match"),
    [
        (GroupBounds(GROUPS), "neither lower nor upper"),
        (GroupBounds(GROUPS, upper={"d": 1}), "GroupBounds.upper names the group 'd'"),
        (GroupBounds(GROUPS, 0.5, 0.4), "lower limit 0.5 is above upper limit 0.4"),
        (GroupBounds([None] * N, upper=1), "no asset in a group"),
        (GroupBounds(3, upper=1), "one label per asset, got 3"),
        (GroupBounds([[g] for g in GROUPS], upper=1), "one label per asset"),
        (GroupRatio(["tech", *["oil"] * 7], "tec", "oil", upper=1), "Did you mean 'tech'"),
        (GroupRatio(GROUPS, "a", "b"), "lower or an upper"),
        (GroupRatio(GROUPS, "a", "a", upper=1), "two different groups"),
        (GroupRatio(GROUPS, "a", "b", upper=-1), "at least 0, got -1"),
        (GroupRatio(GROUPS, "a", "b", upper=np.inf), "finite"),
        (GroupRatio(GROUPS, "a", "b", lower=np.nan), "lower is NaN"),
        (GroupRatio(GROUPS, "a", "b", 2, 1), "lower limit 2 is above upper limit 1"),
        (MaxLeverage(), "needs a limit"),
        (MaxLeverage(gross=-1), "MaxLeverage.gross"),
        (MaxLeverage(gross=[1, 2]), "one number"),
        (MaxActiveShare(-0.1), "at least 0"),
        (MaxActiveShare(None), "got None"),
        (MinReturn(np.inf), "finite"),
        (MinReturn(0.0, expected_returns=[0.1]), "8 assets"),
        (MinReturn(0.0, expected_returns={"asset": 1}), "names the asset 'asset'"),
        (MinReturn(0.0, costs=TransactionCost(0.1)), "list of terms"),
        (MinReturn(-1.0, costs=[TransactionCost(0.0)]), "MinReturn.transactioncost has no effect"),
        (BetaBounds(), "no finite limit"),
        (BetaBounds([1, 2]), "one number"),
        (BetaBounds(1.1, 0.9), "lower limit 1.1 is above upper limit 0.9"),
    ],
    ids=repr,
)
def test_limits_that_make_no_sense(limit, match):
    refused(match, MeanRisk(benchmark_weights=BENCHMARK, constraints=[limit]), X, Y, previous_weights=HELD)


@pytest.mark.parametrize(
    ("limit", "match"),
    [
        (MaxActiveShare(0.1), "needs the benchmark's weights"),
        (GroupBounds(GROUPS, upper=0.1, active=True), "needs the benchmark's weights"),
        (BetaBounds(1, 1), "needs a benchmark"),
        (MinReturn(0.0, active=True), "needs a benchmark"),
        (MinReturn(0.0, costs=[TransactionCost(0.1)]), "previous weights"),
    ],
    ids=repr,
)
def test_what_is_missing_is_said(limit, match):
    refused(match, MeanRisk(constraints=[limit]), X)


def test_a_covariance_and_a_constant_benchmark_have_no_beta():
    banded = MeanRisk(Variance("precomputed"), benchmark_weights=BENCHMARK, constraints=[BetaBounds(1, 1)])
    refused("BetaBounds needs returns", banded, np.cov(X.T))
    refused("benchmark's return is constant", MeanRisk(constraints=[BetaBounds(1, 1)]), X, np.full(len(X), 0.001))
    refused("needs expected returns", MeanRisk(Variance("precomputed"), constraints=[MinReturn(0.0)]), np.cov(X.T))


@pytest.mark.parametrize(
    ("limit", "end"),
    [(MinReturn(0.0012), "largest"), (BetaBounds(0.1, 0.2), "smallest")],
    ids=["net return", "beta"],
)
def test_what_a_row_could_reach_is_said(limit, end, market):
    X, y = market
    with pytest.raises(InfeasibleError) as raised:
        MeanRisk(constraints=[limit, ("few", LinearConstraint(np.eye(8), upper=0.5))]).fit(X, y)
    betas = np.cov(X.T, y)[:-1, -1] / np.var(y, ddof=1)
    reached = {"largest": np.sort(X.mean(axis=0))[-2:].mean(), "smallest": np.sort(betas)[:2].mean()}[end]
    (said,) = [each for each in raised.value.explanation.conflict if each.name == limit.term_name]
    assert_allclose(said.needed, reached, rtol=1e-3)
    assert (said.needed - reached) * said.change >= 0  # rounded to the side on which there are portfolios
