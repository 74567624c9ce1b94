"""Proofs: the bound is never above the optimum, whatever multipliers it is given, and is tight with the right ones."""

import dataclasses
import pickle
import warnings

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from trackfolio import MinTrackingError
from trackfolio._position import Position
from trackfolio.certificate import certify, implied_bounds
from trackfolio.constraints import Constraint, Exposure, LinearConstraint, MaxTurnover
from trackfolio.exceptions import AccuracyWarning, TrackfolioWarning
from trackfolio.risks import Risk, RootMeanSquare, StandardDeviation, Variance
from trackfolio.solvers import Conic, solve

from .conftest import MANY, simulate, tracking_problem


def problem(risk=None, seed=0, **changes):
    X, y = simulate(seed=seed)
    n = X.shape[1]
    defaults = dict(
        upper=0.4,
        constraints=[
            ("exposure", Exposure(np.arange(n), 2.0, 3.0)),
            ("maxturnover", MaxTurnover(0.2)),
        ],
        previous_weights=np.full(n, 1 / n),
    )
    return tracking_problem(RootMeanSquare() if risk is None else risk, X, y, **defaults | changes)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 5),
    spread=st.sampled_from([1e-9, 1e-5, 1e-3, 1.0]),
    draw=st.integers(0, 10**6),
    risk=st.sampled_from([RootMeanSquare(), StandardDeviation(), Variance()]),
)
def test_wrong_multipliers_never_give_a_false_bound(seed, spread, draw, risk):
    case = problem(risk, seed)
    solution = solve(case)
    rng = np.random.default_rng(draw)
    unit = spread * case.scale
    wrong = dataclasses.replace(
        solution,
        weights=solution.weights + spread * rng.standard_normal(8),
        row_duals=solution.row_duals + unit * rng.standard_normal(len(solution.row_duals)),
        limit_duals={name: [nus[0] + unit * rng.standard_normal()] for name, nus in solution.limit_duals.items()},
        pulls={
            name: [None if p is None else p + unit * rng.standard_normal(len(p)) for p in pulls]
            for name, pulls in solution.pulls.items()
        },
    )
    assert certify(case, wrong).lower_bound <= solution.objective + 1e-9 * case.scale


@pytest.mark.parametrize("risk", [RootMeanSquare(), StandardDeviation(), Variance()], ids=lambda r: type(r).__name__)
def test_right_multipliers_close_the_gap_and_feasible_portfolios_stay_above(risk):
    case = problem(risk)
    solution = solve(case)
    assert solution.certificate.kind == "bound"
    assert solution.status == "optimal"
    assert abs(solution.gap) < 1e-8
    # Random portfolios between the previous weights and any mixture respect all limits by construction or are left out.
    rng = np.random.default_rng(0)
    tried = 0
    for w in rng.dirichlet(np.ones(8), 20_000):
        if case.violation(w) == 0:
            tried += 1
            assert case.value(w) >= solution.lower_bound
    assert tried > 5


@pytest.mark.parametrize("risk", [RootMeanSquare(), StandardDeviation(), Variance()], ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("solver", [None, Conic()], ids=["automatic", "conic"])
def test_multipliers_are_the_derivatives(risk, solver):
    X, y = simulate()
    step = 1e-4

    def objective(budget=1.0, upper=2.0, least=0.0, turnover=None):
        constraints = [Exposure(np.arange(8), -np.inf, upper)] + ([MaxTurnover(turnover)] if turnover else [])
        model = MinTrackingError(
            risk,
            budget=budget,
            min_weights={"x3": least},
            max_weights=0.4,
            constraints=constraints,
            solver=solver,
        )
        return model.fit(X, y, previous_weights=np.full(8, 1 / 8)).solution_

    multipliers = objective().multipliers
    assert multipliers["exposure"] > 0
    for name, change, toward in (("budget", {"budget": 1.0}, 1), ("exposure", {"upper": 2.0}, 1)):
        ((parameter, value),) = change.items()
        up, down = (objective(**{parameter: value + sign * step}).objective for sign in (1, -1))
        assert_allclose(multipliers[name], toward * (down - up) / (2 * step), rtol=1e-4, err_msg=name)
    held = objective(least=0.3)  # more than it would hold by itself: the bound binds
    up, down = (objective(least=0.3 + sign * step).objective for sign in (1, -1))
    assert_allclose(held.multipliers["min_weights"][3], (up - down) / (2 * step), rtol=1e-4)
    turned = objective(upper=7.0, turnover=0.1)
    up, down = (objective(upper=7.0, turnover=0.1 + sign * step).objective for sign in (1, -1))
    assert_allclose(turned.multipliers["maxturnover"], (down - up) / (2 * step), rtol=1e-4)


def test_infinite_bounds_are_tightened_by_the_other_limits():
    case = problem(upper=np.full(8, np.inf), constraints=[])
    lower, upper = implied_bounds(case)
    assert_allclose((lower, upper), (np.zeros(8), np.ones(8)))  # long-only, sum 1: none above 1
    case = problem(lower=np.full(8, -np.inf), upper=np.full(8, np.inf))
    lower, upper = implied_bounds(case)
    assert_allclose((lower, upper), (np.full(8, 1 / 8 - 0.4), np.full(8, 1 / 8 + 0.4)))  # one-way turnover of 0.2
    free = problem(lower=np.full(8, -np.inf), upper=np.full(8, np.inf), constraints=[])
    assert np.isinf(implied_bounds(free)[0]).all()
    solution = solve(free)
    assert 0 <= solution.gap < 1e-8  # by the curvature


@MANY
def test_flat_directions_with_a_small_objective():
    """Six rows, eight assets, two of them the same: slopes are zero up to a rounding that the root magnifies."""
    for seed in range(40):
        X, y = simulate(8, 6, seed)
        X[:, 0] = X[:, 1]
        inside = np.random.default_rng(seed).dirichlet(np.ones(8))
        near = LinearConstraint(np.eye(2, 8), inside[:2] - 0.05, inside[:2] + 0.05)
        model = MinTrackingError(min_weights=None, max_weights=None, constraints=[near]).fit(X, y)
        assert model.solution_.gap <= 1e-8


@MANY
def test_no_bound_is_said_to_be_none():
    """With free weights and fewer rows than assets there is no curvature; an optimum of 0 needs no proof."""
    X, y = simulate(12, 5)
    model = MinTrackingError(Variance(), min_weights=None, max_weights=None).fit(X, y)
    assert 0 <= model.solution_.lower_bound < 1e-15
    shortfall = problem(Shortfall(), lower=np.full(8, -np.inf), upper=np.full(8, np.inf), constraints=[])
    with pytest.warns(AccuracyWarning):  # at a kink, one subgradient proves little
        found = solve(problem(Shortfall()))
    solution = dataclasses.replace(found, row_duals=np.zeros(1), limit_duals={})
    assert certify(shortfall, solution).lower_bound == -np.inf


class Shortfall(Risk):
    """Mean shortfall, with a subgradient: enough for a proof."""

    def expression(self, returns, sample_weight=None):
        return cp.sum(cp.pos(-returns)) / returns.shape[0]

    def gradient(self, returns, sample_weight=None):
        return -1.0 * (returns < 0) / len(returns)


class Unproven(Risk):
    def expression(self, returns, sample_weight=None):
        return cp.norm(returns) / np.sqrt(returns.shape[0])


class Concentration(Constraint):
    def __init__(self, limit):
        self.limit = limit

    def constraints(self, problem, w):
        return [cp.sum_squares(w) <= self.limit]


@pytest.mark.parametrize(
    ("risk", "constraints"),
    [
        (Unproven(), []),
        (RootMeanSquare(), [Concentration(0.2)]),
        (Variance(), [Concentration(0.2)]),
    ],
    ids=["risk", "constraint", "variance"],
)
def test_residuals_where_no_bound_can_be_proven(risk, constraints):
    X, y = simulate()
    model = MinTrackingError(risk, constraints=constraints).fit(X, y)
    proof = model.solution_.certificate
    assert proof.kind == "residuals"
    assert model.solution_.status == "optimal"
    assert max(abs(proof.gap), proof.primal_violation, proof.stationarity, proof.complementarity) < 1e-8
    if not constraints:
        assert_allclose(proof.objective, MinTrackingError().fit(X, y).solution_.objective, rtol=1e-8)
    else:
        assert model.weights_ @ model.weights_ <= 0.2 + 1e-9
        assert model.solution_.multipliers["concentration"] > 0
        step = 1e-5
        up, down = (
            MinTrackingError(risk, constraints=[Concentration(0.2 + s)]).fit(X, y).solution_.objective
            for s in (step, -step)
        )
        assert_allclose(model.solution_.multipliers["concentration"], (down - up) / (2 * step), rtol=1e-3)


class MinEntropy(Constraint):
    """A limit that needs exponential cones."""

    def constraints(self, problem, w):
        return [cp.sum(cp.entr(w)) >= 2.0]


def test_residuals_of_exponential_cones():
    case = problem(Variance(), constraints=[("entropy", MinEntropy())])
    solution = solve(case)
    w = solution.weights
    assert -np.sum(w * np.log(w)) >= 2.0 - 1e-8
    assert solution.status == "optimal"
    x, z = solution.cone_point
    wrong_point = certify(case, dataclasses.replace(solution, cone_point=(x * 1.01, z)))
    wrong_duals = certify(case, dataclasses.replace(solution, cone_point=(x, -z)))
    assert wrong_point.primal_violation > 1e-4
    assert wrong_duals.stationarity > 1e-4


def test_residuals_see_a_wrong_point():
    case = problem(Unproven(), constraints=[])
    solution = solve(case)
    x, z = solution.cone_point
    assert certify(case, dataclasses.replace(solution, cone_point=(x + 1e-3, z))).primal_violation > 1e-4
    assert certify(case, dataclasses.replace(solution, cone_point=(x, z * 1.01))).stationarity > 1e-4
    assert certify(case, dataclasses.replace(solution, cone_point=None)).lower_bound == -np.inf


def test_residuals_look_at_the_weights_themselves():
    case = problem(constraints=[("concentration", Concentration(0.2))])
    solution = solve(case)
    outside = dataclasses.replace(solution, weights=np.eye(8)[3] * 0.9 + 0.1 / 8)
    assert certify(case, outside).primal_violation > 0.5
    assert certify(case, dataclasses.replace(outside, cone_point=None)).primal_violation > 0.5


def test_what_is_not_a_number_proves_nothing():
    case = problem()
    solution = solve(case)
    nowhere = certify(case, dataclasses.replace(solution, weights=np.full(8, np.nan)))
    assert nowhere.primal_violation == np.inf
    for wrong in (np.nan, np.inf):
        proof = certify(case, dataclasses.replace(solution, row_duals=np.full(2, wrong)))
        assert proof.lower_bound == 0  # no RMSE is below
    stored = pickle.loads(pickle.dumps(solution.certificate))
    assert stored == solution.certificate


def test_bounds_have_multipliers_next_to_a_turnover_limit():
    X, y = simulate()
    step, previous = 1e-4, np.full(8, 1 / 8)

    def fit(most=0.1, least=0.0):
        model = MinTrackingError(max_weights={"x0": most}, min_weights={"x3": least}, constraints=[MaxTurnover(0.1)])
        return model.fit(X, y, previous_weights=previous).solution_

    for name, place, change in (("max_weights", 0, "most"), ("min_weights", 3, "least")):
        value = {"most": 0.1, "least": 0.15}[change]
        base = fit(**{change: value})
        up, down = (fit(**{change: value + sign * step}).objective for sign in (1, -1))
        sign = -1 if change == "most" else 1
        assert base.multipliers[name][place] > 0
        assert_allclose(base.multipliers[name][place], sign * (up - down) / (2 * step), rtol=1e-3)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), spread=st.sampled_from([1e-9, 1e-4, 1.0]))
def test_wrong_multipliers_with_free_weights_and_few_rows(seed, spread):
    rng = np.random.default_rng(seed)
    n, periods = 6, int(rng.choice([3, 5, 40]))
    X, y = simulate(n, periods, seed)
    X[:, 1] = X[:, 0] if rng.random() < 0.5 else X[:, 1]
    lower = np.where(rng.random(n) < 0.6, -np.inf, -1.0)
    case = tracking_problem(
        [RootMeanSquare(), StandardDeviation(), Variance()][seed % 3],
        X,
        y,
        lower,
        np.where(rng.random(n) < 0.6, np.inf, 1.0),
        budget=[(1.0, 1.0), (0.5, 2.0), (-np.inf, np.inf)][seed % 3],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrackfolioWarning)
        solution = solve(case)
    wrong = dataclasses.replace(
        solution,
        weights=solution.weights + spread * rng.standard_normal(n),
        row_duals=solution.row_duals + spread * case.scale * rng.standard_normal(1),
    )
    assert certify(case, wrong).lower_bound <= solution.objective + 1e-9 * case.scale


def test_a_poor_answer_is_called_inaccurate():
    X, y = simulate()
    loose = Conic(options={"tol_gap_abs": 1e-2, "tol_gap_rel": 1e-2, "tol_feas": 1e-2})
    with pytest.warns(AccuracyWarning, match="above its tolerance"):
        model = MinTrackingError(solver=loose).fit(X, y)
    assert model.solution_.status == "inaccurate"
    assert model.solution_.gap > 1e-8


def test_anyone_can_recompute_the_proof(frames):
    X, y = frames
    model = MinTrackingError(max_weights=0.2).fit(X, y)
    before = dict(vars(model))
    case = model.make_problem(X, y)
    assert vars(model) == before
    assert certify(case, model.solution_) == model.solution_.certificate
    poor = dataclasses.replace(model.solution_, weights=np.full(8, 1 / 8))
    assert certify(case, poor).gap > 0.01


@pytest.mark.parametrize("noise", [1e-2, 1e-7, 0.0])
def test_roots_keep_their_digits_where_the_benchmark_is_nearly_replicated(noise):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    w = rng.dirichlet(np.ones(5))
    y = X @ w + noise * rng.normal(size=200)
    R, r = Position(X, y).second_moment.root()
    assert_allclose(np.linalg.norm(R @ w - r), np.sqrt(np.mean((X @ w - y) ** 2)), rtol=1e-6, atol=1e-15)
