"""How it is timed: in rounds over all competitors, so that a slow minute hits all alike."""

import sys
import time
from dataclasses import dataclass, field

import numpy as np

from benchmarks.accuracy import Accuracy, accuracy
from benchmarks.competitors import Competitor
from benchmarks.problems import Array, Case, make_case
from benchmarks.worker import Failure, Run, Worker


@dataclass(frozen=True)
class Budget:
    """Time to spend. A call that takes longer than `long` counts at once and is not repeated.

    Short calls come in batches: a process that slept finds its caches cold, which costs a call of a
    millisecond as much again.
    """

    per_call: float = 120.0
    long: float = 20.0
    total: float = 840.0
    batch: float = 0.05
    #: For each competitor, also when the whole time is over, so that short calls get their median.
    grace: float = 6.0
    #: For a bare solver, which is there to show how little time is needed.
    per_bare_call: float = 20.0
    start: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds left in all."""
        return self.total - (time.monotonic() - self.start)

    def rounds(self, seconds: float) -> int:
        """Rounds after a first call of so many seconds: 15 if short, 5 up to 2 s, then 3 or 2."""
        if seconds > self.long:
            return 0
        return int(np.clip(2.0 / seconds, 5, 15)) if seconds < 2 else 3 if seconds < 5 else 2

    def calls(self, seconds: float) -> int:
        """Calls in a row, in each round."""
        return int(np.clip(self.batch / seconds, 1, 10))

    def limit(self, competitor: Competitor) -> float:
        """Seconds for one call."""
        return min(self.per_call, self.per_bare_call) if competitor.is_bare else self.per_call


@dataclass
class Measurement:
    """What came of one competitor in one case."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0
    #: The only call was the first one, because it took so long.
    first_call_counts: bool = False
    weights: Array | None = None
    accuracy: Accuracy | None = None
    warnings: tuple[str, ...] = ()
    failure: str | None = None

    def add(self, outcome: Run | Failure) -> None:
        """Enter timed calls; one that fails after others succeeded fails the competitor."""
        if isinstance(outcome, Failure):
            self.failure = outcome.reason
            return
        self.seconds.extend(outcome.seconds)
        self.cpu_seconds += outcome.cpu_seconds
        self.weights, self.warnings = outcome.weights, outcome.warnings


def start_workers(names: list[str]) -> dict[str, Worker]:
    """Start all processes at once, and run the smallest case in each, so that all is loaded."""
    workers = {name: Worker(name) for name in names}
    small = make_case(20, 250)
    for worker in workers.values():
        worker.load(small)
    for name, worker in workers.items():
        outcome = worker.run(120.0)
        if isinstance(outcome, Failure):
            say(f"  warm-up of {name}: {outcome.reason}")
    return workers


def measure(
    case: Case, competitors: dict[str, Competitor], workers: dict[str, Worker], budget: Budget
) -> dict[str, Measurement]:
    """Measure all competitors on one case."""
    _ = case.rmse_limit  # now, so that it travels with the case
    measured: dict[str, Measurement] = {}
    first: dict[str, float] = {}
    for name in competitors:
        measured[name], first[name] = _first_call(case, workers[name], budget, budget.limit(competitors[name]))
        say(f"  {name}: {measured[name].failure or f'{first[name]:.3g} s'}")
    rounds = {n: 0 if measured[n].failure else budget.rounds(t) for n, t in first.items()}
    for k in range(max(rounds.values())):
        for name in competitors:
            due = budget.left > 0 or k == 0 or k * first[name] < budget.grace
            if k < rounds[name] and due and not measured[name].failure:
                calls = budget.calls(first[name])
                measured[name].add(workers[name].run(budget.per_call, calls))
    for result in measured.values():
        if result.weights is not None:
            result.accuracy = accuracy(case, result.weights)
    return measured


def _first_call(case: Case, worker: Worker, budget: Budget, limit: float) -> tuple[Measurement, float]:
    """Call that is not timed, unless it took so long that it must do; and its seconds."""
    result = Measurement()
    limit = min(limit, budget.left)
    if limit < 1:
        result.failure = "not run: the time for the whole benchmark was over"
        return result, limit
    worker.load(case)
    outcome = worker.run(limit)
    if isinstance(outcome, Failure):
        result.failure = outcome.reason
        return result, limit
    seconds = outcome.seconds[0]
    if budget.rounds(seconds) == 0:
        result.add(outcome)
        result.first_call_counts = True
    return result, seconds


def say(message: str) -> None:
    """Tell of progress, apart from what is written."""
    print(message, file=sys.stderr, flush=True)
