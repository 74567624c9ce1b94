"""Limits, weights and returns in any unit: the same answer, and the same proof."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import (
    Constraint,
    Exposure,
    LinearConstraint,
    MaxActiveShare,
    MaxLeverage,
    MaxTurnover,
)
from trackfolio.costs import L1, L2, TransactionCost
from trackfolio.exceptions import TrackfolioWarning
from trackfolio.risks import CVaR, RootMeanSquare, StandardDeviation, Variance
from trackfolio.solvers import Conic

from .conftest import simulate

SOLVERS = pytest.mark.parametrize("solver", [None, Conic()], ids=["automatic", "conic"])


@SOLVERS
@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1e-4, 1e4, 1e8, 1e12])
def test_unit_of_a_limit(unit, solver):
    X, y = simulate()
    values = 1.2345678 * np.arange(8.0)

    def fit(u):
        limits = [Exposure(u * values, upper=u * 2.5), LinearConstraint(u * np.eye(8)[2], u * 0.1, u * 0.2)]
        return MinTrackingError(constraints=limits, solver=solver).fit(X, y)

    model, reference = fit(unit), fit(1.0)
    assert_allclose(model.weights_, reference.weights_, atol=1e-7)
    assert values @ model.weights_ <= 2.5 + 1e-9
    assert model.solution_.gap <= 1e-8
    for name in ("exposure", "linearconstraint"):  # improvement per unit of relaxation, in the unit of the limit
        assert_allclose(
            unit * model.solution_.multipliers[name], reference.solution_.multipliers[name], rtol=1e-4, atol=1e-10
        )


@SOLVERS
@pytest.mark.parametrize("size", [1e-9, 1e-5, 10.0, 1e6, 1e9])
@pytest.mark.parametrize("risk", [RootMeanSquare(), Variance()], ids=lambda r: type(r).__name__)
def test_size_of_the_weights(size, risk, solver):
    X, y = simulate()
    tilt = Exposure(np.arange(8.0), upper=2.5 * size)
    model = MinTrackingError(risk, budget=size, max_weights=None, constraints=[tilt], solver=solver).fit(X, size * y)
    reference = MinTrackingError(risk, constraints=[Exposure(np.arange(8.0), upper=2.5)]).fit(X, y)
    assert_allclose(model.weights_ / size, reference.weights_, atol=1e-7)
    power = 1 if risk.is_root else 2
    assert_allclose(model.solution_.objective / size**power, reference.solution_.objective, rtol=1e-8)
    assert model.solution_.gap <= 1e-8
    for name in ("budget", "exposure"):
        ours, theirs = (m.solution_.multipliers[name] for m in (model, reference))
        assert_allclose(ours / size ** (power - 1), theirs, rtol=1e-5)


def test_nearly_no_budget_is_no_unit_for_long_short():
    X, y = simulate()
    model = MinTrackingError(budget=1e-9, min_weights=-1).fit(X, y)
    reference = MinTrackingError(budget=0, min_weights=-1).fit(X, y)
    assert_allclose(model.weights_, reference.weights_, atol=1e-7)


EQUAL = np.full(8, 1 / 8)


@pytest.mark.parametrize("size", [1e-6, 1e4, 1e7])
@pytest.mark.parametrize(
    "terms",
    [
        lambda size: {"constraints": [MaxLeverage(gross=1.3 * size)]},
        lambda size: {"constraints": [MaxLeverage(long=1.2 * size, short=0.2 * size)]},
        lambda size: {"constraints": [MaxActiveShare(0.2 * size)]},
        lambda size: {"costs": [L1(1e-3)]},
        lambda size: {"costs": [L2(1e-2 / size)]},
        lambda size: {"costs": [TransactionCost(rate=1e-3)]},
        lambda size: {"costs": [TransactionCost(impact=1e-2 / size**0.5)]},
        lambda size: {"costs": [TransactionCost(impact=1e-2 / size, exponent=2)]},
    ],
    ids=["gross", "sides", "active share", "L1", "L2", "rate", "impact", "quadratic impact"],
)
def test_absolute_values_and_powers_of_weights_of_any_size(terms, size):
    X, _ = simulate()

    def fit(size):
        model = MeanRisk(
            CVaR(0.9),
            budget=size,
            min_weights=-size,
            max_weights=2 * size,
            benchmark_weights=size * EQUAL,
            **terms(size),
        )
        return model.fit(X, previous_weights=size * EQUAL)

    model, reference = fit(size), fit(1.0)
    assert_allclose(model.solution_.objective / size, reference.solution_.objective, rtol=1e-8)
    assert_allclose(model.weights_ / size, reference.weights_, atol=1e-5)
    assert model.solution_.status == "optimal"


class UpTo(Constraint):
    """A limit for cvxpy alone, on the declared weights."""

    def __init__(self, most):
        self.most = most

    def constraints(self, problem, w):
        return [w[0] <= self.most]


def test_turnover_of_large_weights():
    X, y = simulate()
    size = 1e6
    previous = np.full(8, size / 8)
    most = np.array([0.01, *[1.0] * 7])
    model = MinTrackingError(budget=size, max_weights=most * size, constraints=[MaxTurnover(0.2 * size)])
    model.fit(X, size * y, previous_weights=previous)
    reference = MinTrackingError(max_weights={"x0": 0.01}, constraints=[MaxTurnover(0.2)])
    reference.fit(X, y, previous_weights=previous / size)
    assert_allclose(model.weights_ / size, reference.weights_, atol=1e-6)
    assert model.solution_.status == "optimal"
    multipliers = (m.solution_.multipliers["maxturnover"] for m in (model, reference))
    assert_allclose(*multipliers, rtol=1e-5)


def test_terms_for_cvxpy_see_declared_weights_and_poor_ones_are_said():
    X, y = simulate()
    size = 1e6
    model = MinTrackingError(budget=size, max_weights=None, constraints=[UpTo(0.01 * size)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, size * y)
    reference = MinTrackingError(max_weights={"x0": 0.01} | {f"x{i}": 1 for i in range(1, 8)}).fit(X, y)
    error = abs(model.solution_.objective / size - reference.solution_.objective)
    assert error <= 1e-7 or any(issubclass(w.category, TrackfolioWarning) for w in caught)
    assert model.weights_[0] <= 0.01 * size * (1 + 1e-6)


def test_small_columns_are_not_taken_for_flat():
    """Free weights: a column of tiny returns needs huge weights, and no bound may deny it."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 2)) * [1.0, 1e-14]
    y = X @ [0.3, 2e13]
    for risk in (StandardDeviation(), RootMeanSquare()):
        model = MinTrackingError(risk, min_weights=None, max_weights=None, budget=(-np.inf, np.inf))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrackfolioWarning)  # the answer may be poor, but then it says so
            solution = model.fit(X, y).solution_
        assert solution.lower_bound <= 1e-12
        assert solution.status == "inaccurate" or solution.objective < 1e-9
