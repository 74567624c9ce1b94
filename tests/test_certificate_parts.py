"""The parts of a proof, each against linear programs, closed forms, enumeration, or points of cones by hand."""

import dataclasses
import itertools
import warnings
from fractions import Fraction
from types import SimpleNamespace

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog

from trackfolio import MinTrackingError
from trackfolio._functions import AbsoluteSum, Limit
from trackfolio.certificate import (
    _outside,
    _outside_exponential,
    _outside_exponential_dual,
    _tighten,
    certify,
    implied_bounds,
)
from trackfolio.constraints import Constraint, Exposure, MaxTurnover, RiskLimit
from trackfolio.costs import TransactionCost
from trackfolio.risks import CVaR, MeanAbsoluteDeviation, Risk, RootMeanSquare, StandardDeviation, Variance
from trackfolio.solution import Solution
from trackfolio.solvers import Conic, MixedInteger, solve

from .conftest import simulate, tracking_problem

X, Y = simulate(5, 40)
N = 5


def free(risk, **changes):
    return tracking_problem(risk, X, Y, np.full(N, -np.inf), np.full(N, np.inf), **changes)


@pytest.mark.parametrize("seed", range(40))
def test_one_row_tightens_bounds_as_far_as_a_linear_program(seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(-2, 3, N) * 0.7
    lower, upper = -rng.uniform(0, 2, N), rng.uniform(0, 2, N)
    for _ in range(seed % 3):
        place = rng.integers(N)
        lower[place], upper[place] = (-np.inf, 50.0) if rng.random() < 0.5 else (-50.0, np.inf)
    limit = rng.uniform(0, 2)
    tight = lower.copy(), upper.copy()
    _tighten(a, limit, *tight)
    bounds = list(zip(lower, upper, strict=True))
    for i, direction in enumerate(np.eye(N)):
        for sign, side in ((1, tight[0]), (-1, tight[1])):
            best = linprog(sign * direction, a[None], [limit], bounds=bounds)
            expected = sign * best.fun if best.status == 0 else -sign * np.inf
            assert_allclose(side[i], expected, atol=1e-9)


class Weighted(Constraint):
    """A limit on a sum of absolute values with given prices."""

    def __init__(self, up, down):
        self.up, self.down = up, down

    def limits(self, problem):
        return [Limit([(1.0, AbsoluteSum(np.array(self.up), np.array(self.down), np.arange(5.0)))], 6.0)]


def test_prices_of_zero_bound_nothing():
    case = free(RootMeanSquare(), constraints=[("weighted", Weighted([1, 2, 0, 3, 0], [0, 1, 2, 0, 3]))], budget=(0, 1))
    lower, upper = implied_bounds(case)
    assert_allclose(lower[[1, 2, 4]], [1 - 6, 2 - 3, 4 - 2])
    assert_allclose(upper[[0, 1, 3]], [0 + 6, 1 + 3, 3 + 2])
    assert np.isinf([lower[0], lower[3], upper[2], upper[4]]).all()


def test_points_of_exponential_cones():
    """y·exp(x/y) <= z with y > 0, or x <= 0 and z >= 0 with y = 0; and its dual."""
    for point, amount in (
        ((0.0, 1.0, 1.0), 0.0),
        ((1.0, 1.0, 1.0), np.e - 1),
        ((2.0, 2.0, 5.0), 2 * np.e - 5),
        ((-1.0, 0.0, 2.0), 0.0),
        ((1.0, 0.0, 2.0), 1.0),
        ((-1.0, -2.0, 3.0), 2.0),
        ((-1.0, 0.0, -3.0), 3.0),
    ):
        assert_allclose(_outside_exponential(*point), amount, atol=1e-15)
    for point, amount in (
        ((-1.0, 0.0, 1.0), np.exp(-1) - 1),
        ((-1.0, -1.0, 1.0), 0.0),
        ((-2.0, 2.0, 0.0), 2 * np.exp(-2)),
        ((0.0, 1.0, 2.0), 0.0),
        ((0.0, -1.0, 2.0), 1.0),
        ((0.0, 1.0, -2.0), 2.0),
        ((1.0, 5.0, 5.0), 1.0),
    ):
        assert_allclose(_outside_exponential_dual(*point), amount, atol=1e-15)
    assert np.isfinite(_outside_exponential(1e6, 1.0, 0.0))
    assert np.isfinite(_outside_exponential_dual(-1.0, -1e6, 0.0))


def cones(**changes):
    return SimpleNamespace(
        **{"zero": 1, "nonneg": 2, "soc": [3, 2], "exp": 2, "psd": [], "p3d": [], "pnd": []} | changes
    )


INSIDE = np.array([0.0, 0.1, 0.0, 5.0, 3.0, 4.0, 1.0, -1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 3.0])
OF_DUAL = np.array([9.0, 0.1, 0.0, 5.0, 3.0, 4.0, 1.0, -1.0, -1.0, 0.0, 1.0, -1.0, -1.0, 1.0])


def test_how_far_a_point_is_outside_of_cones():
    assert _outside(INSIDE, cones(), dual=False) == 0
    assert _outside(OF_DUAL, cones(), dual=True) == 0  # the dual of zero is everything
    for place, change, amount in (
        (0, -0.5, 0.5),
        (0, 0.5, 0.5),
        (1, -0.4, 0.3),
        (2, -0.2, 0.2),
        (3, -2.0, 2.0),
        (6, -0.25, 0.25),
        (10, -0.5, 0.5),
        (13, -3.0, np.e),
    ):
        point = INSIDE.copy()
        point[place] += change
        assert_allclose(_outside(point, cones(), dual=False), amount)
    for place, change, amount in ((1, -0.4, 0.3), (3, -2.0, 2.0), (6, -0.25, 0.25), (13, -0.5, 0.5)):
        point = OF_DUAL.copy()
        point[place] += change
        assert_allclose(_outside(point, cones(), dual=True), amount)
    for unknown in ({"psd": [2]}, {"p3d": [0.5]}, {"pnd": [[0.5, 0.5]]}):
        assert _outside(INSIDE, cones(**unknown), dual=False) == np.inf


def smallest(price):
    """Least of the variance less price·(Σw - 1) over all weights, in closed form."""
    S, h, c = np.cov(X.T), np.cov(X.T, Y)[-1, :-1], np.var(Y, ddof=1)
    v = np.linalg.solve(2 * S, 2 * h + price)
    return v @ S @ v - 2 * h @ v + c - price * (v.sum() - 1)


@pytest.mark.parametrize("seed", range(5))
def test_bound_of_free_weights_is_the_dual_function(seed):
    rng = np.random.default_rng(seed)
    case = free(Variance())
    solution = solve(case)
    wrong = dataclasses.replace(
        solution,
        weights=solution.weights + 0.1 * rng.standard_normal(N),
        row_duals=solution.row_duals + 1e-5 * rng.standard_normal(1),
    )
    assert_allclose(certify(case, wrong).lower_bound, smallest(wrong.row_duals[0]), rtol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_bound_of_free_weights_of_a_root(seed):
    """Of the square, with prices times twice the objective; the objective is no less where the weights are feasible."""
    rng = np.random.default_rng(seed)
    case = free(StandardDeviation())
    solution = solve(case)
    w = solution.weights + 0.01 * rng.standard_normal(N)
    wrong = dataclasses.replace(solution, weights=w, row_duals=solution.row_duals * (1 + 0.1 * rng.standard_normal()))
    square = smallest(2 * case.value(w) * wrong.row_duals[0])
    assert_allclose(certify(case, wrong).lower_bound, min(np.sqrt(max(square, 0)), case.value(w)), rtol=1e-8)


@pytest.mark.parametrize("factor", [0.5, 0.8, 0.95, 1.05, 1.2, 1.5])
def test_bound_where_some_weights_are_free_is_below_the_dual_function(factor):
    # The others hardly move: then little is lost by taking them one by one.
    lower, upper = np.array([-np.inf] * 2 + [0.2] * 3), np.array([np.inf] * 2 + [0.2 + 1e-6] * 3)
    case = tracking_problem(Variance(), X, Y, lower, upper)
    solution = solve(case)
    price = factor * solution.row_duals[0]
    v, returns, benchmark = cp.Variable(N), 100 * (X - X.mean(axis=0)), 100 * (Y - Y.mean())
    variance = cp.sum_squares(returns @ v - benchmark) / 39
    dual = cp.Problem(cp.Minimize(variance - 1e4 * price * (cp.sum(v) - 1)), [v[2:] >= 0.2, v[2:] <= 0.2 + 1e-6])
    least = dual.solve(solver=cp.CLARABEL, tol_gap_rel=1e-10, tol_gap_abs=1e-10) / 1e4
    wrong = dataclasses.replace(solution, row_duals=np.array([price]))
    assert least > 0
    assert certify(case, wrong).lower_bound <= least * (1 + 1e-7)


def test_a_cost_before_a_limit_does_not_hide_it():
    limits = [RiskLimit(CVaR(0.8), 0.9 * CVaR(0.8).value(X @ np.full(N, 0.2)))]
    model = MinTrackingError(StandardDeviation(), costs=[TransactionCost(1e-5)], constraints=limits)
    model.fit(X, Y, previous_weights=np.full(N, 0.2))
    assert np.max(model.solution_.multipliers["cvar"]) > 1e-3
    assert 0 <= model.solution_.gap < 1e-8


@pytest.mark.parametrize("risk", [RootMeanSquare(), Variance(), CVaR(0.8)], ids=lambda risk: risk.term_name)
def test_the_price_of_the_budget_is_found_again(risk):
    case = tracking_problem(risk, X, Y, upper=0.4)
    solution = solve(case)
    best = certify(case, solution).lower_bound
    assert_allclose(best, solution.objective, rtol=1e-7)
    for shift in (3.0, -3.0):
        shifted = dataclasses.replace(solution, row_duals=solution.row_duals + shift * case.scale)
        assert_allclose(certify(case, shifted).lower_bound, best, rtol=1e-7)


def exact_bound(returns, benchmark, w):
    """The least of the tangent of the variance over the simplex, in fractions."""
    rows = [[Fraction(x) for x in row] for row in returns]
    w = [Fraction(x) for x in w]
    active = [
        sum(x * v for x, v in zip(row, w, strict=True)) - Fraction(b) for row, b in zip(rows, benchmark, strict=True)
    ]
    mean = sum(active) / len(active)
    deviations = [a - mean for a in active]
    slope = [2 * sum(d * row[i] for d, row in zip(deviations, rows, strict=True)) / (len(rows) - 1) for i in range(N)]
    variance = sum(d * d for d in deviations) / (len(rows) - 1)
    return variance - sum(g * v for g, v in zip(slope, w, strict=True)) + min(slope)


def test_no_rounding_lifts_a_bound_above_the_exact_one():
    case = tracking_problem(Variance(), X, Y)
    solution = solve(case)
    for other in np.random.default_rng(0).dirichlet(np.ones(N), 25):
        w = solution.weights + 1e-3 * (other - solution.weights)
        bound = certify(case, dataclasses.replace(solution, weights=w)).lower_bound
        exact = exact_bound(X, Y, w)
        assert exact > 0
        assert Fraction(bound) <= exact
        assert bound >= exact - 1e-12 * case.scale


def test_multipliers_of_sides_that_do_not_exist_count_as_none():
    for limits, sign in (((-np.inf, 2.0), 1.0), ((1.0, np.inf), -1.0)):
        case = tracking_problem(RootMeanSquare(), X, Y, constraints=[("exposure", Exposure(np.arange(5.0), *limits))])
        solution = solve(case)
        none, wrong = (
            dataclasses.replace(solution, row_duals=np.array([solution.row_duals[0], dual]))
            for dual in (0.0, sign * case.scale)
        )
        assert certify(case, wrong).lower_bound == certify(case, none).lower_bound > 0


def test_limits_without_price_need_no_multipliers_of_periods():
    limits = [("cvar", RiskLimit(CVaR(0.8), 0.05))]
    case = tracking_problem(RootMeanSquare(), X, Y, constraints=limits)
    solution = solve(case)
    unpriced = dataclasses.replace(solution, limit_duals={"cvar": [0.0]}, pulls={"cvar": [np.ones(40)]})
    plain = tracking_problem(RootMeanSquare(), X, Y)
    assert_allclose(certify(case, unpriced).lower_bound, solve(plain).objective, rtol=1e-6)
    negative = dataclasses.replace(unpriced, limit_duals={"cvar": [-1.0]})
    assert certify(case, negative).lower_bound == certify(case, unpriced).lower_bound


def test_multipliers_of_the_periods_of_a_limit_close_the_gap():
    active = CVaR(0.8).value(X @ np.full(N, 0.2))
    case = tracking_problem(StandardDeviation(), X, Y, constraints=[("cvar", RiskLimit(CVaR(0.8), 0.9 * active))])
    solution = solve(case, Conic())
    assert solution.limit_duals["cvar"][0] > 1e-3
    assert 0 <= certify(case, solution).gap < 1e-8
    blind = dataclasses.replace(solution, pulls={})
    assert certify(case, blind).gap > 1e-4


class Unproven(Risk):
    def expression(self, returns, sample_weight=None):
        return cp.norm(returns)


def test_without_a_point_of_the_cone_form_nothing_is_proven_but_the_weights_are_looked_at():
    case = tracking_problem(Unproven(), X, Y)
    proof = certify(case, dataclasses.replace(solve(case), cone_point=None, weights=np.full(N, 0.2)))
    assert (proof.kind, proof.lower_bound, proof.primal_violation) == ("residuals", -np.inf, 0.0)
    assert (proof.stationarity, proof.complementarity) == (np.inf, np.inf)


def few(**parameters):
    model = MinTrackingError(cardinality=2, **parameters).fit(X, Y)
    return model, model.make_problem(X, Y)


def least_of_two(risk):
    """The best of all pairs of assets."""
    pairs = (np.isin(np.arange(N), pair) for pair in itertools.combinations(range(N), 2))
    return min(MinTrackingError(risk, max_weights=pair.astype(float)).fit(X, Y).solution_.objective for pair in pairs)


@pytest.mark.parametrize("risk", [RootMeanSquare(), Variance()], ids=lambda risk: risk.term_name)
def test_bound_of_a_search_is_the_best_of_all_pairs(risk):
    model, case = few(risk=risk)
    proof = certify(case, model.solution_)
    best = least_of_two(risk)
    assert proof.kind == "bound"
    assert_allclose(proof.objective, best, rtol=1e-7)
    assert_allclose(proof.lower_bound, best, rtol=1e-6)
    assert proof.lower_bound <= best * (1 + 1e-9)
    assert 0 <= proof.gap <= 1e-6
    assert_allclose(proof.gap, (proof.objective - proof.lower_bound) / case.gap_unit_at(proof.objective))
    # Weights that break the budget by a half are said to, though the bound stays.
    broken = certify(case, dataclasses.replace(model.solution_, weights=0.5 * model.weights_))
    assert_allclose(broken.primal_violation, 0.5, rtol=1e-6)


def test_bound_of_a_mixed_integer_solver_is_reported():
    model, case = few(risk=CVaR(0.8), solver=MixedInteger())
    solution = model.solution_
    proof = certify(case, solution)
    assert proof.kind == "reported"
    assert_allclose(proof.objective, least_of_two(CVaR(0.8)), rtol=1e-6)
    unit = case.gap_unit_at(proof.objective)
    # A trifle above the objective is rounding, more than that is shown as a negative gap.
    for above, gap in ((1e-7, 0.0), (1e-3, -1e-3), (-1e-3, 1e-3)):
        told = certify(case, dataclasses.replace(solution, reported_bound=proof.objective + above * unit))
        assert_allclose(told.gap, gap, atol=1e-12)
    low = certify(case, dataclasses.replace(solution, reported_bound=-np.inf))
    assert low.lower_bound == case.least_value


def test_turnover_bounds_both_ways():
    case = free(RootMeanSquare(), constraints=[("maxturnover", MaxTurnover(0.1))], previous_weights=np.full(N, 0.2))
    lower, upper = implied_bounds(case)
    assert_allclose(lower, 0.0, atol=1e-12)
    assert_allclose(upper, 0.4)


def test_the_bound_by_curvature_wants_the_tangent():
    """Curvature is what the objective is above its tangent: above another affine function, it may be less."""
    case = free(RootMeanSquare(), budget=(-np.inf, np.inf))
    R, r = case.quadratic.root()
    best = np.linalg.lstsq(R, r)[0]
    nearest = R @ best - r
    aside = R @ np.ones(N)
    aside *= 0.75 * np.linalg.norm(nearest) / np.linalg.norm(aside)  # 3 to 4 to 5
    weights = best + 0.75 * np.linalg.norm(nearest) / np.linalg.norm(R @ np.ones(N)) * np.ones(N)
    parts = np.array([0.3, np.sqrt(1 - 0.3**2)])
    pull = parts @ [aside / np.linalg.norm(aside), nearest / np.linalg.norm(nearest)]
    given = Solution(weights, "none", row_duals=np.zeros(1), pulls={"objective__risk": [pull]})
    proof = certify(case, given)
    assert_allclose(proof.objective, 1.25 * np.linalg.norm(nearest))
    assert_allclose(proof.lower_bound, np.linalg.norm(nearest), rtol=1e-9)  # exact: the form has no other curvature


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_nearly_flat_directions_are_no_flat_ones(seed, limited):
    """Next to twins, weights of a million may be better: the bound must know it, with limits as without."""
    rng = np.random.default_rng(seed)
    X, aside = 0.01 * rng.standard_normal((60, 4)), 0.01 * rng.standard_normal((60, 2))
    X[:, 2:] = X[:, [0]] + 1e-6 * aside
    y = X[:, 0] + X[:, 1] + 0.2 * aside.sum(axis=1) + 0.005 * rng.standard_normal(60)
    # In these coordinates columns are of one size, and least squares is exact.
    least = np.linalg.lstsq(np.column_stack([X[:, :2], aside]), y)[1][0]
    limits = [MeanAbsoluteDeviation() <= 0.05] if limited else []
    model = MinTrackingError(budget=(-np.inf, np.inf), min_weights=None, max_weights=None, constraints=limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        solution = model.fit(X, y).solution_
    assert solution.lower_bound <= np.sqrt(least / 60) * (1 + 1e-7)
    assert solution.objective >= np.sqrt(least / 60) * (1 - 1e-7)
