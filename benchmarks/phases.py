"""Where our own time goes: a stopwatch around the functions that do the parts of a fit."""

import functools
import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.problems import Case

# Parts of `MinTrackingError().fit` and the functions that do them, as module:attribute. A function
# counts without the other listed ones that it calls, so the parts add up to the whole.
PHASES = {
    "validation": (
        "trackfolio._base:PortfolioEstimator._positions",
        "trackfolio._base:per_asset",
    ),
    "Gram matrix": ("trackfolio._quadratic:RowsQuadratic.gram",),
    "interior point": ("trackfolio.solvers.dense_qp:DenseQP._interior_point",),
    "active set": ("trackfolio.solvers.dense_qp:_active_set",),
    "certificate": ("trackfolio.solvers:certify",),
    "multipliers": ("trackfolio.solvers:multipliers",),
}
REST = "rest"


class Stopwatch:
    """Time of nested calls, each moment booked on the innermost phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = [REST]
        self._since = time.perf_counter()

    def _switch(self) -> None:
        now = time.perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def around(self, function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        """Return the function, with its time booked on a phase."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._open.append(phase)
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._open.pop()

        return timed

    def time(self, function: Callable[[], Any]) -> dict[str, float]:
        """Seconds of each phase in one call of a function."""
        self.seconds.clear()
        self._since = time.perf_counter()
        function()
        self._switch()
        return dict(self.seconds)


def time_phases(case: Case, repetitions: int) -> dict[str, Any]:
    """Median seconds of each phase of `MinTrackingError().fit`, and what was not found to be timed."""
    from trackfolio import MinTrackingError

    return phases_of(lambda: MinTrackingError().fit(case.X, case.y), PHASES, repetitions)


def phases_of(call: Callable[[], Any], phases: dict[str, tuple[str, ...]], repetitions: int) -> dict[str, Any]:
    """Median seconds of each phase of a call, after one that does not count, and what was not found to be timed."""
    watch = Stopwatch()
    with _watched(watch, phases) as missing:
        call()
        runs = [watch.time(call) for _ in range(repetitions)]
    seconds = {phase: float(np.median([run.get(phase, 0.0) for run in runs])) for phase in (*phases, REST)}
    total = float(np.median([sum(run.values()) for run in runs]))
    return {"seconds": seconds, "total": total, "missing": missing}


@contextmanager
def _watched(watch: Stopwatch, phases: dict[str, tuple[str, ...]]) -> Iterator[list[str]]:
    """Put the stopwatch around all listed functions for a while; yields those that are not there."""
    missing, patched = [], []
    for phase, places in phases.items():
        for place in places:
            try:
                owner, name = _resolve(place)
                function = getattr(owner, name)
            except (ImportError, AttributeError):
                missing.append(place)
                continue
            patched.append((owner, name, function))
            setattr(owner, name, watch.around(function, phase))
    try:
        yield missing
    finally:
        for owner, name, function in patched:
            setattr(owner, name, function)


def _resolve(place: str) -> tuple[Any, str]:
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    return functools.reduce(getattr, owners, importlib.import_module(module)), name
