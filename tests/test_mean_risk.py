"""MeanRisk: objectives, tracking limits and penalties, expected returns, against textbook programs."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.decomposition import FactorAnalysis

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.certificate import certify
from trackfolio.constraints import RiskLimit
from trackfolio.costs import L2
from trackfolio.exceptions import InfeasibleError, UnboundedError
from trackfolio.objectives import MaxReturn, MaxUtility, MinRisk, Objective
from trackfolio.risks import CVaR, RootMeanSquare, StandardDeviation, Variance
from trackfolio.solvers import InteriorPoint

from .conftest import MANY, simulate


def rmse(w, X, y):
    return np.sqrt(np.mean((X @ w - y) ** 2))


def textbook(X, objective, extra=(), lower=0.0, upper=1.0):
    """Solve min objective(w) over long-only, fully invested weights by cvxpy alone, scaled by hand."""
    w = cp.Variable(X.shape[1])
    constraints = [cp.sum(w) == 1, w >= lower, w <= upper, *(c(w) for c in extra)]
    problem = cp.Problem(cp.Minimize(1e3 * objective(w)), constraints)
    problem.solve(solver=cp.CLARABEL, tol_gap_rel=1e-9, tol_gap_abs=1e-9, tol_feas=1e-9)
    return problem.value / 1e3, w.value


def within(X, y, limit):
    return lambda w: cp.norm(X @ w - y) / np.sqrt(len(y)) * 1e3 <= limit * 1e3


def solved(model, *data, **metadata):
    model.fit(*data, **metadata)
    assert model.solution_.status == "optimal"
    assert model.solution_.gap <= 1e-8
    assert model.solution_.certificate.kind == "bound"
    return model


# Objectives, each without and with a limit on the tracking error.

LIMITS = [None, 0.004]


@pytest.mark.parametrize("most", LIMITS)
def test_least_standard_deviation(market, most):
    X, y = market
    centred = X - X.mean(axis=0)
    extra = [within(X, y, most)] if most else []
    value, w = textbook(X, lambda w: cp.norm(centred @ w) / np.sqrt(len(X) - 1), extra)
    model = solved(MeanRisk(StandardDeviation(), max_tracking_error=most), X, y)
    assert_allclose(model.solution_.objective, value, rtol=1e-8)
    assert_allclose(model.weights_, w, atol=1e-5)
    assert_allclose(np.std(X @ model.weights_, ddof=1), value, rtol=1e-8)


@pytest.mark.parametrize("most", LIMITS)
def test_least_variance_is_the_square(market, most):
    X, y = market
    root = solved(MeanRisk(StandardDeviation(), max_tracking_error=most), X, y)
    square = solved(MeanRisk(max_tracking_error=most), X, y)
    assert square.solution_.solver == ("InteriorPoint" if most else "DenseQP")
    assert_allclose(np.sqrt(square.solution_.objective), root.solution_.objective, rtol=1e-9)


@pytest.mark.parametrize("most", LIMITS)
def test_largest_return(market, most):
    X, y = market
    mu = X.mean(axis=0)
    value, _ = textbook(X, lambda w: -mu @ w, [within(X, y, most)] if most else [])
    model = solved(MeanRisk(objective=MaxReturn(), max_tracking_error=most), X, y)
    assert_allclose(model.solution_.objective, value, rtol=1e-7)
    if not most:
        assert_allclose(model.weights_, np.eye(8)[mu.argmax()], atol=1e-7)


@pytest.mark.parametrize("most", LIMITS)
def test_largest_utility(market, most):
    X, y = market
    mu, centred = X.mean(axis=0), X - X.mean(axis=0)
    value, w = textbook(
        X,
        lambda w: 4 * cp.sum_squares(centred @ w) / (len(X) - 1) - mu @ w,
        [within(X, y, most)] if most else [],
    )
    model = solved(MeanRisk(objective=MaxUtility(4), max_tracking_error=most), X, y)
    assert_allclose(model.solution_.objective, value, rtol=1e-7)
    assert_allclose(model.weights_, w, atol=1e-5)
    assert_allclose(model.score(X, y), -value, rtol=1e-7)


@pytest.mark.parametrize("objective", [MinRisk(), MaxReturn(), MaxUtility(2)], ids=lambda o: o.term_name)
def test_tracking_penalty(market, objective):
    X, y = market
    mu, centred = X.mean(axis=0), (X - X.mean(axis=0)) / np.sqrt(len(X) - 1)
    of_risk = 1.0 if isinstance(objective, MinRisk) else objective.risk_weight
    of_return = 0.0 if isinstance(objective, MinRisk) else 1.0

    def penalised(w):
        penalty = 30 * cp.sum_squares(X @ w - y) / len(y)
        return of_risk * cp.norm(centred @ w) - of_return * mu @ w + penalty

    value, w = textbook(X, penalised)
    model = solved(MeanRisk(StandardDeviation(), objective, tracking_penalty=30), X, y)
    assert_allclose(model.solution_.objective, value, rtol=1e-7)
    assert_allclose(model.weights_, w, atol=1e-4)
    assert_allclose(model.score(X, y), -value, rtol=1e-7)


def test_penalty_goes_from_no_benchmark_to_nothing_but_the_benchmark(market):
    X, y = market
    free, tracker = MeanRisk().fit(X), MinTrackingError().fit(X, y)
    assert_allclose(MeanRisk(tracking_penalty=0).fit(X, y).weights_, free.weights_, atol=1e-8)
    assert_allclose(MeanRisk(tracking_penalty=1e7).fit(X, y).weights_, tracker.weights_, atol=1e-5)


# The limit on the tracking error.


def test_limit_is_met_exactly(market):
    X, y = market
    least = MinTrackingError().fit(X, y).solution_.objective
    for most in (least * 1.0001, 0.002, 0.004):
        model = solved(MeanRisk(max_tracking_error=most), X, y)
        assert_allclose(rmse(model.weights_, X, y), most, atol=1e-9)
        assert rmse(model.weights_, X, y) <= most + 1e-9
    loose = MeanRisk(max_tracking_error=1.0).fit(X, y)
    assert_allclose(loose.weights_, MeanRisk().fit(X).weights_, atol=1e-6)
    assert loose.solution_.multipliers["max_tracking_error"] < 1e-10


@pytest.mark.parametrize("estimator", [LedoitWolf(), FactorAnalysis(2, random_state=0)], ids=lambda e: type(e).__name__)
def test_limit_is_on_realised_returns_whatever_the_covariance(market, estimator):
    X, y = market
    model = solved(MeanRisk(Variance(covariance=estimator), max_tracking_error=0.003), X, y)
    assert_allclose(rmse(model.weights_, X, y), 0.003, atol=1e-8)


def test_ex_ante_limit_and_benchmark_weights(market):
    X, _ = market
    benchmark = np.full(8, 1 / 8)
    risk = StandardDeviation(covariance=LedoitWolf())
    model = MeanRisk(benchmark_weights=benchmark, constraints=[RiskLimit(risk, 0.003, active=True)])
    solved(model, X)
    d, sigma = model.weights_ - benchmark, LedoitWolf().fit(X).covariance_
    assert_allclose(np.sqrt(d @ sigma @ d), 0.003, atol=1e-8)
    realised = solved(MeanRisk(benchmark_weights=benchmark, max_tracking_error=0.003), X)
    assert_allclose(rmse(realised.weights_, X, X @ benchmark), 0.003, atol=1e-8)


def test_sample_weight_is_repetition_in_limit_and_objective(market):
    X, y = market
    repeats = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = MeanRisk(StandardDeviation(), max_tracking_error=0.003).fit(X, y, sample_weight=repeats)
    repeated = MeanRisk(StandardDeviation(), max_tracking_error=0.003)
    repeated.fit(np.repeat(X, repeats, axis=0), np.repeat(y, repeats))
    assert_allclose(weighted.weights_, repeated.weights_, atol=1e-6)


def test_unreachable_limit_names_the_smallest_reachable(market):
    X, y = market
    least = MinTrackingError(max_weights=0.3).fit(X, y).solution_.objective
    with pytest.raises(InfeasibleError, match=r"raise max_tracking_error from .* to at least") as caught:
        MeanRisk(max_weights=0.3, max_tracking_error=0.9 * least).fit(X, y)
    needed = {each.name: each.needed for each in caught.value.explanation.conflict}
    assert least <= needed["max_tracking_error"] <= 1.001 * least


@pytest.mark.parametrize("seed", range(6))
def test_without_bounds_the_largest_return_is_unbounded(seed):
    X, y = simulate(seed=seed)
    with pytest.raises(UnboundedError, match="without end"):
        MeanRisk(objective=MaxReturn(), min_weights=None, max_weights=None).fit(X, y)
    limited = MeanRisk(objective=MaxReturn(), min_weights=None, max_weights=None, max_tracking_error=0.003)
    assert_allclose(rmse(limited.fit(X, y).weights_, X, y), 0.003, atol=1e-8)


@pytest.mark.parametrize("risk", [StandardDeviation(), Variance(), CVaR(0.9)], ids=lambda r: r.term_name)
@pytest.mark.parametrize("objective", [MinRisk(), MaxUtility(2)], ids=lambda o: o.term_name)
def test_multiplier_is_the_derivative(market, risk, objective):
    X, y = market

    def fit(most):
        return MeanRisk(risk, objective, max_weights=0.5, max_tracking_error=most).fit(X, y).solution_

    up, down = fit(0.0041).objective, fit(0.0039).objective
    assert_allclose(fit(0.004).multipliers["max_tracking_error"], (down - up) / 2e-4, rtol=2e-2)


# Expected returns.


class Given(BaseEstimator):
    def fit(self, X):
        self.mean_ = np.linspace(0, 0.01, X.shape[1])
        return self


def test_expected_returns(frames):
    X, _ = frames
    best = MeanRisk(objective=MaxReturn(), max_weights=0.5)
    views = dict.fromkeys(X.columns, 0.0) | {"B": 0.001, "H": 0.002}
    for expected, held in (
        (None, X.mean().nlargest(2).index),
        (views, ["B", "H"]),
        (pd.Series(views).to_numpy(), ["B", "H"]),
        (Given(), ["G", "H"]),
        (EmpiricalCovariance(), X.mean().nlargest(2).index),
    ):
        model = best.set_params(expected_returns=expected).fit(X)
        assert set(X.columns[model.weights_ > 0.4]) == set(held)


@pytest.mark.parametrize(
    ("expected", "error", "match"),
    [
        (0.01, ValueError, "one number per asset"),
        ([0.1] * 7, ValueError, "8 assets"),
        ({"A": 0.1}, ValueError, "leaves out"),
        ({**dict.fromkeys("ABCDEFGH", 0.1), "AA": 1}, ValueError, "Did you mean"),
        ([np.nan] * 8, ValueError, "NaN"),
        (LedoitWolf, TypeError, "instance"),
        (FactorAnalysis(2), None, None),  # has mean_
    ],
)
def test_expected_returns_that_make_no_sense(frames, expected, error, match):
    X, _ = frames
    model = MeanRisk(objective=MaxReturn(), expected_returns=expected)
    if error is None:
        model.fit(X)
        return
    with pytest.raises(error, match=match):
        model.fit(X)


# A covariance alone.


def test_least_variance_of_a_given_covariance():
    sigma = np.array([[0.04, 0.006], [0.006, 0.01]])
    ones = np.ones(2)
    model = MeanRisk(Variance("precomputed"), min_weights=None, max_weights=None).fit(sigma)
    inverse = np.linalg.inv(sigma)
    assert_allclose(model.weights_, inverse @ ones / (ones @ inverse @ ones), atol=1e-12)
    mu = np.array([0.1, 0.05])
    utility = MeanRisk(Variance("precomputed"), MaxUtility(3), budget=(None or -np.inf, np.inf), expected_returns=mu)
    utility.set_params(min_weights=None, max_weights=None).fit(sigma)
    assert_allclose(utility.weights_, inverse @ mu / 6, rtol=1e-9)


@pytest.mark.parametrize("parameter", ["max_tracking_error", "tracking_penalty"])
def test_realised_tracking_error_needs_returns(parameter):
    model = MeanRisk(Variance("precomputed"), benchmark_weights=[0.5, 0.5], **{parameter: 0.1})
    with pytest.raises(ValueError, match=f"{parameter} speaks of realised returns"):
        model.fit(np.eye(2))
    with pytest.raises(ValueError, match="MaxReturn needs expected returns"):
        MeanRisk(Variance("precomputed"), MaxReturn()).fit(np.eye(2))


# The published example of a toolbox: four assets, the benchmark their maximum-Sharpe portfolio.

MU = np.array([0.05, 0.1, 0.12, 0.18])
SIGMA = np.array(
    [
        [0.0064, 0.00408, 0.00192, 0],
        [0.00408, 0.0289, 0.0204, 0.0119],
        [0.00192, 0.0204, 0.0576, 0.0336],
        [0, 0.0119, 0.0336, 0.1225],
    ]
)
SHARPE = np.linalg.solve(SIGMA, MU) / np.linalg.solve(SIGMA, MU).sum()


def toolbox(price, solver=None):
    """Minimise (w - w_b)' Sigma (w - w_b) + price · w'w."""
    tracker = MinTrackingError(Variance("precomputed"), benchmark_weights=SHARPE, costs=[L2(price)], solver=solver)
    return solved(tracker, SIGMA)


def test_toolbox_example():
    assert_allclose(SHARPE, [0.66081, 0.16223, 0.06263, 0.11433], atol=1e-5)  # published
    model = toolbox(0.01)
    w = cp.Variable(4)
    program = cp.Problem(
        cp.Minimize(cp.sum_squares(w) + 100 * cp.quad_form(w - SHARPE, cp.psd_wrap(SIGMA))), [cp.sum(w) == 1, w >= 0]
    )
    program.solve(solver=cp.CLARABEL, tol_gap_rel=1e-12, tol_gap_abs=1e-12, tol_feas=1e-12)
    assert_allclose(model.weights_, w.value, atol=1e-7)
    assert_allclose(100 * model.solution_.objective, program.value, rtol=1e-9)
    # Without bounds that bind, the optimum has a closed form.
    ones, inverse = np.ones(4), np.linalg.inv(np.eye(4) + 100 * SIGMA)
    pull = inverse @ (100 * SIGMA @ SHARPE)
    closed = pull + inverse @ ones * (1 - pull.sum()) / (ones @ inverse @ ones)
    assert (closed > 0).all()
    assert_allclose(model.weights_, closed, atol=1e-12)
    assert_allclose(toolbox(0.01, InteriorPoint()).weights_, closed, atol=1e-7)


def test_limits_of_the_toolbox_example():
    assert_allclose(toolbox(1e-12).weights_, SHARPE, atol=1e-8)
    assert_allclose(toolbox(1e8).weights_, np.full(4, 0.25), atol=1e-8)


# What is wrong is said.


@pytest.mark.parametrize(
    ("parameters", "error", "match"),
    [
        ({"risk": "cvar"}, TypeError, "risk must be a risk"),
        ({"objective": "max"}, TypeError, "objective must be one such as"),
        ({"objective": MaxReturn}, TypeError, "objective must be one such as"),
        ({"objective": MaxUtility(0)}, ValueError, "positive number, got 0"),
        ({"objective": MaxUtility([1])}, ValueError, "one number"),
        ({"max_tracking_error": -0.1}, ValueError, "max_tracking_error must be None or a finite number"),
        ({"max_tracking_error": np.nan}, ValueError, "max_tracking_error is NaN"),
        ({"max_tracking_error": [0.1, 0.2]}, ValueError, "max_tracking_error must be one number"),
        ({"tracking_penalty": np.inf}, ValueError, "tracking_penalty must be None or a finite number"),
        ({"constraints": [("max_tracking_error", RootMeanSquare() <= 1)]}, ValueError, "this name is taken"),
        ({"constraints": [RiskLimit(StandardDeviation(), -1)]}, ValueError, "no value of it is below 0"),
        ({"constraints": [RiskLimit(StandardDeviation(), np.inf)]}, ValueError, "no effect"),
        ({"constraints": [RiskLimit("cvar", 1)]}, TypeError, "RiskLimit.risk must be a risk"),
        ({"costs": [RootMeanSquare()]}, TypeError, "costs takes Cost objects"),
    ],
)
def test_parameters_that_make_no_sense(market, parameters, error, match):
    X, y = market
    with pytest.raises(error, match=match):
        MeanRisk(**parameters).fit(X, y)


def test_benchmark_is_never_guessed(market):
    X, _ = market
    with pytest.raises(ValueError, match="requires y to be passed"):
        MeanRisk(max_tracking_error=0.01).fit(X)
    with pytest.raises(ValueError, match="needs a benchmark: fit with y"):
        MeanRisk(constraints=[RiskLimit(RootMeanSquare(), 0.01, active=True)]).fit(X)
    model = MeanRisk(tracking_penalty=1).fit(*market)
    with pytest.raises(ValueError, match="requires y to be passed"):
        model.score(X)


def test_dates_must_agree(frames):
    X, y = frames
    late = pd.Series(y.to_numpy(), index=y.index + pd.Timedelta(days=1), name="late")
    with pytest.raises(ValueError, match="dates"):
        MeanRisk(max_tracking_error=0.01).fit(X, late)
    model = MeanRisk(tracking_penalty=1).fit(X, y)
    with pytest.raises(ValueError, match="dates"):
        model.score(X, late)


def test_an_objective_of_ones_own(market):
    class HalfReturn(Objective):
        risk_weight, return_weight = 1.0, 0.5

    X, _ = market
    own = MeanRisk(objective=HalfReturn()).fit(X)
    assert_allclose(own.weights_, MeanRisk(objective=MaxUtility(2)).fit(X).weights_, atol=1e-9)


def test_anyone_can_recompute_the_proof(market):
    X, y = market
    model = MeanRisk(StandardDeviation(), MaxUtility(1), max_tracking_error=0.003).fit(X, y)
    assert certify(model.make_problem(X, y), model.solution_) == model.solution_.certificate


@MANY
def test_few_rows_one_asset_one_row():
    X = simulate(12, 6)[0]
    assert MeanRisk(StandardDeviation(), min_weights=-1).fit(X).solution_.objective < 1e-9
    assert_allclose(MeanRisk().fit(X[:, :1]).weights_, [1.0])
    with pytest.raises(ValueError, match="more than one period"):
        MeanRisk().fit(X[:1])
    assert_allclose(MeanRisk(objective=MaxReturn()).fit(X[:1]).weights_.sum(), 1.0)
