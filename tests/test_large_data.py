"""Returns in single precision, and on disk: read as they are, without copies that would fill the memory."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError, _products
from trackfolio._position import Position
from trackfolio.objectives import MaxReturn
from trackfolio.risks import CVaR, MeanAbsoluteDeviation, SemiVariance, StandardDeviation, WorstRealization
from trackfolio.solvers import Conic, InteriorPoint
from trackfolio.solvers.interior_point import _maps, _sample

from .conftest import simulate

MODELS = [
    MinTrackingError(),
    MinTrackingError(CVaR(0.9)),
    MeanRisk(CVaR(0.95)),
    MeanRisk(CVaR(0.95), MaxReturn(), max_tracking_error=0.004),
    MeanRisk(MeanAbsoluteDeviation()),
    MeanRisk(SemiVariance()),
    MeanRisk(StandardDeviation()),
    MeanRisk(WorstRealization()),
    MeanRisk(CVaR(0.95), solver=Conic()),
]


@pytest.fixture
def all_is_large(monkeypatch):
    monkeypatch.setattr(_products, "_LARGE", 0)
    monkeypatch.setattr(_products, "CHUNK", 64)
    monkeypatch.setattr(_maps, "_COPIED", 0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_singles_are_read_as_the_doubles_that_they_are(model, weighted, all_is_large):
    X, y = simulate(8, 300, 3)
    single, s = X.astype(np.float32), np.arange(300) % 3 if weighted else None
    of_single = model.fit(single, y, sample_weight=s).solution_
    of_double = model.fit(single.astype(np.float64), y, sample_weight=s).solution_
    assert_allclose(of_single.objective, of_double.objective, rtol=1e-9)
    assert of_single.status == "optimal"
    predicted = model.predict(single)
    assert np.asarray(predicted).dtype == np.float64
    assert_allclose(np.asarray(predicted), single.astype(np.float64) @ model.weights_, atol=1e-16)
    assert_allclose(model.score(single, y), model.score(single.astype(np.float64), y), rtol=1e-12)


def test_few_singles_become_doubles(market):
    X = market[0].astype(np.float32)
    assert MeanRisk().make_problem(X).portfolio.rows.dtype == np.float64


@pytest.mark.parametrize("kind", ["double", "single", "on disk"])
@pytest.mark.parametrize("model", MODELS[:5], ids=repr)
def test_a_fit_needs_half_of_the_memory_again(model, kind, all_is_large, monkeypatch, tmp_path):
    monkeypatch.setattr(_products, "CHUNK", 1024)
    X, y = simulate(40, 60_000, 1)
    if kind == "single":
        X = X.astype(np.float32)
    elif kind == "on disk":
        X.tofile(tmp_path / "returns")
        X = np.memmap(tmp_path / "returns", dtype=X.dtype, mode="r", shape=X.shape)
    model.fit(X[:2000], y[:2000])  # imports
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Series of the periods, of which a solver holds some, are as large as so many columns.
    series = 20 * 8 * len(X)
    assert peak <= 0.5 * X.nbytes + series
    assert model.solution_.gap <= 1e-8


@pytest.mark.parametrize("benchmark", [True, False])
def test_roots_of_tall_data_need_no_copy(benchmark, all_is_large, monkeypatch):
    monkeypatch.setattr(_products, "CHUNK", 1024)
    X, y = simulate(30, 40_000, 1)
    position = Position(X, y if benchmark else None)
    tracemalloc.start()
    try:
        R, r = position.second_moment.root()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 0.2 * X.nbytes
    w = np.full(30, 1 / 30)
    assert_allclose(np.sum((R @ w - r) ** 2), np.mean(position.returns(w) ** 2), rtol=1e-12)


def test_a_sample_that_cannot_keep_the_limits_is_not_believed(monkeypatch):
    X, _ = simulate(10, 9000, 1)
    X[:: _sample._EVERY] *= 10.0
    least = MeanRisk(CVaR(0.95), solver=InteriorPoint()).fit(X).solution_.objective
    monkeypatch.setattr(_sample, "solve_near", lambda *_: pytest.fail("it was believed"))
    found = MeanRisk(CVaR(), MaxReturn(), constraints=[CVaR(0.95) <= 1.05 * least]).fit(X).solution_
    assert found.solver == "InteriorPoint"
    assert found.status == "optimal"
    assert found.iterations <= 100


@pytest.mark.parametrize("risk", [StandardDeviation(), SemiVariance()], ids=repr)
@pytest.mark.parametrize("n", [49, 250])
def test_weights_that_sum_to_one_are_no_repetitions(risk, n):
    X, _ = simulate(5, n)
    with pytest.raises(ValueError, match="multiply weights that sum to 1 by the number of periods"):
        MeanRisk(risk).fit(X, sample_weight=np.full(n, 1 / n))
