"""Faults put in on purpose: solvers that raise, panic, answer with NaN, or do not end; disks that are full."""

import errno
import subprocess
import sys
import warnings
from dataclasses import replace

import joblib.numpy_pickle
import numpy as np
import piqp
import pytest
from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import CLARABEL
from cvxpy.reductions.solvers.conic_solvers.scip_conif import SCIP
from numpy.testing import assert_allclose, assert_array_equal

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import GroupBounds
from trackfolio.exceptions import (
    AccuracyWarning,
    MissingSolverError,
    SolverFailure,
    SolverFallbackWarning,
    UnsupportedProblemError,
)
from trackfolio.model_selection import WalkForward, backtest
from trackfolio.risks import CVaR, EVaR, SemiVariance
from trackfolio.solvers import Conic, DenseQP, InteriorPoint, MixedInteger

from .conftest import simulate

HALVES = GroupBounds(["a"] * 4 + ["b"] * 4, upper=0.7)  # with an inequality, DenseQP begins with PIQP


class PanicException(BaseException):  # so PyO3 calls panics of Rust
    pass


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


ERRORS = [
    RuntimeError("out of luck"),
    ValueError("matrix not definite"),
    ZeroDivisionError("0"),
    np.linalg.LinAlgError("singular"),
    PanicException("index out of bounds"),
    OSError("no licence"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_solver_that_raises_hands_over(market, monkeypatch, error):
    model = MinTrackingError(constraints=[HALVES])
    expected = model.fit(*market).weights_
    monkeypatch.setattr(piqp.DenseSolver, "solve", raising(error))
    with pytest.warns(SolverFallbackWarning, match=f"PIQP raised {type(error).__name__}: {error}"):
        model.fit(*market)
    assert model.solution_.solver == "InteriorPoint"
    assert_allclose(model.weights_, expected, atol=1e-6)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_where_all_raise_the_failure_tells_of_each(market, monkeypatch, error):
    monkeypatch.setattr(CLARABEL, "solve_via_data", raising(error))
    with pytest.raises(SolverFailure, match=f"Clarabel raised {type(error).__name__}: {error}"):
        MeanRisk(EVaR(0.9)).fit(market[0])


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError("no room"), TypeError("no such option")])
def test_interrupts_and_wrong_calls_are_no_failures_of_a_solver(market, monkeypatch, error):
    monkeypatch.setattr(CLARABEL, "solve_via_data", raising(error))
    with pytest.raises(type(error)):
        MeanRisk(EVaR(0.9)).fit(market[0])


def spoil(monkeypatch, cls, change):
    """Change what a solver returns."""
    attempts = cls.attempts

    def spoilt(self, problem):
        return [lambda attempt=attempt: change(attempt()) for attempt in attempts(self, problem)]

    monkeypatch.setattr(cls, "attempts", spoilt)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("cls", [DenseQP, InteriorPoint, Conic])
def test_weights_that_are_no_numbers_are_never_returned(market, monkeypatch, cls, value):
    spoil(monkeypatch, cls, lambda found: replace(found, weights=np.where(np.arange(8) == 3, value, found.weights)))
    with pytest.raises(SolverFailure, match="not finite"):
        MinTrackingError(solver=cls()).fit(*market)
    if cls is DenseQP:
        with pytest.warns(SolverFallbackWarning, match="InteriorPoint took over: DenseQP: .*not finite"):
            MinTrackingError().fit(*market)


@pytest.mark.parametrize("cls", [DenseQP, InteriorPoint, Conic])
def test_multipliers_that_are_no_numbers_prove_nothing(market, monkeypatch, cls):
    def without_numbers(found):
        point = found.cone_point and tuple(np.full_like(part, np.nan) for part in found.cone_point)
        return replace(found, row_duals=np.full_like(found.row_duals, np.nan), cone_point=point)

    spoil(monkeypatch, cls, without_numbers)
    with pytest.warns(AccuracyWarning, match="above its tolerance"):
        found = MinTrackingError(solver=cls()).fit(*market).solution_
    assert found.status == "inaccurate"
    assert found.lower_bound <= 0
    assert not found.gap < 0.01


@pytest.mark.parametrize(
    "status", ["AlmostSolved", "MaxIterations", "NumericalError", "InsufficientProgress", "MaxTime"]
)
def test_what_a_solver_says_of_itself_counts_for_nothing(market, monkeypatch, status):
    solve = CLARABEL.solve_via_data

    class Said:
        def __init__(self, raw):
            self.raw = raw

        def __getattr__(self, name):
            return status if name == "status" else getattr(self.raw, name)

    monkeypatch.setattr(CLARABEL, "solve_via_data", lambda *a, **k: Said(solve(*a, **k)))
    model = MeanRisk(CVaR(0.9), solver=Conic())
    try:
        found = model.fit(market[0]).solution_
    except SolverFailure as error:
        assert "gave up with status" in str(error)  # noqa: PT017  # one of two outcomes
    else:
        assert (found.status, found.gap < 1e-8) == ("optimal", True)


def test_solvers_that_are_missing_are_named_with_what_to_do(market, monkeypatch):
    with pytest.raises(MissingSolverError, match=r"'NOPE' is not installed.*CLARABEL"):
        MinTrackingError(solver=Conic("NOPE")).fit(*market)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingSolverError, match=r"needs the solver SCIP.*pip install"):
        MeanRisk(SemiVariance(), cardinality=3).fit(market[0])
    assert issubclass(MissingSolverError, UnsupportedProblemError)
    assert issubclass(MissingSolverError, ImportError)


def test_a_search_by_others_that_raises(market, monkeypatch):
    pytest.importorskip("pyscipopt")
    monkeypatch.setattr(SCIP, "solve_via_data", raising(RuntimeError("segfault, nearly")))
    with pytest.raises(SolverFailure, match="SCIP raised RuntimeError: segfault, nearly"):
        MeanRisk(SemiVariance(), cardinality=3).fit(market[0])


def test_limits_on_time_end_in_an_error_or_in_a_gap():
    X, _ = simulate(60, 400)
    with pytest.raises(SolverFailure):
        MeanRisk(CVaR(), solver=Conic(options={"time_limit": 1e-9})).fit(X)
    with pytest.raises(SolverFailure, match="time_limit"):
        MeanRisk(CVaR(), cardinality=5, solver=MixedInteger(time_limit=1e-9)).fit(X)


# What is kept on disk.


def test_a_full_disk_loses_nothing_that_was_finished(tmp_path, monkeypatch):
    X, y = simulate(4, 120)
    options = {"cv": WalkForward(40, 20), "progress": False}
    expected = backtest(MinTrackingError(), X, y, **options)
    dump, calls = joblib.numpy_pickle.dump, []

    def full(value, target, *args, **kwargs):
        calls.append(target)
        if 3 <= len(calls) <= 4:
            target.write(b"half of") if hasattr(target, "write") else None
            raise OSError(errno.ENOSPC, "No space left on device")
        return dump(value, target, *args, **kwargs)

    monkeypatch.setattr(joblib.numpy_pickle, "dump", full)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = backtest(MinTrackingError(), X, y, memory=tmp_path, **options)
    assert_array_equal(np.asarray(found.net), np.asarray(expected.net))
    assert any("No space left" in str(w.message) for w in said)
    monkeypatch.undo()
    fits = []
    fit = MinTrackingError.fit
    monkeypatch.setattr(MinTrackingError, "fit", lambda self, *a, **k: (fits.append(1), fit(self, *a, **k))[1])
    again = backtest(MinTrackingError(), X, y, memory=tmp_path, **options)
    assert_array_equal(np.asarray(again.net), np.asarray(expected.net))
    assert 1 <= len(fits) <= 2 < len(expected.rebalances)


def test_a_damaged_entry_is_fitted_again(tmp_path):
    X, y = simulate(4, 120)
    options = {"cv": WalkForward(40, 20), "progress": False, "memory": tmp_path}
    expected = backtest(MinTrackingError(), X, y, **options)
    kept = sorted(tmp_path.rglob("output.pkl"))
    kept[0].write_bytes(kept[0].read_bytes()[:20])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of joblib: it tells of the entry
        again = backtest(MinTrackingError(), X, y, **options)
    assert_array_equal(np.asarray(again.net), np.asarray(expected.net))


# Interrupts.

INTERRUPTED = """
import signal, sys, threading, time
import numpy as np
from threadpoolctl import threadpool_info
from trackfolio import MeanRisk
from trackfolio.risks import {risk}
from trackfolio.solvers import {solver}

rng = np.random.default_rng(0)
X = 0.01 * rng.standard_t(4, (3000, 120))
small = MeanRisk({risk}(), solver={solver}())
before = small.fit(X[:200, :5]).weights_
pools = [pool["num_threads"] for pool in threadpool_info()]
interrupted = 0
for seconds in (0.0, 0.01, 0.05, 0.1, 0.2, 0.4):
    try:
        threading.Timer(seconds, lambda: signal.raise_signal(signal.SIGINT)).start()
        MeanRisk({risk}(), solver={solver}()).fit(X)
        time.sleep(0.5)
    except KeyboardInterrupt:
        interrupted += 1
after = small.fit(X[:200, :5]).weights_
assert np.array_equal(before, after)
assert pools == [pool["num_threads"] for pool in threadpool_info()]
print(interrupted)
"""


@pytest.mark.parametrize(("risk", "solver"), [("Variance", "DenseQP"), ("CVaR", "InteriorPoint"), ("CVaR", "Conic")])
def test_after_an_interrupt_all_is_usable(risk, solver):
    code = INTERRUPTED.format(risk=risk, solver=solver)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 5
