"""Risks as functions of the weights: values, sizes, what solvers see, proofs; against numpy on the returns."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.covariance import EmpiricalCovariance

from trackfolio import EqualWeighted, MeanRisk, MinTrackingError
from trackfolio._position import CvxpyWeights, Position
from trackfolio._running import Moments
from trackfolio.constraints import RiskLimit
from trackfolio.risks import (
    CVaR,
    Huber,
    MaxDrawdown,
    Risk,
    RootMeanSquare,
    SemiVariance,
    StandardDeviation,
    Variance,
    WorstRealization,
)
from trackfolio.risks._base import spoken
from trackfolio.risks._calls import call_weighted, evaluated, parts
from trackfolio.risks._quadratic import MeanSquare

from .conftest import simulate

X, Y = simulate(4, 30)
W = np.array([0.4, 0.3, 0.2, 0.1])
REPEATS = np.arange(30.0) % 3
SIGMA = np.cov(X.T)
FORMS = [RootMeanSquare(), MeanSquare(), StandardDeviation(), Variance()]
OTHERS = [CVaR(0.8), Huber(0.01), SemiVariance(), MaxDrawdown(), WorstRealization()]


def repeated(returns, s):
    return returns if s is None else np.repeat(returns, s.astype(int), axis=0)


@pytest.mark.parametrize("s", [None, REPEATS], ids=["plain", "repeated"])
@pytest.mark.parametrize("risk", FORMS + OTHERS, ids=lambda risk: type(risk).__name__)
def test_value_at_weights_and_what_cvxpy_gets(risk, s):
    if s is not None and risk.of_path:
        return
    position, size = Position(X, Y, sample_weight=s), 2.5
    value = risk.value(repeated(X @ W - Y, s))
    assert_allclose(risk.at(position, W), value, rtol=1e-9)
    written = risk.write_at(position, CvxpyWeights(cp.Constant(W), size))
    found = evaluated((written.expression / value, written.constraints))
    assert_allclose(found, 1, rtol=1e-6)
    assert written.link.size >= 5 or s is None


@pytest.mark.parametrize("risk", FORMS, ids=lambda risk: type(risk).__name__)
def test_forms_from_moments_alone(risk):
    position = Position(None, moments=Moments.of(X, Y), is_active=True)
    assert_allclose(risk.at(position, W), risk.value(X @ W - Y), rtol=1e-10)


@pytest.mark.parametrize("risk", [StandardDeviation, Variance])
def test_ex_ante_forms(risk):
    d = W - 0.25
    variance = d @ SIGMA @ d
    expected = np.sqrt(variance) if risk is StandardDeviation else variance
    given = Position(None, covariance=SIGMA, benchmark_weights=np.full(4, 0.25))
    assert_allclose(risk("precomputed").at(given, W), expected, rtol=1e-12)
    estimated = Position(X, benchmark_weights=np.full(4, 0.25))
    factor = 29 / 30 if risk is Variance else np.sqrt(29 / 30)  # scikit-learn divides by T
    assert_allclose(risk(EmpiricalCovariance()).at(estimated, W), factor * expected, rtol=1e-12)
    of_form = risk(EmpiricalCovariance()).quadratic(estimated)
    assert_allclose(of_form.value(W), 29 / 30 * variance, rtol=1e-12)
    assert risk().quadratic(estimated) is estimated.variance
    for wrong, error, match in (
        ("empirical", ValueError, "covariance must be None, 'precomputed' or an estimator, got 'empirical'"),
        (EmpiricalCovariance, TypeError, r"such as sklearn.covariance.LedoitWolf\(\), got <class"),
        (SIGMA, TypeError, "To give a matrix, use covariance='precomputed'"),
    ):
        with pytest.raises(error, match=match):
            risk(wrong).at(estimated, W)


@pytest.mark.parametrize("risk", FORMS, ids=lambda risk: type(risk).__name__)
@pytest.mark.parametrize("size", [1.0, 2.0])
def test_size_of_a_form_is_that_of_single_assets(risk, size):
    alone = [size * x - Y for x in X.T]
    squares = [RootMeanSquare().value(a) ** 2 if "Square" in type(risk).__name__ else np.var(a, ddof=1) for a in alone]
    expected = np.sqrt(np.mean(squares)) if risk.is_root else np.mean(squares)
    assert_allclose(risk.scale(Position(X, Y), size), expected, rtol=1e-12)
    written = risk.write_at(Position(X, Y), CvxpyWeights(cp.Variable(4), size))
    assert_allclose(written.unit, np.sqrt(np.mean(squares)), rtol=1e-12)  # solvers see numbers near 1
    assert risk.scale(Position(X, Y)) == risk.scale(Position(X, Y), 1.0)


def test_size_of_other_risks_is_that_of_equal_weights():
    position = Position(X)
    assert_allclose(CVaR(0.8).scale(position), CVaR(0.8).value(X.mean(axis=1)), rtol=1e-12)
    assert_allclose(CVaR(0.8).scale(position, 3.0), CVaR(0.8).value(3 * X.mean(axis=1)), rtol=1e-12)
    # Two assets that cancel one another: a hundredth of the returns' size, to the power of the risk, or of its value.
    opposite = Position(np.array([[0.1, -0.1], [-0.3, 0.3]]))
    rms = np.sqrt((0.1**2 + 0.3**2) / 2)
    assert_allclose(CVaR(0.5).scale(opposite), 0.01 * rms, rtol=1e-12)
    assert_allclose(CVaR(0.5).scale(opposite, 2.0), 0.02 * rms, rtol=1e-12)
    assert_allclose(SemiVariance().scale(opposite, 2.0), 0.01 * (2 * rms) ** 2, rtol=1e-12)
    assert_allclose(Huber(0.1).scale(opposite), 0.01 * (2 * 0.1 * rms - 0.1**2), rtol=1e-12)


class Cubes(Risk):
    """Mean of cubes of losses, with its gradient."""

    def expression(self, returns, sample_weight=None):
        return cp.sum(cp.power(cp.pos(-returns), 3)) / returns.shape[0]

    def gradient(self, returns, sample_weight=None):
        return -3 * np.maximum(-returns, 0) ** 2 / len(returns)


def test_minorant_by_a_gradient_is_a_tangent():
    position = Position(100 * X, 100 * Y)
    below = Cubes().minorant_at(position, W)
    losses = np.maximum(100 * (Y - X @ W), 0)
    assert_allclose(below.value, np.mean(losses**3), rtol=1e-9)
    assert_allclose(below.slope, -3 * (losses**2) @ (100 * X) / 30, rtol=1e-9)
    assert Cubes().is_provable


@pytest.mark.parametrize("risk", FORMS, ids=lambda risk: type(risk).__name__)
def test_minorant_of_a_form(risk):
    """By the right multipliers it touches, by any others it stays below; without, it is the tangent."""
    position = Position(X, Y)
    R, r = risk.quadratic(position).root()
    z = R @ W - r
    right = z / np.linalg.norm(z) if risk.is_root else 2 * z
    steps = 1e-6 * np.eye(4)
    slope = [(risk.at(position, W + e) - risk.at(position, W - e)) / 2e-6 for e in steps]
    for below in (risk.minorant_at(position, W), risk.minorant_at(position, W, right)):
        assert_allclose(below.value, risk.at(position, W), rtol=1e-9)
        assert_allclose(below.slope, slope, rtol=1e-5)
    rng = np.random.default_rng(0)
    for pull in (5 * right, -right, *rng.standard_normal((5, len(r))), np.full(len(r), np.nan)):
        below = risk.minorant_at(position, W, pull)
        ahead = np.linalg.lstsq(R, pull if np.isfinite(pull).all() else right, rcond=None)[0]
        for v in (W, *rng.standard_normal((20, 4)), ahead, 30 * ahead, 1e3 * ahead):
            assert risk.at(position, v) >= below.value + below.slope @ (v - W) - 1e-9 * (1 + np.abs(v).max() ** 2)


class MeanLoss(Risk):
    """Mean loss with a constraint, of which no proof is asked."""

    def expression(self, returns, sample_weight=None):
        s = np.ones(returns.shape[0]) if sample_weight is None else sample_weight
        loss = cp.Variable(returns.shape[0])
        link = loss >= -returns
        return s @ loss / s.sum(), [link], link


def test_value_of_a_risk_with_an_expression_alone():
    assert_allclose(MeanLoss().value(X[:, 0]), -X[:, 0].mean(), rtol=1e-6)
    assert_allclose(MeanLoss().value(X[:, 0], list(REPEATS)), -np.average(X[:, 0], weights=REPEATS), rtol=1e-6)
    written = MeanLoss().write_at(Position(X, Y), CvxpyWeights(cp.Variable(4)))
    assert written.link is None
    assert not MeanLoss().is_provable


def test_a_root_of_zero_has_slope_zero():
    returns = np.arange(12.0).reshape(3, 4)
    below = RootMeanSquare().minorant_at(Position(returns, returns[:, 2]), np.eye(4)[2])
    assert below.value == 0
    assert np.array_equal(below.slope, np.zeros(4))


def test_scorers_take_weights_and_compare_dates():
    dates = pd.bdate_range("2024-01-01", periods=30)
    frame, y = pd.DataFrame(X, dates), pd.Series(Y, dates)
    model = EqualWeighted().fit(frame)
    active = X.mean(axis=1) - Y
    scorer = CVaR(0.8).scorer(active=True)
    assert_allclose(scorer(model, frame, y), -CVaR(0.8).value(active))
    assert_allclose(scorer(model, frame, y, sample_weight=REPEATS), -CVaR(0.8).value(repeated(active, REPEATS)))
    assert_allclose(scorer(model, frame, list(Y)), -CVaR(0.8).value(active))
    with pytest.raises(ValueError, match="differ"):
        scorer(model, frame, y.set_axis(dates.shift(1)))
    with pytest.raises(ValueError, match="needs y, or an estimator with benchmark_weights"):
        scorer(model, frame)
    against = MinTrackingError(benchmark_weights=W).fit(frame)
    assert_allclose(scorer(against, frame), 0, atol=1e-8)


def test_weights_of_periods_are_refused_by_name():
    for risk, why in ((MaxDrawdown(), "MaxDrawdown does not take it: the periods form a path"), (NoWeights(), "it.$")):
        with pytest.raises(ValueError, match=why):
            call_weighted(risk.value if risk.of_path else risk.expression, np.zeros(3), np.ones(3))

    def alone(returns):
        return returns

    with pytest.raises(AttributeError):  # a function of no risk is no case of its own
        call_weighted(alone, 1, np.ones(3))


class NoWeights(Risk):
    def expression(self, returns):
        return cp.sum(returns)


def test_parts_of_an_expression():
    x = cp.Variable()
    limits = [x >= 0, x <= 1]
    assert parts(x) == (x, [], None)
    assert parts((x, limits)) == (x, limits, None)
    assert parts((x, limits, limits[1]))[2] is limits[1]


def test_names_as_words():
    assert [spoken(name) for name in ("MaxDrawdown", "SemiVariance", "Huber")] == [
        "max drawdown",
        "semi-variance",
        "huber",
    ]


def test_limits_of_a_risk():
    problem = MinTrackingError().make_problem(X, Y)
    (limit,) = RiskLimit(CVaR(0.8), 0.02).limits(problem)
    ((coefficient, function),) = limit.summands
    assert (coefficient, limit.bound) == (1.0, 0.02)
    assert_allclose(function.value(W), CVaR(0.8).value(X @ W))
    ((_, function),) = RiskLimit(CVaR(0.8), 0.02, active=True).limits(problem)[0].summands
    assert_allclose(function.value(W), CVaR(0.8).value(X @ W - Y))
    assert RiskLimit(StandardDeviation(), 0.0).limits(problem)[0].bound == 0
    for term, error, match in (
        (RiskLimit("CVaR", 0.1), TypeError, r"risk must be a risk such as .*got 'CVaR'"),
        (RiskLimit(CVaR(), None), ValueError, "limit of CVaR is None; it would have no effect"),
        (RiskLimit(CVaR(), np.inf), ValueError, "limit of CVaR is inf"),
        (RiskLimit(Variance(), -1e-9), ValueError, "limit of Variance is -1e-09, but no value of it is below 0"),
    ):
        with pytest.raises(error, match=match):
            term.limits(problem)
    with pytest.raises(ValueError, match=r"RiskLimit\(CVaR, active=True\) needs a benchmark"):
        RiskLimit(CVaR(), 0.1, active=True).limits(MeanRisk().make_problem(X))
