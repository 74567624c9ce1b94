"""What makes small problems and those of few periods fast: one matrix for all sums, folded rows, shared rows."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import Constraint, Rows
from trackfolio.risks import CVaR, MeanAbsoluteDeviation, StandardDeviation
from trackfolio.solvers import Conic, DenseQP, InteriorPoint
from trackfolio.solvers.interior_point import _program
from trackfolio.solvers.interior_point._blocks import Thin, block_of
from trackfolio.solvers.interior_point._translate import Translation

from .conftest import MANY, simulate


class Trades(Constraint):
    """Limits on single weights, scaled and with the sign turned, some of them twice."""

    def __init__(self, limit, dense=False):
        self.limit, self.dense = limit, dense

    def rows(self, problem):
        n = problem.n_assets
        scale = np.where(np.arange(n) % 2, -2.0, 3.0)
        A = sp.csr_array(np.vstack([np.diag(scale), np.eye(n)]))
        half = np.concatenate([np.abs(scale) * self.limit, np.full(n, 2 * self.limit)])
        middle = A @ np.full(n, 1 / n)
        lower = np.where(np.arange(2 * n) % 3, middle - half, -np.inf)
        return Rows(A.toarray() if self.dense else A, lower, middle + half)


@pytest.mark.parametrize("dense", [False, True])
def test_rows_of_single_weights_are_bounds(dense):
    X, y = simulate(12, 150, 3)
    model = MeanRisk(CVaR(0.9), max_tracking_error=0.01, constraints=[Trades(0.02, dense)])
    problem = model.make_problem(X, y)
    assert len(Translation(problem).program.pieces) == 3
    ours, theirs = (model.set_params(solver=s).fit(X, y).solution_ for s in (InteriorPoint(), Conic()))
    assert ours.gap < 1e-8
    assert_allclose(ours.objective, theirs.objective, rtol=1e-7)
    assert_allclose(ours.row_duals, theirs.row_duals, atol=1e-5)


@pytest.mark.parametrize("limit", [None, 0.02])
def test_one_matrix_is_all_maps(limit, monkeypatch):
    X, y = simulate(9, 60, 2)
    terms = {} if limit is None else {"constraints": [Trades(limit)]}
    problem = MeanRisk(MeanAbsoluteDeviation(), max_tracking_error=0.02, **terms).make_problem(X, y)
    program, rng = Translation(problem).program, np.random.default_rng(0)
    apart = dataclasses.replace(program)
    monkeypatch.setattr(_program, "_SMALL", 0)
    assert apart.stacked is None
    monkeypatch.undo()
    assert program.stacked is not None
    x, v = rng.standard_normal(len(program.cost)), rng.standard_normal(len(program.joined.offset))
    z = [rng.standard_normal(1 + len(cone.offset)) for cone in program.cones]
    (one, cones), (other, others) = program.images(x, []), apart.images(x, [])
    for a, b in zip([one, *cones], [other, *others], strict=True):
        assert_allclose(a, b, atol=1e-13)
    pulls = np.zeros((2, len(x)))
    program.add_pull(v, z, pulls[0], [])
    apart.add_pull(v, z, pulls[1], [])
    assert_allclose(*pulls, atol=1e-12)


def test_returns_of_few_periods_are_shared_by_tail_and_limit():
    X, y = simulate(320, 160, 5)
    model = MeanRisk(CVaR(0.9), max_tracking_error=0.01)
    program = Translation(model.make_problem(X, y)).program
    assert isinstance(block_of(program, 330), Thin)
    ours = model.set_params(solver=InteriorPoint()).fit(X, y).solution_
    assert (ours.status, ours.solver) == ("optimal", "InteriorPoint")


@MANY
@pytest.mark.parametrize("risk", [None, StandardDeviation()], ids=repr)
@pytest.mark.parametrize("n_periods", [12, 40, 60])
def test_few_periods_are_tracked_exactly(risk, n_periods):
    """The first guess, of all weights free, is of a singular matrix."""
    X, y = simulate(60, n_periods, 7)
    y = y + 0.002 * np.sin(np.arange(n_periods))
    model = MinTrackingError() if risk is None else MinTrackingError(risk)
    ours, theirs = (model.set_params(solver=s).fit(X, y).solution_ for s in (DenseQP(), InteriorPoint()))
    assert ours.gap < 1e-8
    assert_allclose(ours.objective, theirs.objective, atol=1e-8 * model.make_problem(X, y).scale)
