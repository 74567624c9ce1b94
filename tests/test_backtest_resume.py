"""A backtest that was interrupted goes on from where it was, also after a real kill."""

import os
import signal
import subprocess
import sys
import time
from pickle import PicklingError

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from trackfolio import MinTrackingError
from trackfolio.constraints import MaxTurnover
from trackfolio.costs import CustomCost
from trackfolio.model_selection import WalkForward, backtest

from .conftest import simulate
from .test_backtest import quiet

# Each fit leaves a line in a file, with the rows that it was fitted on.
MODULE = '''
import os
import time

import numpy as np
from trackfolio import MinTrackingError


class Slow(MinTrackingError):
    """Takes its time, and leaves a line for each finished fit."""

    def fit(self, X, y=None, *, previous_weights=None, sample_weight=None):
        time.sleep(float(os.environ.get("SLOW_SECONDS", "0")))
        super().fit(X, y, previous_weights=previous_weights, sample_weight=sample_weight)
        with open(os.environ["SLOW_LOG"], "a") as log:
            log.write(f"{np.asarray(X)[0, 0]!r} {len(X)} {self.max_weights}\\n")
        return self
'''

SCRIPT = """
import pickle
import sys

import numpy as np
from slow_model import Slow
from trackfolio.constraints import MaxTurnover
from trackfolio.model_selection import WalkForward, backtest

if __name__ == "__main__":
    data, memory, out, n_jobs, turning = sys.argv[1:]
    X, y = (np.load(data)[part] for part in "Xy")
    model = Slow(constraints=[MaxTurnover(0.05)] if turning == "True" else None)
    tested = backtest(
        model, X, y, cv=WalkForward(50, 10), memory=memory, n_jobs=int(n_jobs), transaction_costs=0.001, progress=False
    )
    with open(out, "wb") as file:
        pickle.dump((np.asarray(tested.net), tested.targets), file)
"""


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """The class, and a function that reads its log."""
    (tmp_path / "slow_model.py").write_text(MODULE)
    log = tmp_path / "fits.log"
    log.touch()
    monkeypatch.setenv("SLOW_LOG", str(log))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_model", raising=False)
    from slow_model import Slow

    yield Slow, lambda: log.read_text().splitlines()
    sys.modules.pop("slow_model", None)


def frames_of(n_periods):
    """Frames of their own memory, as read from a file: the first rows are the same for any number of periods."""
    X, y = simulate(n_periods=150)
    dates = pd.bdate_range("2020-01-01", periods=n_periods)
    return pd.DataFrame(X[:n_periods].copy(), dates, list("ABCDEFGH")), pd.Series(y[:n_periods].copy(), dates)


def arrays_of(n_periods):
    X, y = frames_of(n_periods)
    return np.ascontiguousarray(X.to_numpy()), y.to_numpy()


@pytest.mark.parametrize("constraints", [None, [MaxTurnover(0.05)]], ids=["independent", "in order"])
def test_only_what_is_new_is_fitted(slow, tmp_path, constraints):
    Slow, fits = slow
    options = {"memory": tmp_path / "memory", "cv": WalkForward(50, 10, keep_partial=False)}
    model = Slow(constraints=constraints)
    first = quiet(model, *arrays_of(100), **options)
    assert len(fits()) == 5
    for costs in (0.0, 0.001):  # costs are booked, not fitted
        again = quiet(model, *arrays_of(100), transaction_costs=costs, management_fee=costs / 100, **options)
        assert_array_equal(again.targets, first.targets)
        assert_array_equal(again.gross, first.gross)
        assert_array_equal(again.fit_seconds, first.fit_seconds)
    assert len(fits()) == 5
    longer = quiet(model, *arrays_of(130), **options)
    assert len(fits()) == 8
    assert_array_equal(longer.net[:50], first.net)
    assert_array_equal(
        longer.net, quiet(MinTrackingError(constraints=constraints), *arrays_of(130), cv=options["cv"]).net
    )


def test_what_has_changed_is_fitted_again(slow, tmp_path):
    Slow, fits = slow
    options = {"memory": tmp_path / "memory", "cv": WalkForward(50, 10)}
    X, y = arrays_of(100)
    quiet(Slow(), X, y, **options)
    changed = X.copy()
    changed[55, 3] += 1e-9  # in the training sets of all folds but the first
    for model, data, more in (
        (Slow(max_weights=0.5), X, 5),
        (Slow(), changed, 4),
        (Slow(constraints=[MaxTurnover(0.9)]), X, 5),
    ):
        before = len(fits())
        quiet(model, data, y, **options)
        assert len(fits()) == before + more
    before = len(fits())
    kept = quiet(Slow(), X, y, return_estimator=True, **options)
    assert len(fits()) == before + 5  # fitted models were not kept before
    assert len(kept.estimators) == 5
    quiet(Slow(), X, y, return_estimator=True, **options)
    assert len(fits()) == before + 5


@pytest.mark.parametrize("constraints", [None, [MaxTurnover(0.05)]], ids=["independent", "in order"])
def test_other_holdings_refit_where_they_matter(slow, tmp_path, constraints):
    Slow, fits = slow
    options = {"memory": tmp_path / "memory", "cv": WalkForward(50, 10)}
    held = np.full(8, 1 / 8)
    for initial in (None, held, held):
        quiet(Slow(constraints=constraints), *arrays_of(100), initial_weights=initial, **options)
    assert len(fits()) == (5 if constraints is None else 10)


def test_failures_are_not_kept(slow, tmp_path, monkeypatch):
    Slow, fits = slow
    options = {"memory": tmp_path / "memory", "cv": WalkForward(50, 10)}
    X, y = arrays_of(100)
    fit = Slow.fit
    monkeypatch.setattr(Slow, "fit", lambda self, X, *a, **k: 1 / 0 if X[0, 0] == first else fit(self, X, *a, **k))
    first = X[20, 0]
    with pytest.raises(ZeroDivisionError):
        quiet(Slow(), X, y, **options)
    assert len(fits()) == 2
    first = None
    quiet(Slow(), X, y, **options)
    assert len(fits()) == 5


def test_a_longer_frame_refits_only_what_is_new(slow, tmp_path):
    Slow, fits = slow
    options = {"memory": tmp_path / "memory", "cv": WalkForward(50, 10, keep_partial=False)}
    quiet(Slow(), *frames_of(100), **options)
    quiet(Slow(), *frames_of(130), **options)
    assert len(fits()) == 8


# A real kill.


@pytest.mark.parametrize(("n_jobs", "turning"), [(1, False), (2, False), (1, True)])
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals of Unix")
def test_a_killed_run_goes_on_where_it_was(tmp_path, n_jobs, turning):
    (tmp_path / "slow_model.py").write_text(MODULE)
    (tmp_path / "script.py").write_text(SCRIPT)
    X, y = arrays_of(120)
    np.savez(tmp_path / "data.npz", X=X, y=y)
    log, out = tmp_path / "fits.log", tmp_path / "out.pickle"
    log.touch()
    package = os.path.dirname(os.path.dirname(sys.modules["trackfolio"].__file__))

    def run(seconds, n_jobs):
        path = os.pathsep.join([str(tmp_path), package, os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [sys.executable, "script.py", "data.npz", "memory", "out.pickle", str(n_jobs), str(turning)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path, "SLOW_LOG": str(log), "SLOW_SECONDS": seconds},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    process = run("0.2", n_jobs)
    deadline = time.monotonic() + 30
    while len(log.read_text().splitlines()) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    time.sleep(0.05)
    assert not out.exists()
    before = log.read_text().splitlines()
    assert 3 <= len(before) < 7
    assert run("0", 1).wait(60) == 0
    after = log.read_text().splitlines()[len(before) :]
    # Fits that were just over may not have been stored yet: at most one for each worker.
    assert len(set(before) & set(after)) <= (1 if turning else n_jobs)
    assert len(set(before) | set(after)) == 7
    constraints = [MaxTurnover(0.05)] if turning else None
    whole = quiet(MinTrackingError(constraints=constraints), X, y, cv=WalkForward(50, 10), transaction_costs=0.001)
    net, targets = pd.read_pickle(out)
    assert_array_equal(net, whole.net)
    assert_array_equal(targets, whole.targets)


def test_a_longer_table_of_benchmark_weights_refits_only_what_is_new(tmp_path, monkeypatch):
    X, _ = simulate(4, 90)
    X = pd.DataFrame(X, index=pd.bdate_range("2024-01-01", periods=90), columns=list("ABCD"))
    table = pd.DataFrame(0.25, index=X.index[::10], columns=X.columns)
    calls = []
    fitted = MinTrackingError.fit
    monkeypatch.setattr(MinTrackingError, "fit", lambda self, *a, **k: (calls.append(1), fitted(self, *a, **k))[1])
    for rows, expected in ((70, 3), (90, 1)):
        calls.clear()
        model = MinTrackingError(benchmark_weights=table[table.index <= X.index[rows - 1]])
        backtest(model, X.iloc[:rows], cv=WalkForward(30, 15), memory=tmp_path, progress=False)
        assert len(calls) == expected


def test_what_the_store_cannot_do_is_no_failed_fit(tmp_path):
    X, y = simulate(4, 90)
    model = MinTrackingError(costs=[CustomCost(lambda w: 0)])
    with pytest.raises(PicklingError):
        backtest(model, X, y, cv=WalkForward(30, 15), memory=tmp_path, error_score="hold", progress=False)
