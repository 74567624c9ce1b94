"""A process of its own for each competitor: what one loads, allocates or breaks touches no other."""

import gc
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.competitors import all_competitors
from benchmarks.problems import Array, Case

_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Run:
    """Calls of a competitor, one after the other, that returned weights."""

    seconds: tuple[float, ...]
    cpu_seconds: float
    weights: Array
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """Calls that did not, and why."""

    reason: str


class Worker:
    """A process that calls one competitor, on the case that it was given last."""

    def __init__(self, name: str, quiet: bool = True) -> None:
        self._name, self._quiet = name, quiet
        self._case: Case | None = None
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, self._name, self._quiet), daemon=True)
        self._process.start()
        theirs.close()

    def load(self, case: Case) -> None:
        """Hand over the data, outside of what is timed."""
        self._case = case
        self._pipe.send(case)

    def run(self, time_limit: float, calls: int = 1) -> Run | Failure:
        """Call the competitor; after the time limit its process is ended and made anew."""
        try:
            self._pipe.send(calls)
            if self._pipe.poll(time_limit):
                outcome: Run | Failure = self._pipe.recv()
                return outcome
            reason = f"not finished within {time_limit:.0f} s"
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join(5)
            reason = f"the process died (exit code {self._process.exitcode})"
        self._restart()
        return Failure(reason)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _restart(self) -> None:
        self.close()
        self._start()
        if self._case is not None:
            self.load(self._case)


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Result of a function, called in a fresh process, or what went wrong."""
    with _SPAWN.Pool(1) as pool:
        try:
            return pool.apply(function, arguments)
        except Exception as error:  # what was measured before must not be lost
            return Failure(_first_line(f"{type(error).__name__}: {error}"))


def _serve(pipe: Connection, name: str, quiet: bool) -> None:
    if quiet:  # some peers print
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    fit = all_competitors()[name].fit
    case: Case | None = None
    while True:
        try:
            message = pipe.recv()
        except EOFError:
            return
        if isinstance(message, Case):
            case = message
            _ = case.rmse_limit  # computed now, not in what is timed
        else:
            assert case is not None, "load a case first"
            pipe.send(_timed(fit, case, calls=message))


def _timed(fit: Callable[[Case], Array], case: Case, calls: int) -> Run | Failure:
    gc.collect()
    seconds = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cpu = time.process_time()
        try:
            for _ in range(calls):
                start = time.perf_counter()
                weights = fit(case)
                seconds.append(time.perf_counter() - start)
        except Exception as error:  # a peer may raise anything: it is reported, never hidden
            return Failure(_first_line(f"{type(error).__name__}: {error}"))
        cpu_seconds = time.process_time() - cpu
    if np.size(weights) != case.n_assets:
        return Failure(f"returned {type(weights).__name__} in place of {case.n_assets} weights")
    array = np.array(weights, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        return Failure("returned weights that are not finite")
    return Run(tuple(seconds), cpu_seconds, array, tuple(_relevant(caught)))


def _relevant(caught: list[warnings.WarningMessage]) -> list[str]:
    """Warnings about the answer; those about versions to come say nothing about it."""
    noise = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning)
    kept = (w for w in caught if not issubclass(w.category, noise))
    return sorted({_first_line(f"{w.category.__name__}: {w.message}") for w in kept})


def _first_line(text: str) -> str:
    line = " ".join(text.split("\n\n")[0].split())
    return line if len(line) <= 200 else f"{line[:197]}..."
