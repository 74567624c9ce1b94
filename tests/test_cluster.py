"""Loops and arrays on a real cluster of Dask: a scheduler and workers, each a process of its own."""

import subprocess
import sys

import dask.array as da
import joblib
import numpy as np
import pytest
from distributed import Client
from sklearn.model_selection import GridSearchCV

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import MaxTurnover
from trackfolio.datasets import load_sp500, make_index_market
from trackfolio.model_selection import WalkForward, backtest, cardinality_path, frontier

X, y = load_sp500(start="2020-01-01", return_X_y=True)
CV = WalkForward("365D", freq="QE")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Client of a scheduler with two workers."""
    folder = tmp_path_factory.mktemp("cluster")
    file = str(folder / "scheduler.json")
    common = ["--scheduler-file", file, "--no-dashboard"]
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--nworkers", "2", "--nthreads", "1", *common]
    with open(folder / "log", "w") as log:
        started = [subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) for command in (scheduler, worker)]
        try:
            with Client(scheduler_file=file, timeout=60, set_as_default=False) as client:
                client.wait_for_workers(2, timeout=60)
                yield client
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(timeout=30)


@pytest.fixture
def on_cluster(cluster):
    return lambda: joblib.parallel_config(backend="dask", client=cluster)


def test_backtests_give_the_same_numbers_as_here(on_cluster):
    models = {"free": MinTrackingError(), "in order": MinTrackingError(constraints=[MaxTurnover(0.05)])}
    here = backtest(models, X, y, cv=CV, transaction_costs=0.001)
    with on_cluster():
        there = backtest(models, X, y, cv=CV, transaction_costs=0.001)
    for name in models:
        np.testing.assert_allclose(there[name].net, here[name].net, rtol=0, atol=1e-14)


def test_grids_frontiers_and_paths_run_there(on_cluster):
    search = GridSearchCV(
        MinTrackingError(), {"max_weights": [0.06, 0.1]}, cv=CV, scoring="neg_root_mean_squared_error"
    )
    lines = {
        "grid": lambda: search.fit(X, y).cv_results_["mean_test_score"],
        "frontier": lambda: frontier(MeanRisk(), X, y, values=4).table["risk"],
        "path": lambda: cardinality_path(MinTrackingError(), X, y, [2, 3, 20]).objectives,
    }
    for name, line in lines.items():
        here = line()
        with on_cluster():
            np.testing.assert_allclose(line(), here, rtol=1e-8, err_msg=name)


def test_returns_are_shipped_once(cluster, on_cluster, monkeypatch):
    market = make_index_market(40, 3000, random_state=0)
    sent, tasks = [], []
    scatter, submit = cluster.scatter, cluster.submit
    monkeypatch.setattr(cluster, "scatter", lambda data, **o: (sent.append(data), scatter(data, **o))[1])
    monkeypatch.setattr(cluster, "submit", lambda f, *a, **o: (tasks.append(o.get("tasks")), submit(f, *a, **o))[1])
    with on_cluster():
        backtest(MinTrackingError(), market.X, market.y, cv=WalkForward(500, 100))
        frontier(MeanRisk(), market.X, market.y, values=5)
    returns = [data for data in sent if getattr(data, "shape", None) == market.X.shape]
    assert len(returns) == 1, "by the backtest"
    assert len([data for data in sent if type(data).__name__ == "SharedData"]) == 1, "by the frontier"
    arguments = [a for batch in tasks if batch for _, args, kwargs in batch for a in (*args, *kwargs.values())]
    assert len(arguments) > 100
    assert max(getattr(a, "nbytes", 0) for a in arguments) < market.X.to_numpy().nbytes / 5


def test_arrays_that_lie_there_are_fitted_there(cluster):
    rows, target = (da.from_array(v.to_numpy(), chunks=100).persist(scheduler=cluster) for v in (X, y))
    with cluster.as_current():
        model = MinTrackingError().fit(rows, target)
    np.testing.assert_allclose(model.weights_, MinTrackingError().fit(X, y).weights_, atol=1e-10)
