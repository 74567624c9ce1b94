"""What changes nothing: repetitions as rows or as weights, orders, names, and units of the returns."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import (
    ActiveBounds,
    BetaBounds,
    Exposure,
    GroupBounds,
    MaxTurnover,
    MinReturn,
    RiskLimit,
)
from trackfolio.costs import L2, TransactionCost
from trackfolio.objectives import MaxRatio, MaxReturn, MaxUtility
from trackfolio.risks import (
    CVaR,
    Huber,
    LowerPartialMoment,
    MeanAbsoluteDeviation,
    Risk,
    StandardDeviation,
    Variance,
)

from .conftest import simulate
from .test_solvers import subclasses

N, NAMES = 6, list("ABCDEF")
VALUES, TARGET = simulate(N, 60, seed=2)
DATES = pd.bdate_range("2020-01-01", periods=60)
X, Y = pd.DataFrame(VALUES, DATES, NAMES), pd.Series(TARGET, DATES)
HELD = pd.Series([0.3, 0.1, 0.25, 0.05, 0.2, 0.1], NAMES)
# A return that can be reached.
LEAST = float(HELD @ VALUES.mean(axis=0) + 5e-4)
GROUPS = dict(zip(NAMES, "aabbbc", strict=True))
TILT = dict(zip(NAMES, [3.0, 1.0, -2.0, 4.0, 0.5, 2.0], strict=True))

RISKS = [Huber(0.01) if kind is Huber else kind() for kind in subclasses(Risk)] + [
    CVaR(0.7), LowerPartialMoment(order=1, target=1e-3),
]  # fmt: skip
EVERY_RISK = pytest.mark.parametrize("risk", RISKS, ids=lambda r: r.label)
BOTH = pytest.mark.parametrize("estimator", [MinTrackingError, MeanRisk])


def limited(estimator, risk, **more):
    """A model with limits by name."""
    limits = [
        Exposure(TILT, upper=1.8),
        GroupBounds(GROUPS, upper={"b": 0.7}),
        MaxTurnover(0.3),
        ActiveBounds(upper=0.25),
    ]
    return estimator(
        risk, constraints=limits, max_weights={"B": 0.35}, min_weights={"C": 0.05}, benchmark_weights=HELD, **more
    )


def fit(model, X=X, y=Y, **more):
    return model.fit(X, y, previous_weights=HELD, **more)


def assert_same(model, reference, *, factor=1.0, order=None):
    """The same objective (times a factor), weights and multipliers."""
    ours, theirs = model.solution_, reference.solution_
    places = slice(None) if order is None else order
    assert_allclose(ours.objective, factor * theirs.objective, rtol=1e-7, atol=1e-12 * factor)
    assert_allclose(model.weights_, reference.weights_[places], atol=2e-4)
    assert np.isnan(ours.freedom) == np.isnan(theirs.freedom)
    for name in ("exposure", "maxturnover"):
        size = factor * abs(theirs.objective)
        assert_allclose(ours.multipliers[name], factor * theirs.multipliers[name], rtol=1e-2, atol=1e-4 * size)


@BOTH
@EVERY_RISK
def test_weight_2_is_the_row_twice(estimator, risk):
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    rows = np.repeat(np.arange(len(X)), counts)
    if risk.of_path:
        with pytest.raises(ValueError, match="the periods form a path"):
            fit(limited(estimator, risk), sample_weight=counts)
        return
    weighted = fit(limited(estimator, risk), sample_weight=counts)
    assert_same(weighted, fit(limited(estimator, risk), X.iloc[rows], Y.iloc[rows]))


@BOTH
@EVERY_RISK
def test_order_of_the_rows_matters_for_paths_alone(estimator, risk):
    order = np.random.default_rng(1).permutation(len(X))
    shuffled, reference = fit(limited(estimator, risk), X.iloc[order], Y.iloc[order]), fit(limited(estimator, risk))
    if risk.of_path:
        assert abs(shuffled.solution_.objective / reference.solution_.objective - 1) > 1e-3
    else:
        assert_same(shuffled, reference)


@BOTH
@EVERY_RISK
def test_order_of_the_assets(estimator, risk):
    order = np.random.default_rng(2).permutation(N)
    assert_same(fit(limited(estimator, risk), X.iloc[:, order]), fit(limited(estimator, risk)), order=order)


@BOTH
@EVERY_RISK
def test_names_and_dates(estimator, risk):
    """Limits by place: names change nothing but how pandas keeps the numbers, and so how sums are rounded."""

    def model():
        return estimator(risk, max_weights=0.4, constraints=[Exposure(list(TILT.values()), upper=1.5)])

    other = X.set_axis([f"<{name}> & 7" for name in reversed(NAMES)], axis=1).set_axis(range(60), axis=0)
    reference = model().fit(X, Y)
    named = model().fit(other, pd.Series(TARGET, range(60)))
    assert_allclose(named.weights_, reference.weights_, atol=1e-9)
    assert_allclose(named.solution_.objective, reference.solution_.objective, rtol=1e-9)
    assert_allclose(model().fit(VALUES, TARGET).weights_, reference.weights_, atol=1e-7)


UNITS = pytest.mark.parametrize("unit", [100.0, 1e4, 1e-3], ids=["percent", "basis points", "thousands"])


def in_units(risk, unit):
    """The risk with its own parameters in the unit of the returns."""
    if isinstance(risk, Huber):
        return Huber(unit * 0.01)
    if isinstance(risk, LowerPartialMoment):
        return LowerPartialMoment(risk.order, unit * risk.target)
    return risk


@UNITS
@BOTH
@EVERY_RISK
def test_units_of_the_returns(estimator, risk, unit):
    degree = _degree(risk)
    found = fit(limited(estimator, in_units(risk, unit)), unit * X, unit * Y)
    assert_same(found, fit(limited(estimator, risk)), factor=unit**degree)


def _degree(risk):
    """Power by which a risk grows with all returns, parameters in their unit included."""
    returns = VALUES @ np.full(N, 1 / N)
    return round(float(np.log2(in_units(risk, 2.0).value(2 * returns) / risk.value(returns))), 6)


@UNITS
@pytest.mark.parametrize(
    "terms",
    [
        lambda u: {"max_tracking_error": 0.004 * u},
        lambda u: {"max_tracking_error": 0.006 * u, "objective": MaxReturn()},
        lambda u: {"objective": MaxRatio(-0.01 * u), "risk": StandardDeviation()},
        lambda u: {"objective": MaxRatio(-0.01 * u), "risk": CVaR(0.8), "costs": [TransactionCost(1e-3 * u)]},
        lambda u: {"objective": MaxUtility(3 / u), "costs": [TransactionCost(1e-3 * u)]},
        lambda u: {"costs": [TransactionCost(1e-4 * u**2), L2(1e-5 * u**2)], "tracking_penalty": 0.5},
        lambda u: {"risk": CVaR(0.8), "costs": [TransactionCost(1e-4 * u, impact=1e-3 * u)], "tracking_penalty": 5 / u},
        lambda u: {"constraints": [MinReturn(LEAST * u), CVaR(0.8) <= 0.02 * u]},
        lambda u: {"constraints": [RiskLimit(Variance(), 1e-5 * u**2, active=True), BetaBounds(0.9, 0.95)]},
        lambda u: {
            "risk": MeanAbsoluteDeviation(),
            "constraints": [MinReturn((LEAST - 3e-4) * u, costs=[TransactionCost(1e-3 * u)])],
        },
    ],
    ids=["near", "return", "Sharpe", "tail ratio", "utility", "prices", "impact", "limits", "active", "net"],
)
def test_units_of_limits_costs_and_prices(terms, unit):
    def model(u):
        params = terms(u)
        limits = params.pop("constraints", [])
        return MeanRisk(max_weights=0.6).set_params(
            constraints=[Exposure(TILT, upper=1.8), MaxTurnover(0.4), *limits], **params
        )

    found, reference = fit(model(unit), unit * X, unit * Y), fit(model(1.0))
    degree = {"MaxRatio": 0, "MaxReturn": 1, "MaxUtility": 1}.get(type(reference.objective).__name__)
    if degree is None:
        degree = 2 if reference.risk is None else 1
    assert_same(found, reference, factor=unit**degree)
