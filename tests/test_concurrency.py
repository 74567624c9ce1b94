"""Fits at once, in threads and in processes: the same numbers as one after the other, and nothing left behind."""

import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import GroupBounds, MaxTurnover
from trackfolio.costs import CustomCost
from trackfolio.exceptions import InfeasibleError
from trackfolio.model_selection import WalkForward, backtest
from trackfolio.risks import CVaR, MaxDrawdown, StandardDeviation
from trackfolio.solvers import Conic, Sparse

from .conftest import simulate

HALVES = GroupBounds(["a"] * 4 + ["b"] * 4, upper=0.6)


def models():
    """One for each solver, with some that share a term."""
    shared = CVaR(0.9)
    return [
        MinTrackingError(constraints=[HALVES]),
        MinTrackingError(StandardDeviation(), constraints=[MaxTurnover(0.3)]),
        MeanRisk(shared, max_tracking_error=0.01),
        MeanRisk(shared, solver=Conic()),
        MeanRisk(MaxDrawdown(), constraints=[shared <= 0.05]),
        MinTrackingError(cardinality=3, solver=Sparse(node_limit=50)),
    ]


def fitted(task):
    """Weights of a model on the data of a seed."""
    number, seed = task
    X, y = simulate(seed=seed)
    return models()[number].fit(X, y, previous_weights=np.full(8, 1 / 8)).weights_


TASKS = [(number, seed) for seed in range(6) for number in range(len(models()))]


def state():
    """What a fit must leave as it was."""
    gc.collect()
    return {
        "filters": list(warnings.filters),
        "pools": sorted((pool["filepath"], pool["num_threads"]) for pool in threadpool_info()),
        "errors": np.geterr(),
        "threads": {thread.name for thread in threading.enumerate()},
        "files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
        "folder": os.getcwd(),
        "random": np.random.get_state()[1].tobytes(),  # noqa: NPY002  # that of everybody
    }


@pytest.fixture(scope="module")
def one_by_one():
    return [fitted(task) for task in TASKS]


def test_threads_at_once_find_the_same_and_leave_nothing_behind(one_by_one):
    before = state()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fitted, TASKS))
    for weights, expected in zip(found, one_by_one, strict=True):
        assert_array_equal(weights, expected)
    assert state() == before


def test_one_estimator_can_predict_in_threads_while_clones_are_fitted():
    X, y = simulate()
    model = MinTrackingError(constraints=[HALVES]).fit(X, y)
    expected = np.asarray(model.predict(X))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: np.asarray(model.predict(X)), range(50)))
    assert all(np.array_equal(returns, expected) for returns in found)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes_find_the_same(one_by_one, method, monkeypatch):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system does not {method}")
    if method == "fork" and sys.version_info >= (3, 12):
        pytest.skip("Python warns of forks with threads, of which compiled libraries have some")
    tasks = TASKS[: len(models())]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        found = list(pool.map(fitted, tasks))
    for weights, expected in zip(found, one_by_one, strict=False):
        assert_array_equal(weights, expected)


def test_errors_leave_nothing_behind():
    X, y = simulate()
    before = state()
    for model in (
        MinTrackingError(max_weights=0.1),
        MeanRisk(CVaR(), max_tracking_error=1e-9),
        MeanRisk(CVaR(), max_weights=0.05, solver=Conic()),
    ):
        with pytest.raises(InfeasibleError):
            model.fit(X, y)
    assert state() == before


LEAK = """
import gc, resource, sys
import numpy as np
sys.path.insert(0, {root!r})
from tests.test_concurrency import models
from tests.conftest import simulate

X, y = simulate()
def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20

def some(rounds):
    for _ in range(rounds):
        for model in models()[:3]:
            model.fit(X, y, previous_weights=np.full(8, 1 / 8))

some(100)
before = resident()
some(300)
print(resident() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads Linux's account of memory")
def test_memory_does_not_grow_with_fits():
    root = os.path.dirname(os.path.dirname(__file__))
    run = subprocess.run([sys.executable, "-c", LEAK.format(root=root)], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 4  # MiB, in 900 fits


# Pickles.


def test_what_is_fitted_and_what_is_found_can_be_pickled(frames):
    X, y = frames
    for model in models():
        found = pickle.loads(pickle.dumps(model.fit(X, y, previous_weights=np.full(8, 1 / 8))))
        assert_array_equal(found.weights_, model.weights_)
        assert found.solution_.multipliers.keys() == model.solution_.multipliers.keys()
        portfolio = pickle.loads(pickle.dumps(model.predict(X).relative_to(y)))
        assert portfolio.summary().equals(model.predict(X).relative_to(y).summary())
    tested = backtest(MinTrackingError(), X, y, cv=WalkForward(60, 20), progress=False)
    assert_array_equal(np.asarray(pickle.loads(pickle.dumps(tested)).net), np.asarray(tested.net))
    with pytest.raises(InfeasibleError) as caught:
        MinTrackingError(max_weights=0.1).fit(X, y)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_lambda_in_a_term_cannot_be_pickled_and_the_error_says_so(market):
    model = MinTrackingError(costs=[CustomCost(lambda w: 0.001 * w[0])]).fit(*market)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(model)
