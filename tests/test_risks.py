"""Every risk against its formula, in all of its roles."""

import operator
import pickle

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

import trackfolio.risks
from trackfolio import EqualWeighted, MeanRisk, MinTrackingError
from trackfolio.constraints import MaxTurnover, RiskLimit
from trackfolio.risks import (
    AverageDrawdown,
    CDaR,
    CVaR,
    EDaR,
    EVaR,
    GiniMeanDifference,
    Huber,
    LowerPartialMoment,
    MaxDrawdown,
    MeanAbsoluteDeviation,
    Risk,
    RootMeanSquare,
    SemiDeviation,
    SemiVariance,
    StandardDeviation,
    UlcerIndex,
    Variance,
    WorstRealization,
)
from trackfolio.risks._drawdown import _filled

from .conftest import MANY, simulate

R = simulate(1, 83)[0][:, 0]


def tail(losses, share):
    """Mean of the worst share, by a linear program: weights of at most 1 / (share · T)."""
    weights, left = np.zeros(len(losses)), 1.0
    for place in np.argsort(-losses):
        weights[place] = min(left, 1 / (share * len(losses)))
        left -= weights[place]
    return weights @ losses


def entropic(losses, share):
    def bound(log_z):
        z = np.exp(log_z)
        return z * np.log(np.mean(np.exp((losses - losses.max()) / z)) / share) + losses.max()

    return minimize_scalar(bound, bounds=(-15, 3), method="bounded", options={"xatol": 1e-12}).fun


def fallen(r):
    path, peak, result = 0.0, 0.0, []
    for x in r:
        path += x
        peak = max(peak, path)
        result.append(peak - path)
    return np.array(result)


D = fallen(R)
PAIRS = [abs(a - b) for i, a in enumerate(R) for b in R[i + 1 :]]
VALUES = [
    (RootMeanSquare(), np.sqrt(np.mean(R**2))),
    (Variance(), np.var(R, ddof=1)),
    (StandardDeviation(), np.std(R, ddof=1)),
    (SemiVariance(), sum(min(r - R.mean(), 0) ** 2 for r in R) / 82),
    (SemiVariance(0.002), sum(min(r - 0.002, 0) ** 2 for r in R) / 82),
    (SemiDeviation(), np.sqrt(sum(min(r - R.mean(), 0) ** 2 for r in R) / 82)),
    (MeanAbsoluteDeviation(), np.mean([abs(r - R.mean()) for r in R])),
    (LowerPartialMoment(1, 0.001), np.mean([max(0.001 - r, 0) for r in R])),
    (LowerPartialMoment(2, 0.001), np.mean([max(0.001 - r, 0) ** 2 for r in R])),
    (Huber(0.01), np.mean([r * r if abs(r) <= 0.01 else 0.02 * abs(r) - 1e-4 for r in R])),
    (WorstRealization(), -min(R)),
    (CVaR(0.9), tail(-R, 0.1)),
    (CVaR(0.99), -min(R)),
    (EVaR(0.9), entropic(-R, 0.1)),
    (MaxDrawdown(), max(D)),
    (AverageDrawdown(), np.mean(D)),
    (CDaR(0.9), tail(D, 0.1)),
    (EDaR(0.9), entropic(D, 0.1)),
    (UlcerIndex(), np.sqrt(np.mean(D**2))),
    (GiniMeanDifference(), np.mean(PAIRS)),
]
RISKS = [risk for risk, _ in VALUES]


def test_every_risk_is_here():
    public = {getattr(trackfolio.risks, name) for name in trackfolio.risks.__all__} - {Risk}
    assert {type(risk) for risk in RISKS} == public


@pytest.mark.parametrize(("risk", "value"), VALUES, ids=[repr(risk) for risk in RISKS])
def test_value_is_the_formula(risk, value):
    assert_allclose(risk.value(R), value, rtol=1e-9)
    assert_allclose(pickle.loads(pickle.dumps(clone(risk))).value(R.tolist()), value, rtol=1e-9)
    if risk.degree is not None:
        assert_allclose(risk.value(3 * R), 3**risk.degree * value, rtol=1e-9)


@pytest.mark.parametrize("risk", RISKS, ids=repr)
def test_sample_weight_is_repetition_or_refused(risk):
    repeats = np.random.default_rng(0).integers(0, 3, len(R))
    if risk.of_path:
        X, _ = simulate()
        with pytest.raises(ValueError, match=f"{type(risk).__name__} does not take it"):
            MeanRisk(risk).fit(X, sample_weight=np.ones(len(X)))
        return
    assert_allclose(risk.value(R, repeats.astype(float)), risk.value(np.repeat(R, repeats)), rtol=1e-9)


@pytest.mark.parametrize("risk", [r for r in RISKS if not r.of_path and r.degree], ids=repr)
def test_fits_count_repetitions(risk):
    X, _ = simulate(5, 40)
    repeats = np.random.default_rng(1).integers(0, 3, len(X))
    weighted = MeanRisk(risk).fit(X, sample_weight=repeats.astype(float))
    repeated = MeanRisk(risk).fit(np.repeat(X, repeats, axis=0))
    assert_allclose(weighted.solution_.objective, repeated.solution_.objective, rtol=1e-7)
    assert weighted.solution_.gap < 1e-8


@pytest.mark.parametrize("risk", RISKS, ids=repr)
def test_tracking_by_any_risk_scorers_and_limits(risk):
    X, y = simulate(5, 60)
    model = MinTrackingError(risk).fit(X, y)
    active = X @ model.weights_ - y
    assert_allclose(model.solution_.objective, risk.value(active), rtol=1e-9, atol=1e-14)
    assert model.solution_.certificate.kind == "bound"
    assert_allclose(risk.scorer(active=True)(model, X, y), -risk.value(active))
    assert_allclose(risk.scorer()(model, X), -risk.value(X @ model.weights_))
    equal = risk.value(X @ EqualWeighted().fit(X).weights_)
    limit = RiskLimit(risk, equal)
    assert (risk <= equal).get_params()["limit"] == equal
    assert limit.term_name == type(risk).__name__.lower()
    within = MinTrackingError(constraints=[limit]).fit(X, y)
    assert risk.value(X @ within.weights_) <= equal * (1 + 1e-7)


class OwnRisk(Risk):
    """Mean of cubes of losses, one method."""

    def expression(self, returns, sample_weight=None):
        return cp.sum(cp.power(cp.pos(-returns), 3)) / returns.shape[0]


def test_a_risk_with_one_method_has_all_roles():
    X, y = simulate(5, 60)
    X, y, own = 100 * X, 100 * y, OwnRisk()
    model = MeanRisk(own).fit(X, y)
    returns = X @ model.weights_
    value = np.mean(np.maximum(-returns, 0) ** 3)
    assert_allclose(model.solution_.objective, value, rtol=1e-6)
    assert model.solution_.certificate.kind == "residuals"
    assert_allclose(own.value(returns), value)
    assert_allclose(model.predict(X).risk(own), value)
    assert_allclose(own.scorer()(model, X), -value)
    limited = MinTrackingError(constraints=[own <= 1.1 * value]).fit(X, y)
    assert own.value(X @ limited.weights_) <= 1.1 * value * (1 + 1e-6)


def test_grid_over_risks_levels_and_limits(frames):
    X, y = frames
    model = MeanRisk(CVaR(), constraints=[MaxTurnover(0.5)])
    held = dict.fromkeys(X.columns, 1 / 8)
    grid = [{"risk": [CVaR(), MaxDrawdown()], "constraints__maxturnover__limit": [0.2]}, {"risk__confidence": [0.8]}]
    search = GridSearchCV(model, grid, cv=TimeSeriesSplit(2), scoring=CVaR(0.9).scorer())
    search.fit(X, y, previous_weights=held)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("cls", [CVaR, EVaR, CDaR, EDaR])
@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, np.nan, "high", [0.9, 0.95], None])
def test_levels_out_of_range(cls, confidence):
    with pytest.raises(ValueError, match=f"{cls.__name__}.confidence"):
        cls(confidence).value(R)
    with pytest.raises(ValueError, match=f"{cls.__name__}.confidence"):
        MeanRisk(cls(confidence)).fit(simulate()[0])


@pytest.mark.parametrize(
    ("risk", "match"),
    [
        (Huber(0), "positive"),
        (Huber(np.inf), "finite"),
        (LowerPartialMoment(3), "1 or 2"),
        (LowerPartialMoment(1, np.nan), "NaN"),
        (SemiVariance("mean"), "number"),
    ],
    ids=repr,
)
def test_parameters_out_of_range(risk, match):
    with pytest.raises(ValueError, match=match):
        risk.value(R)


def test_returns_that_are_none():
    for returns in ([], [[0.1]], [np.nan, 0.1], [np.inf, 0.1]):
        with pytest.raises(ValueError, match="Returns must be"):
            CVaR().value(returns)


def test_entropic_value_at_extremes():
    """All mass of the tail in one period, constant returns, and tiny or huge scales."""
    assert_allclose(EVaR(0.95).value([0.01] * 10), -0.01)
    assert_allclose(EVaR(0.95).value([0.01, -0.02, 0.03]), 0.02)
    for scale in (1e-9, 1e6):
        assert_allclose(EVaR(0.9).value(scale * R), scale * EVaR(0.9).value(R), rtol=1e-9)


@MANY
def test_a_risk_of_zero_at_equal_weights_is_no_unit():
    X = (3 * np.random.RandomState(0).uniform(size=(20, 5))).astype(int).astype(float)
    assert abs(CVaR().value(X.mean(axis=1))) < 1e-12
    assert MeanRisk(CVaR()).fit(X).solution_.gap < 1e-8


def test_filled_weights_are_a_level():
    ends = np.array([0.5, 0.1, 0.0, 0.0])
    assert_allclose(_filled(ends), [0.5, 0.5 / 3, 0.5 / 3, 0.5 / 3])
    assert_allclose(_filled(np.array([0.4, 0.3, 0.1, 0.0])), [0.4, 0.3, 0.15, 0.15])


def test_labels_tell_risks_apart():
    labels = [risk.label for risk in RISKS]
    assert "CVaR 99 %" in labels
    assert "Gini mean difference" in labels
    assert "semi-deviation" in labels


def test_a_risk_is_no_lower_limit():
    for compare in (operator.ge, operator.lt, operator.gt):
        with pytest.raises(TypeError, match=r"only be limited from above: write CVaR\(...\) <= limit"):
            compare(CVaR(0.9), 0.02)
