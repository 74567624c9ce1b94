"""The interior-point method against cvxpy and Clarabel and on all scenarios, and its parts against numpy."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError, _threads
from trackfolio.constraints import (
    Exposure,
    MaxLeverage,
    RiskLimit,
)
from trackfolio.exceptions import SolverFailure, SolverFallbackWarning
from trackfolio.objectives import MaxRatio, MaxUtility
from trackfolio.risks import (
    AverageDrawdown,
    CDaR,
    CVaR,
    EVaR,
    GiniMeanDifference,
    Huber,
    LowerPartialMoment,
    MaxDrawdown,
    MeanAbsoluteDeviation,
    RootMeanSquare,
    SemiDeviation,
    SemiVariance,
    StandardDeviation,
    UlcerIndex,
    Variance,
    WorstRealization,
)
from trackfolio.solution import Solution
from trackfolio.solvers import Conic, InteriorPoint, choose
from trackfolio.solvers.interior_point._cone import ConeNewton, divide, jordan, longest
from trackfolio.solvers.interior_point._iterate import Iterate, Residuals
from trackfolio.solvers.interior_point._maps import Chosen, Pairs, Rows, SparseRows
from trackfolio.solvers.interior_point._method import solve_program
from trackfolio.solvers.interior_point._translate import Translation

from .conftest import MANY, find_by, simulate

SCENARIO_RISKS = [
    CVaR(0.9),
    CVaR(0.77),
    MeanAbsoluteDeviation(),
    SemiDeviation(),
    SemiVariance(),
    SemiDeviation(0.001),
    LowerPartialMoment(1, 0.001),
    LowerPartialMoment(2, 0.0),
    WorstRealization(),
    MaxDrawdown(),
    AverageDrawdown(),
    CDaR(0.8),
    UlcerIndex(),
    GiniMeanDifference(),
]
QUADRATIC_RISKS = [Variance(), StandardDeviation(), RootMeanSquare()]
RISKS = [*SCENARIO_RISKS, Huber(0.01), *QUADRATIC_RISKS]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("risk", [Variance(), StandardDeviation(), SemiDeviation(), Huber(0.01)], ids=repr)
def test_multipliers_of_unique_solutions(risk, seed):
    X, y = simulate(8, 120, seed)
    equal = np.full(8, 1 / 8)
    tilt, day = np.cos(np.arange(8.0)), RootMeanSquare().value(X @ equal)
    most = RootMeanSquare().value(X @ equal - y)
    limits = [Exposure(tilt, lower=tilt @ equal + 0.05), ("day", RiskLimit(RootMeanSquare(), 1.02 * day))]
    models = [
        MeanRisk(risk, max_tracking_error=most, constraints=limits, solver=solver).fit(X, y).solution_
        for solver in (InteriorPoint(), Conic())
    ]
    for name in ("budget", "max_tracking_error", "exposure", "day", "min_weights"):
        ours, theirs = (solution.multipliers[name] for solution in models)
        assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * risk.value(X @ models[0].weights), err_msg=name)


# Data that ask for trouble.


def proven(model, *data, **metadata):
    model.fit(*data, **metadata)
    assert model.solution_.solver == "InteriorPoint"
    assert model.solution_.status == "optimal"
    return model


ODD = {
    "fewer periods than assets": lambda X, y: (X[:5], y[:5]),
    "duplicate columns": lambda X, y: (np.hstack([X, X]), y),
    "percent": lambda X, y: (100 * X, 100 * y),
    "basis points": lambda X, y: (1e4 * X, 1e4 * y),
    "tiny": lambda X, y: (1e-6 * X, 1e-6 * y),
    "a constant column": lambda X, y: (np.column_stack([X, np.full(len(X), 1e-4)]), y),
    "a day of -100 %": lambda X, y: (np.vstack([X, [*X[0, :-1], -1.0]]), np.append(y, y[0])),
    "one asset": lambda X, y: (X[:, :1], y),
    "two periods": lambda X, y: (X[:2], y[:2]),
    "one repeated period": lambda X, y: (np.repeat(X[:1], 30, axis=0) + 1e-3 * np.eye(30, X.shape[1]), y[:30]),
}


@MANY
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("risk", SCENARIO_RISKS, ids=repr)
def test_odd_data(risk, odd):
    X, y = ODD[odd](*simulate(8, 120))
    ours = proven(MeanRisk(risk, solver=InteriorPoint()), X, y).solution_
    limited = 1.5 * RootMeanSquare().value(X.mean(axis=1) - y)
    under_limit = proven(MeanRisk(risk, max_tracking_error=limited, solver=InteriorPoint()), X, y)
    assert RootMeanSquare().value(X @ under_limit.weights_ - y) <= limited * (1 + 1e-8)
    rng = np.random.default_rng(0)
    for w in rng.dirichlet(np.ones(X.shape[1]), 30):
        assert risk.value(X @ w) >= ours.lower_bound - 1e-12 * abs(ours.objective)


@pytest.mark.parametrize("risk", [CVaR(), MeanAbsoluteDeviation(), SemiDeviation(), CDaR(), Variance()], ids=repr)
def test_a_limit_a_hair_above_the_least_tracking_error(risk, market):
    X, y = market
    least = MinTrackingError().fit(X, y).solution_.objective
    for above in (1e-3, 1e-6):
        model = proven(MeanRisk(risk, max_tracking_error=(1 + above) * least), X, y)
        assert_allclose(RootMeanSquare().value(X @ model.weights_ - y), (1 + above) * least, rtol=1e-8)


def test_what_it_cannot_take_goes_to_the_general_solver(market):
    X, _ = market
    assert [type(s).__name__ for s in choose(MeanRisk(EVaR()).make_problem(X))] == ["Conic"]
    free = MeanRisk(CVaR(), min_weights=None, max_weights=None).make_problem(X)
    assert "no bounds" in InteriorPoint().lacking(free)[0]
    within = MeanRisk(CVaR(), min_weights=None, max_weights=None, constraints=[MaxLeverage(2.0)]).make_problem(X)
    assert InteriorPoint().lacking(within) == []
    huber = MeanRisk(constraints=[Huber(0.01) <= 1e-3]).make_problem(X)
    assert "square in part" in InteriorPoint().lacking(huber)[0]


def test_limits_of_nothing_go_to_the_general_solver(market):
    X, _ = market
    y = X @ np.full(8, 1 / 8)  # what can be replicated exactly
    problem = MeanRisk(CVaR(), max_tracking_error=0.0).make_problem(X, y)
    assert InteriorPoint().lacking(problem) == ["max_tracking_error limits a root or square by 0"]
    model = MeanRisk(CVaR(), max_tracking_error=0.0).fit(X, y)
    assert_allclose(model.weights_, 1 / 8, atol=1e-6)


def test_too_few_iterations_hand_over_with_a_warning(market, monkeypatch):
    monkeypatch.setattr(InteriorPoint.__init__, "__defaults__", (1e-8, 2))
    with pytest.warns(SolverFallbackWarning, match="Conic took over: InteriorPoint: no convergence after"):
        model = MeanRisk(CVaR()).fit(market[0])
    assert model.solution_.solver == "Conic"


def test_steps_of_a_ratio(market):
    X, _ = market
    for risk in (CVaR(0.9), SemiDeviation(), CDaR(0.9)):
        ours, theirs = (
            MeanRisk(risk, MaxRatio(), solver=solver).fit(X + 0.001).solution_ for solver in (None, Conic())
        )
        assert_allclose(ours.objective, theirs.objective, rtol=1e-7)


def test_a_root_without_returns():
    X, _ = simulate(5, 60)
    sigma, mu = np.cov(X.T), 1e-3 * np.arange(1.0, 6)
    for goal in (MaxUtility(2.0), MaxRatio()):
        models = [
            MeanRisk(StandardDeviation("precomputed"), goal, expected_returns=mu, solver=solver).fit(sigma)
            for solver in (InteriorPoint(), Conic())
        ]
        assert_allclose(*(model.solution_.objective for model in models), rtol=1e-8)


@pytest.mark.parametrize(
    "terms", [{"constraints": [MaxLeverage(2.0)], "max_weights": None}, {}], ids=["leverage", "one side"]
)
def test_weights_that_the_limits_bound(terms, market):
    models = [
        MeanRisk(CVaR(0.9), min_weights=None, solver=solver, **terms).fit(market[0])
        for solver in (InteriorPoint(), Conic())
    ]
    assert models[0].solution_.certificate.kind == "bound"
    assert_allclose(*(model.solution_.objective for model in models), rtol=1e-7)


def test_pairs_of_too_many_periods_go_to_the_general_solver(market, monkeypatch):
    from trackfolio.solvers.interior_point import _forms

    monkeypatch.setattr(_forms, "_MOST_PAIRS", 100)
    assert InteriorPoint().lacking(MeanRisk(GiniMeanDifference()).make_problem(market[0]))


def test_a_ratio_must_be_positive(market):
    with pytest.raises(ValueError, match="ratio must be a positive number, got 0"):
        MeanRisk(CVaR(), MaxRatio()).make_problem(market[0], ratio=0)


@pytest.mark.parametrize("near", [np.ones(3), np.full(8, np.nan)], ids=["shape", "nan"])
def test_weights_nearby_are_checked(near, market):
    problem = MeanRisk(CVaR()).make_problem(market[0])
    with pytest.raises(ValueError, match="near must hold 8 finite weights"):
        dataclasses.replace(problem, near=Solution(near, ""))


# Parts.


@pytest.mark.parametrize("kind", ["rows", "indexed", "sparse", "chosen", "pairs"])
def test_maps_are_matrices(kind):
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    X = rng.standard_normal((9, 5))
    first, second = np.triu_indices(9, 1)
    keep = rng.random(len(first)) < 0.7
    own, matrix = {
        "rows": (Rows(X, 2.0), 2 * X),
        "indexed": (Rows(X, 2.0, np.array([7, 2, 3])), 2 * X[[7, 2, 3]]),
        "sparse": (SparseRows(sp.csr_array(X)), X),
        "chosen": (Chosen(np.array([3, 1]), np.array([2.0, -1.0]), 5), np.array([[0, 0, 0, 2, 0], [0, -1, 0, 0, 0]])),
        "pairs": (Pairs(X, 0.5, keep), 0.5 * (X[first] - X[second])[keep]),
    }[kind]
    w, v, d = rng.standard_normal(5), rng.standard_normal(len(matrix)), rng.random(len(matrix))
    assert own.size == len(matrix)
    assert_allclose(own.apply(w), matrix @ w, atol=1e-14)
    assert_allclose(own.adjoint(v), matrix.T @ v, atol=1e-13)
    assert_allclose(own.gram(d), matrix.T @ np.diag(d) @ matrix, atol=1e-13)


def test_rough_products_have_six_digits():
    rng = np.random.default_rng(0)
    X, d = rng.standard_normal((50, 4)), 10.0 ** rng.uniform(-3, 3, 50)
    exact = X.T @ np.diag(d) @ X
    rough = Rows(X).gram(d, roughly=True)
    assert 1e-9 < np.abs(rough - exact).max() / np.abs(exact).max() < 1e-5


def test_long_rows_are_scaled_in_chunks(monkeypatch):
    from trackfolio.solvers.interior_point import _maps

    monkeypatch.setattr(_maps, "CHUNK", 4)
    X, d = np.random.default_rng(0).standard_normal((11, 3)), np.arange(11.0)
    assert_allclose(Rows(X).gram(d), X.T @ np.diag(d) @ X, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_scaling_of_cones(seed):
    rng = np.random.default_rng(seed)

    def inside():
        v = rng.standard_normal(6)
        v[0] = np.linalg.norm(v[1:]) + rng.uniform(1e-3, 1)
        return v

    s, z, d = inside(), inside(), rng.standard_normal(6)
    scaling = ConeNewton(s, z)
    assert_allclose(scaling.times(z), scaling.over(s), rtol=1e-10)  # λ
    assert_allclose(scaling.over(scaling.times(d)), d, atol=1e-10)
    assert_allclose(jordan(s, divide(s, d)), d, atol=1e-10)
    # W⁻² from its parts: what the matrix gets, and what the steps are.
    inverse = np.column_stack([scaling.over(scaling.over(e)) for e in np.eye(6)])
    J = np.diag([1.0, -1, -1, -1, -1, -1])
    assert_allclose((2 * np.outer(scaling.q, scaling.q) - J) / scaling.eta**2, inverse, atol=1e-8)
    assert_allclose(scaling.step(d, 2 / scaling.eta**2 * scaling.q @ d), inverse @ d, atol=1e-8)
    length = longest(scaling.units[0], scaling.roots[0], d)
    if np.isfinite(length):
        end = s + length * d
        assert_allclose(end[0], np.linalg.norm(end[1:]), atol=1e-9)


@pytest.mark.parametrize("operations", [1e3, 1e12])
def test_threads_are_as_they_were(operations):
    pools = _threads._pools()

    def counts():
        return [pool.num_threads for pool in pools.lib_controllers]

    with pools.limit(limits=2):
        before = counts()
        with _threads.threads_for(operations):
            within = counts()
        assert counts() == before
    assert min(within) == 1 or len(within) == 1
    assert operations > 1e9 or max(within) == 1


def test_threads_are_as_they_were_after_solves_that_overlap():
    pools = _threads._pools()
    with pools.limit(limits=2):
        before = [pool.num_threads for pool in pools.lib_controllers]
        first, second = _threads.threads_for(1e3), _threads.threads_for(1e3)
        with first:
            second.__enter__()
        second.__exit__(None, None, None)
        assert [pool.num_threads for pool in pools.lib_controllers] == before


def test_no_bound_is_said_twice(market):
    """A budget and minimum weights imply the maximum weights of 1: one sum of inequalities less."""
    X, _ = market
    sums = [
        len(Translation(MeanRisk(CVaR(), **bounds).make_problem(X)).program.pieces)
        for bounds in ({}, {"max_weights": 0.9}, {"budget": (0.5, 1.5)})
    ]
    assert sums == [2, 3, 5]


def test_limits_of_equal_sides_are_equations(market):
    X, _ = market
    model = MeanRisk(CVaR(), max_weights={"x0": 0.2} | {f"x{i}": 1.0 for i in range(1, 8)}, min_weights={"x0": 0.2})
    problem = model.make_problem(X)
    assert len(Translation(problem).program.b) == 2
    solution = proven(model, X).solution_
    assert_allclose(solution.weights[0], 0.2, atol=1e-12)
    other = dataclasses.replace(problem, lower=np.where(np.arange(8) == 0, 0.2 - 1e-7, 0.0))
    assert_allclose(find_by(other, InteriorPoint())[0].objective, solution.objective, rtol=1e-5)


def test_points_that_are_not_numbers_are_seen():
    """Python's max passes over a nan that is not its first argument."""
    X, y = simulate(8, 120, 4)
    equal, tilt = np.full(8, 1 / 8), np.cos(np.arange(8.0))
    limits = [
        Exposure(tilt, lower=tilt @ equal + 0.05),
        RiskLimit(RootMeanSquare(), 1.02 * RootMeanSquare().value(X @ equal)),
    ]
    problem = MeanRisk(Huber(0.01), max_tracking_error=0.01, constraints=limits).make_problem(X, y)
    program = Translation(problem).program
    point = solve_program(program, 1e-3, 100).point
    point.cones[0][1][:] = np.nan
    assert np.isnan(Residuals.at(program, Iterate.of(program, point)).dual)
    with pytest.raises(SolverFailure, match="no step from the first point is finite"):
        solve_program(program, 1e-12, 100, point)


def test_a_benchmark_with_larger_returns_than_the_assets():
    """The active position then has another unit than the portfolio, for the same returns of the assets."""
    X, y = simulate(5, 40)
    y = 3 * y
    limit = RiskLimit(CVaR(0.9), 1.05 * CVaR(0.9).value(X.mean(axis=1) - y), active=True)
    for risk in (SemiVariance(), CVaR(0.9), MeanAbsoluteDeviation()):
        model = MeanRisk(risk, max_weights=0.6, constraints=[limit])
        ours, theirs = (model.set_params(solver=solver).fit(X, y).solution_ for solver in (InteriorPoint(), Conic()))
        assert ours.status == "optimal"
        assert ours.primal_violation <= 1e-9
        assert_allclose(ours.objective, theirs.objective, rtol=1e-6)
