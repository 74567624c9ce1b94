"""MaxRatio: Dinkelbach's method against the homogenised textbook program and against brute force."""

import dataclasses
import warnings

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, _dinkelbach
from trackfolio.certificate import certify
from trackfolio.constraints import Constraint, Exposure, MaxTurnover
from trackfolio.costs import L2, ManagementFee, TransactionCost
from trackfolio.exceptions import AccuracyWarning, InfeasibleError, UnboundedError
from trackfolio.objectives import MaxRatio
from trackfolio.risks import CVaR, EVaR, MeanAbsoluteDeviation, SemiDeviation, StandardDeviation, Variance
from trackfolio.solvers import Conic

from .conftest import simulate


@pytest.fixture
def market():
    """Returns with means that are well above 0."""
    X, y = simulate()
    return X + 0.001, y + 0.001


def homogenised(X, gain, risk, extra=()):
    """Charnes and Cooper: with v = w·t, minimise the risk of v where its gain is 1; long-only, fully invested."""
    v, t = cp.Variable(X.shape[1]), cp.Variable(nonneg=True)
    constraints = [gain(v, t) == 1, cp.sum(v) == t, v >= 0, v <= t, *(c(v, t) for c in extra)]
    program = cp.Problem(cp.Minimize(risk(v)), constraints)
    program.solve(solver=cp.CLARABEL, tol_gap_rel=1e-9, tol_gap_abs=1e-9, tol_feas=1e-9)
    return 1 / program.value, v.value / t.value


def standard_deviation(X):
    return lambda v: cp.norm((X - X.mean(axis=0)) @ v) / np.sqrt(len(X) - 1)


def solved(model, *data, **metadata):
    model.fit(*data, **metadata)
    assert model.solution_.status == "optimal"
    assert model.solution_.gap <= 1e-8
    return model


def test_sharpe_ratio(market):
    X, _ = market
    mu = X.mean(axis=0)
    for rate in (0.0, 0.0003):
        best, w = homogenised(X, lambda v, t, rate=rate: mu @ v - rate * t, standard_deviation(X))
        model = solved(MeanRisk(StandardDeviation(), MaxRatio(rate)), X)
        assert_allclose(-model.solution_.objective, best, rtol=1e-8)
        assert_allclose(model.weights_, w, atol=1e-4)
        returns = X @ model.weights_
        assert_allclose((returns.mean() - rate) / returns.std(ddof=1), best, rtol=1e-8)
        assert_allclose(model.score(X), best, rtol=1e-8)


def test_ratio_under_limits(market):
    X, y = market
    mu, x = X.mean(axis=0), np.arange(8.0)
    limits = [
        lambda v, t: x @ v >= 4 * t,
        lambda v, t: cp.norm(X @ v - y * t) / np.sqrt(len(X)) <= 0.004 * t,
    ]
    best, w = homogenised(X, lambda v, t: mu @ v, standard_deviation(X), limits)
    model = MeanRisk(StandardDeviation(), MaxRatio(), max_tracking_error=0.004, constraints=[Exposure(x, 4)])
    solved(model, X, y)
    assert_allclose(-model.solution_.objective, best, rtol=1e-8)
    assert_allclose(model.weights_, w, atol=1e-4)
    assert_allclose(np.sqrt(np.mean((X @ model.weights_ - y) ** 2)), 0.004, atol=1e-8)


def test_cvar_ratio(market):
    X, _ = market
    mu, tail = X.mean(axis=0), 0.1 * len(X)

    def cvar(v):
        level = cp.Variable()
        return level + cp.sum(cp.pos(-X @ v - level)) / tail

    best, _ = homogenised(X, lambda v, t: mu @ v, cvar)
    model = solved(MeanRisk(CVaR(0.9), MaxRatio()), X)
    assert_allclose(-model.solution_.objective, best, rtol=1e-7)


def test_information_ratio(market):
    X, y = market
    active = X - y[:, None]
    best, w = homogenised(X, lambda v, t: active.mean(axis=0) @ v, standard_deviation(active))
    model = solved(MeanRisk(StandardDeviation(), MaxRatio(active=True)), X, y)
    assert_allclose(-model.solution_.objective, best, rtol=1e-8)
    assert_allclose(model.weights_, w, atol=1e-4)
    assert_allclose(model.score(X, y), best, rtol=1e-8)


def test_costs_and_penalty_count_in_the_numerator(market):
    """Brute force: no portfolio of two assets on a fine grid has a larger ratio."""
    X, y = market
    X, previous = X[:, :2], np.array([0.9, 0.1])
    costs = [TransactionCost(0.0002, 0.0003), ManagementFee(0.0001), L2(1e-4)]
    model = MeanRisk(StandardDeviation(), MaxRatio(0.0001), costs=costs, tracking_penalty=0.1)
    solved(model, X, y, previous_weights=previous)
    share = np.linspace(0, 1, 100_001)
    w = np.column_stack([share, 1 - share])
    traded = np.abs(w - previous)
    cost = 0.0002 * traded.sum(1) + 0.0003 * (traded**1.5).sum(1) + 0.0001 + 1e-4 * (w**2).sum(1)
    squared = np.mean((X @ w.T - y[:, None]) ** 2, axis=0)
    ratios = (w @ X.mean(0) - 0.0001 - cost - 0.1 * squared) / np.std(X @ w.T, axis=0, ddof=1)
    assert_allclose(-model.solution_.objective, ratios.max(), rtol=1e-7)
    assert_allclose(model.weights_, w[ratios.argmax()], atol=1e-3)


class Concentration(Constraint):
    """The Herfindahl index, written for cvxpy: a peer drops the user's constraints that are not homogeneous."""

    def __init__(self, limit):
        self.limit = limit

    def constraints(self, problem, w):
        return [cp.sum_squares(w) <= self.limit]


def test_a_users_nonlinear_constraint_holds_at_the_solution(market):
    X, _ = market
    mu = X.mean(axis=0)
    free = MeanRisk(StandardDeviation(), MaxRatio()).fit(X)
    limit = 0.9 * np.sum(free.weights_**2)
    model = MeanRisk(StandardDeviation(), MaxRatio(), constraints=[Concentration(limit)]).fit(X)
    assert_allclose(np.sum(model.weights_**2), limit, rtol=1e-6)
    best, _ = homogenised(
        X, lambda v, t: mu @ v, standard_deviation(X), [lambda v, t: cp.norm(v) <= np.sqrt(limit) * t]
    )
    assert_allclose(-model.solution_.objective, best, rtol=1e-7)
    assert model.solution_.certificate.kind == "residuals"


def test_multiplier_is_the_derivative_of_the_ratio(market):
    X, _ = market

    def fit(turnover):
        model = MeanRisk(StandardDeviation(), MaxRatio(), constraints=[MaxTurnover(turnover)])
        return model.fit(X, previous_weights=np.full(8, 1 / 8)).solution_

    up, down = fit(0.1001).objective, fit(0.0999).objective
    assert_allclose(fit(0.1).multipliers["maxturnover"], (down - up) / 2e-4, rtol=1e-4)


def test_no_portfolio_has_a_ratio_above_the_bound(market):
    X, _ = market
    solution = MeanRisk(Variance(), MaxRatio()).fit(X).solution_
    assert solution.solver == "DenseQP"
    for w in np.random.default_rng(0).dirichlet(np.ones(8), 2000):
        assert (X @ w).mean() / (X @ w).var(ddof=1) <= -solution.lower_bound


def test_problem_of_a_ratio(market):
    X, _ = market
    model = MeanRisk(Variance(), MaxRatio()).fit(X)
    with pytest.raises(ValueError, match="give ratio="):
        model.make_problem(X)
    problem = model.make_problem(X, ratio=-model.solution_.objective)
    assert abs(certify(problem, model.solution_).objective) < 1e-12


def test_undefined_ratios(market):
    X, _ = market
    with pytest.raises(InfeasibleError, match="no portfolio within the limits earns anything"):
        MeanRisk(StandardDeviation(), MaxRatio(0.1)).fit(X)
    hedged = np.column_stack([X[:, 0], 0.002 - X[:, 0]])  # half of each: no risk at all
    with pytest.raises(InfeasibleError, match=r"least risk within the limits, .* is 0 as far as"):
        MeanRisk(StandardDeviation(), MaxRatio()).fit(hedged)
    with pytest.raises(ValueError, match="leave risk_free_rate at 0"):
        MeanRisk(StandardDeviation(), MaxRatio(0.1, active=True)).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="risk_free_rate is NaN"):
        MeanRisk(StandardDeviation(), MaxRatio(np.nan)).fit(X)


@pytest.mark.parametrize("rate", [0.0, 1e-3, 1e-2, 0.1])
@pytest.mark.parametrize("risk", [StandardDeviation(), CVaR(0.9), EVaR(0.9), SemiDeviation()], ids=repr)
def test_optimal_means_optimal_as_a_ratio(risk, rate, market):
    """However small the ratio is beside what the trade costs."""
    held = np.eye(8)[0]
    costs = [TransactionCost(rate, impact=rate)] if rate else None
    model = MeanRisk(risk, MaxRatio(), costs=costs)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        solution = model.fit(market[0] + 0.01 * rate * held, previous_weights=held).solution_
    good = abs(solution.gap) <= 1e-8
    assert solution.status == ("optimal" if good else "inaccurate")
    assert good or any(issubclass(w.category, AccuracyWarning) for w in said)
    assert solution.gap <= 1e-6


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-8])
def test_a_rough_solver_is_judged_by_the_ratio(tolerance, market):
    """Where costs dominate what each step minimises, steps within their tolerance leave a gap of the ratio."""
    held = np.eye(8)[0]
    rough = Conic(options=dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tolerance))
    model = MeanRisk(CVaR(0.9), MaxRatio(), costs=[TransactionCost(10.0)], solver=rough)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)
        solution = model.fit(market[0] + 0.002, previous_weights=held).solution_
    assert solution.status == ("optimal" if abs(solution.gap) <= 1e-8 else "inaccurate")


@pytest.mark.parametrize("risk", [StandardDeviation(), CVaR(0.9), MeanAbsoluteDeviation(), SemiDeviation()], ids=repr)
def test_free_weights(risk, market):
    X = market[0] + 0.002
    solution = MeanRisk(risk, MaxRatio(), min_weights=None, max_weights=None).fit(X).solution_
    assert solution.status == "optimal"
    within = MeanRisk(risk, MaxRatio(), min_weights=-50, max_weights=50).fit(X).solution_
    assert np.abs(within.weights).max() < 49
    assert_allclose(solution.objective, within.objective, rtol=1e-8)


def test_ratios_without_a_best(market):
    losing = market[0] - 0.002  # least risk earns less than nothing, so ever longer and shorter positions are better
    with pytest.raises(UnboundedError, match="approached, or reached, by weights without end"):
        MeanRisk(StandardDeviation(), MaxRatio(), min_weights=None, max_weights=None).fit(losing)
    limited = MeanRisk(
        StandardDeviation(), MaxRatio(), min_weights=None, max_weights=None, constraints=[StandardDeviation() <= 0.1]
    ).fit(losing)
    assert_allclose(np.std(losing @ limited.weights_, ddof=1), 0.1, rtol=1e-6)


@pytest.mark.parametrize("risk", [StandardDeviation(), CVaR(0.9)], ids=repr)
def test_gains_without_end_at_the_same_risk(risk, market):
    """Of two funds on one index, long that of the lower fee and short the other: no risk, a gain for each unit."""
    twins = (market[0] - 0.003)[:, [0, 0, 1]]
    costs = [ManagementFee([0.0001, 0.0, 0.0])]
    model = MeanRisk(risk, MaxRatio(), min_weights=None, max_weights=None, costs=costs)
    with pytest.raises(UnboundedError, match="ratios above any number are approached"):
        model.fit(twins)


def test_a_worse_last_step_is_not_returned(market, monkeypatch):
    X, _ = market
    X = X + 0.002
    right = MeanRisk(CVaR(0.9), MaxRatio()).fit(X).solution_
    own, calls = _dinkelbach.find, []

    def worse_at_the_end(problem, solver):
        found, reasons = own(problem, solver)
        calls.append(found)
        if len(calls) > 3:
            found = dataclasses.replace(found, weights=0.9 * found.weights + 0.1 / 8)
        return found, reasons

    monkeypatch.setattr(_dinkelbach, "find", worse_at_the_end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = MeanRisk(CVaR(0.9), MaxRatio()).fit(X).solution_
    assert len(calls) == 4
    returns = X @ found.weights
    assert_allclose(-found.objective, returns.mean() / CVaR(0.9).value(returns), rtol=1e-12)
    assert_allclose(found.objective, right.objective, rtol=1e-4)
    assert found.lower_bound <= right.objective + 1e-9
