"""Covariances with few factors, and few periods: the block of the weights is never written down."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator
from sklearn.decomposition import FactorAnalysis

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import Exposure, MaxActiveShare, MaxTurnover, RiskLimit
from trackfolio.costs import L2, TransactionCost
from trackfolio.objectives import MaxRatio, MaxReturn, MaxUtility
from trackfolio.risks import CVaR, RootMeanSquare, SemiVariance, StandardDeviation, Variance
from trackfolio.solvers import Conic, DenseQP, InteriorPoint, choose
from trackfolio.solvers.interior_point import _blocks
from trackfolio.solvers.interior_point._blocks import Dense, Thin, block_of
from trackfolio.solvers.interior_point._cone import Cone
from trackfolio.solvers.interior_point._factored import Factored
from trackfolio.solvers.interior_point._maps import Chosen, Rows, SparseRows
from trackfolio.solvers.interior_point._translate import Translation

from .conftest import simulate

N = 24


class ThreeFactors(BaseEstimator):
    """A given covariance in factor form."""

    def fit(self, X):
        n = X.shape[1]
        self.components_ = 0.01 * np.cos(np.outer(np.arange(1, 4), np.arange(n)))
        self.noise_variance_ = 1e-4 * (1 + np.arange(n) % 3)
        return self


FACTORS = ThreeFactors()
MODELS = {
    "tracking": MinTrackingError(StandardDeviation(FACTORS), max_weights=0.2),
    "variance and ridge": MinTrackingError(Variance(FACTORS), costs=[L2(0.001)]),
    "turnover": MinTrackingError(StandardDeviation(FACTORS), constraints=[MaxTurnover(0.3)]),
    "cost and exposure": MinTrackingError(
        Variance(FACTORS), costs=[TransactionCost(1e-4)], constraints=[Exposure(np.arange(float(N)), upper=9)]
    ),
    "limits of roots": MeanRisk(
        Variance(FACTORS),
        MaxReturn(),
        constraints=[MaxActiveShare(0.3), RiskLimit(StandardDeviation(FACTORS), 0.003, active=True)],
    ),
    "two roots": MeanRisk(StandardDeviation(FACTORS), MaxUtility(3.0), costs=[L2(0.01)], min_weights=-0.1),
}


@pytest.fixture
def few_are_many(monkeypatch):
    monkeypatch.setattr(_blocks, "_MANY", 5)


@pytest.mark.parametrize("name", MODELS)
def test_factors_are_the_covariance(name, few_are_many):
    X, _ = simulate(N, 60, 2)
    weights = np.random.default_rng(1).dirichlet(np.ones(N))
    model, held = MODELS[name].set_params(benchmark_weights=weights, solver=InteriorPoint()), np.full(N, 1 / N)
    problem = model.make_problem(X, previous_weights=held)
    assert isinstance(block_of(Translation(problem).program, N + 1), Thin)
    ours = model.fit(X, previous_weights=held).solution_
    theirs = model.set_params(solver=Conic()).fit(X, previous_weights=held).solution_
    assert ours.status == "optimal"
    assert ours.primal_violation <= 1e-8
    assert_allclose(ours.objective, theirs.objective, rtol=1e-7)
    assert_allclose(ours.weights, theirs.weights, atol=1e-5)


def test_factors_of_assets_and_benchmark_together(few_are_many):
    X, y = simulate(N, 60, 2)
    terms = {"constraints": [MaxTurnover(0.3)], "risk": StandardDeviation(FactorAnalysis(3, random_state=0))}
    models = [MinTrackingError(solver=solver, **terms) for solver in (InteriorPoint(), Conic())]
    ours, theirs = (m.fit(X, y, previous_weights=np.full(N, 1 / N)).solution_ for m in models)
    assert_allclose(ours.objective, theirs.objective, rtol=1e-7)


@pytest.mark.parametrize("risk", [CVaR(0.5), SemiVariance(), RootMeanSquare()], ids=repr)
def test_few_periods_are_few_factors(risk, few_are_many, monkeypatch):
    monkeypatch.setattr(_blocks, "_ROWS", 0.6)
    X, y = simulate(N, 12, 2)
    models = [MeanRisk(risk, max_tracking_error=0.01, solver=solver) for solver in (InteriorPoint(), Conic())]
    ours, theirs = (m.fit(X, y).solution_ for m in models)
    assert_allclose(ours.objective, theirs.objective, rtol=1e-7, atol=1e-12)
    assert ours.status == "optimal"


def test_blocks_are_one_matrix():
    rng = np.random.default_rng(0)
    P = Factored(rng.standard_normal((3, N)), rng.random(N))
    blocks = Thin(N, N), Dense(N, N)
    for block in blocks:
        block.add_matrix(P)
        block.add_gram(Chosen(np.array([3, 1]), np.array([2.0, -1.0]), N), np.array([1.0, 3.0]), roughly=False)
        block.add_gram(Rows(np.cos(np.arange(2.0 * N)).reshape(2, N), 2.0), np.array([0.0, 3.0]), roughly=False)
        block.add_gram(SparseRows(sp.csr_array(np.eye(2, N))), np.array([0.5, 3.0]), roughly=False)
        block.add_cone(Cone(P, np.zeros(3 + N)), 0.7)
        block.add_cone(Cone(np.ones((1, N)), np.zeros(1)), 0.3)
    thin, dense = blocks
    x, shift = rng.standard_normal(N), np.full(N, 0.1)
    assert_allclose(thin.dense(), dense.dense(), atol=1e-12)
    assert_allclose(thin.diagonal(), np.diagonal(dense.dense()), atol=1e-12)
    assert_allclose(thin.times(x), dense.times(x), atol=1e-12)
    right = rng.standard_normal((N, 2))
    for b in (x, right):
        assert_allclose(thin.inverse(shift).solve(b), np.linalg.solve(dense.dense() + np.diag(shift), b), atol=1e-9)
        assert_allclose(dense.inverse(shift).solve(b), thin.inverse(shift).solve(b), atol=1e-9)
    cone = Cone(P, np.zeros(3 + N))
    z = rng.standard_normal(3 + N)
    R = np.vstack([P.factors, np.diag(np.sqrt(P.diagonal))])
    assert_allclose(cone.linear(x, np.zeros(0))[1:], R @ x, atol=1e-12)
    assert_allclose(cone.transposed(z), R.T @ z, atol=1e-12)
    assert_allclose(cone.gram, P.dense, atol=1e-12)
    with pytest.raises(np.linalg.LinAlgError):
        Thin(N, N).inverse(np.zeros(N))


def test_many_assets_with_factors_go_to_the_solver_that_keeps_them():
    X, _ = simulate(500, 30)
    model = MinTrackingError(Variance(FACTORS), benchmark_weights=np.full(500, 1 / 500), costs=[L2(0.1)])
    assert isinstance(choose(model.make_problem(X))[0], InteriorPoint)
    assert isinstance(choose(model.make_problem(X), DenseQP())[0], DenseQP)
    found = model.fit(X).solution_
    assert (found.solver, found.status) == ("InteriorPoint", "optimal")
    few = model.set_params(benchmark_weights=np.full(50, 1 / 50)).make_problem(X[:, :50])
    assert isinstance(choose(few)[0], DenseQP)


@pytest.mark.parametrize("goal", [MaxReturn(), MaxRatio(), MaxUtility(2.0)], ids=repr)
def test_assets_leave_roots_of_factors(goal):
    """A root keeps the rows of assets that left: what the benchmark holds of them is part of the distance."""
    rng = np.random.default_rng(1)
    X = 0.004 * rng.normal(size=(400, 5)) @ rng.normal(size=(5, 80)) + 0.01 * rng.normal(size=(400, 80)) + 0.001
    covariance, weights = FactorAnalysis(5, random_state=0), np.full(80, 1 / 80)
    limit = RiskLimit(StandardDeviation(covariance), 0.002, active=True)
    model = MeanRisk(StandardDeviation(covariance), goal, benchmark_weights=weights, constraints=[limit])
    ours, theirs = (model.set_params(solver=s).fit(X).solution_ for s in (InteriorPoint(), Conic()))
    assert ours.status == "optimal"
    assert_allclose(ours.objective, theirs.objective, rtol=1e-6)
    P = Factored(rng.random((2, 5)), rng.random(5))
    some, x, z = P.columns(np.array([True, False, True, True, False])), rng.random(3), rng.random(7)
    R = np.vstack([P.factors, np.diag(np.sqrt(P.diagonal))])[:, [0, 2, 3]]
    assert_allclose(some.root_times(x), R @ x)
    assert_allclose(some.root_transposed(z), R.T @ z)
    again = some.columns(np.array([False, True, True]))
    assert_allclose(again.root_times(x[1:]), R[:, 1:] @ x[1:])


def test_a_block_without_other_unknowns_is_solved_in_silence(capfd, few_are_many):
    X, _ = simulate(N, 60, 2)
    model = MinTrackingError(StandardDeviation(FACTORS), benchmark_weights=np.full(N, 1 / N), budget=(0.9, 1.1))
    model.set_params(constraints=[MaxTurnover(0.3)], solver=InteriorPoint())
    assert model.fit(X, previous_weights=np.eye(N)[0]).solution_.status == "optimal"
    assert capfd.readouterr().out == ""
