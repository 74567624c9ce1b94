"""Limits against textbook programs, their multipliers against finite differences, and what makes no sense."""

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose

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
from trackfolio.costs import TransactionCost
from trackfolio.exceptions import InfeasibleError
from trackfolio.metrics import beta
from trackfolio.risks import CVaR, RootMeanSquare, StandardDeviation

from .conftest import simulate

X, Y = simulate()
N = X.shape[1]
BENCHMARK = np.arange(1, N + 1) / 36
HELD = np.full(N, 1 / N)
GROUPS = list("aaabbbcc")
A, B = (np.array([g == name for g in GROUPS], dtype=float) for name in "ab")
MU = X.mean(axis=0)

# A limit as a function of one number, and the same for cvxpy.
CASES = {
    "group": (0.25, lambda v: GroupBounds(GROUPS, upper={"a": v}), lambda w, v: A @ w <= v),
    "active group": (
        -0.1,
        lambda v: GroupBounds(GROUPS, upper={"b": v}, active=True),
        lambda w, v: B @ (w - BENCHMARK) <= v,
    ),
    "group ratio": (0.6, lambda v: GroupRatio(GROUPS, "a", "b", upper=v), lambda w, v: A @ w <= v * (B @ w)),
    "leverage": (1.2, lambda v: MaxLeverage(gross=v), lambda w, v: cp.norm1(w) <= v),
    "long": (1.15, lambda v: MaxLeverage(long=v), lambda w, v: cp.sum(cp.pos(w)) <= v),
    "short": (0.12, lambda v: MaxLeverage(short=v), lambda w, v: cp.sum(cp.neg(w)) <= v),
    "active share": (0.25, lambda v: MaxActiveShare(v), lambda w, v: cp.norm1(w - BENCHMARK) <= 2 * v),
    "turnover": (0.2, lambda v: MaxTurnover(v), lambda w, v: cp.norm1(w - HELD) <= 2 * v),
    "return": (0.0008, lambda v: MinReturn(v), lambda w, v: w @ MU >= v),
    "active return": (
        0.0005,
        lambda v: MinReturn(v, active=True),
        lambda w, v: w @ MU - Y.mean() >= v,
    ),
    "net return": (
        0.0003,
        lambda v: MinReturn(v, costs=[TransactionCost(0.0005)]),
        lambda w, v: w @ MU - 0.0005 * cp.norm1(w - HELD) >= v,
    ),
    "beta": (
        0.6,
        lambda v: BetaBounds(upper=v),
        lambda w, v: w @ np.array([np.cov(x, Y)[0, 1] for x in X.T]) / np.var(Y, ddof=1) <= v,
    ),
    "tracking error": (
        0.004,
        lambda v: RiskLimit(RootMeanSquare(), v, active=True),
        lambda w, v: cp.norm(X @ w - Y) <= v * np.sqrt(len(Y)),
    ),
}
LOWER = {"leverage": -0.5, "long": -0.5, "short": -0.5}


def fitted(name, value, estimator=MeanRisk, risk=None):
    _, limit, _ = CASES[name]
    model = estimator(
        StandardDeviation() if risk is None else risk,
        min_weights=LOWER.get(name, 0.0),
        benchmark_weights=BENCHMARK,
        constraints=[("limit", limit(value))],
    )
    model.fit(X, Y, previous_weights=HELD)
    assert model.solution_.status == "optimal", model.solution_
    assert model.solution_.certificate.kind == "bound"
    return model


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("estimator", [MeanRisk, MinTrackingError])
def test_least_deviation_under_a_limit_is_that_of_the_textbook(name, estimator):
    value, _, limit = CASES[name]
    returns = X if estimator is MeanRisk else X - Y[:, None]
    centred = (returns - returns.mean(axis=0)) / np.sqrt(len(X) - 1)
    w = cp.Variable(N)
    program = cp.Problem(
        cp.Minimize(100 * cp.norm(centred @ w)), [cp.sum(w) == 1, w >= LOWER.get(name, 0), w <= 1, limit(w, value)]
    )
    program.solve(solver=cp.CLARABEL, tol_gap_rel=1e-9, tol_gap_abs=1e-9)
    model = fitted(name, value, estimator)
    assert_allclose(model.solution_.objective, program.value / 100, rtol=1e-6)
    assert np.max(limit(cp.Constant(model.weights_), value).violation()) <= 1e-8


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("risk", [StandardDeviation(), CVaR(0.8)], ids=lambda r: r.term_name)
def test_multiplier_is_the_derivative(name, risk):
    value = CASES[name][0]
    step = 1e-4 * max(abs(value), 0.01)
    up, down = (fitted(name, value + sign * step, risk=risk).solution_.objective for sign in (1, -1))
    price = np.max(fitted(name, value, risk=risk).solution_.multipliers["limit"])
    slope = abs(up - down) / (2 * step)
    if name == "group ratio":  # its multiplier is per unit of weight, not of the ratio
        price *= B @ fitted(name, value, risk=risk).weights_
    assert_allclose(price, slope, rtol=0.02, atol=1e-6 * model_scale(risk))


def model_scale(risk):
    return risk.value(X @ HELD)


@pytest.mark.parametrize(
    ("limit", "match"),
    [
        (GroupRatio(GROUPS, "a", "d", upper=1), "group 'd'"),
        (GroupRatio(GROUPS, "a", "b"), "lower or an upper"),
        (GroupRatio(GROUPS, "a", "a", upper=1), "two different groups"),
        (GroupRatio(GROUPS, "a", "b", upper=-1), "at least 0"),
        (MaxLeverage(), "needs a limit"),
        (MaxLeverage(gross=-1), "MaxLeverage.gross"),
        (MaxLeverage(gross=[1, 2]), "one number"),
        (MaxActiveShare(np.nan), "NaN"),
        (MinReturn(np.inf), "finite"),
        (MinReturn("high"), "one number"),
        (MinReturn(0.0, expected_returns=[0.1]), "8 assets"),
        (MinReturn(0.0, costs=TransactionCost(0.1)), "list of terms"),
        (BetaBounds(), "no finite limit"),
        (GroupBounds(GROUPS), "neither lower nor upper"),
    ],
    ids=repr,
)
def test_limits_that_make_no_sense(limit, match):
    with pytest.raises((ValueError, TypeError), match=match):
        MeanRisk(benchmark_weights=BENCHMARK, constraints=[limit]).fit(X, Y, previous_weights=HELD)


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
    with pytest.raises(ValueError, match=match):
        MeanRisk(constraints=[limit]).fit(X)


def test_unreachable_returns_are_said():
    with pytest.raises(InfeasibleError, match="minreturn"):
        MeanRisk(constraints=[MinReturn(0.1)]).fit(X)
    with pytest.raises(InfeasibleError, match="The largest reachable minreturn is"):
        MeanRisk(constraints=[MinReturn(0.1, costs=[TransactionCost(0.001)])]).fit(X, previous_weights=HELD)


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


def test_two_of_a_kind_and_nested_names():
    limits = [CVaR(0.9) <= 0.03, CVaR(0.99) <= 0.05, Exposure(np.arange(8.0), 0, 7), LinearConstraint(np.ones(8), 0)]
    model = MeanRisk(constraints=limits)
    model.set_params(**{"constraints__cvar-1__risk__confidence": 0.8, "constraints__cvar-2__limit": 0.06})
    assert limits[0].risk.confidence == 0.8
    assert limits[1].limit == 0.06
    net = MeanRisk(constraints=[MinReturn(0.0, costs=[TransactionCost(0.1)])])
    net.set_params(constraints__minreturn__costs__transactioncost__rate=0.2)
    assert net.constraints[0].costs[0].rate == 0.2
