"""Walk-forward backtests against skfolio, on one worker, several, and a cluster: `python -m benchmarks.backtests`.

The libraries run in processes of their own, by turns, on one thread; objectives and violations of every fold are
recomputed from the weights in NumPy by one definition.
"""

import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import joblib
import numpy as np
import scipy.sparse as sp

from benchmarks.machine import machine
from benchmarks.measure import say
from benchmarks.page import machine_section, measure_and_write
from benchmarks.problems import Array, Case, make_case
from benchmarks.risks import Runner
from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import Constraint, Rows
from trackfolio.model_selection import WalkForward, backtest
from trackfolio.risks import CVaR, StandardDeviation

_ROOT = Path(__file__).parents[1]
_RAW = _ROOT / "benchmarks" / "results" / "backtests.json"
_PAGE = _ROOT / "docs" / "benchmark_backtests.md"
_TRAIN, _TEST, _LEVEL = 252, 21, 0.95
_SIZES = ((20, 59), (500, 120))
_TASKS = ("tracker", "tracker, trades limited", "CVaR, RMSE limited", "CVaR, RMSE and trades limited")
# Seconds of the longest backtest that is run again.
_LONG, _TIME_LIMIT, _ROUNDS = 60.0, 5400.0, 3
# Dask's workers give freed memory back at once, and ask for it anew in each fit: see docs/cluster.md.
_WORKER_SETTINGS = "distributed.nanny.pre-spawn-environ"
_KEEP_MEMORY = {
    **dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(1 << 28)),
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}
_MEMORY_ROWS, _MEMORY_ASSETS, _CHUNK = 5_000_000, 100, 50_000


class MaxTrade(Constraint):
    """No weight moves by more than a limit: the only limit on trades that skfolio has."""

    depends_on_holdings = True

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def rows(self, problem: Any) -> Rows:
        """One row an asset."""
        previous = problem.require_previous_weights("MaxTrade")
        return Rows(sp.eye_array(len(previous), format="csr"), previous - self.limit, previous + self.limit)


class Terms(NamedTuple):
    """What is common to all backtests of one size."""

    folds: int
    rmse: float
    trade: float
    initial: Array


class Outcome(NamedTuple):
    """What came of one backtest."""

    seconds: float
    weights: Array
    returns: Array
    fits: float


def make_terms(case: Case, folds: int) -> Terms:
    """A limit on the RMSE that can be kept in every fold, and holdings to begin with."""
    tested = backtest(MinTrackingError(), case.X, case.y, cv=_cv(), progress=False, return_estimator=True)
    assert len(tested.rebalances) == folds
    least = max(model.solution_.objective for model in tested.estimators or [])
    return Terms(folds, max(1.5 * least, 0.001), 1.0 / case.n_assets, tested.targets.to_numpy()[0])


def _cv() -> WalkForward:
    return WalkForward(_TRAIN, _TEST)


def our_model(task: str, terms: Terms) -> Any:
    """The same in our words."""
    limits = [MaxTrade(terms.trade)] if "trades" in task else None
    if task.startswith("tracker"):
        return MinTrackingError(StandardDeviation(), constraints=limits)
    return MeanRisk(CVaR(_LEVEL), max_tracking_error=terms.rmse, constraints=limits)


def ours(task: str, case: Case, terms: Terms) -> Outcome:
    """`backtest`, as a user calls it."""
    start = time.perf_counter()
    tested = backtest(our_model(task, terms), case.X, case.y, cv=_cv(), initial_weights=terms.initial, progress=False)
    seconds = time.perf_counter() - start
    return Outcome(seconds, tested.targets.to_numpy(), np.asarray(tested.gross), float(tested.fit_seconds.sum()))


def bare(task: str, case: Case, terms: Terms) -> Outcome:
    """The same fits in a loop, with holdings that do not drift, and nothing else."""
    model, previous, weights = our_model(task, terms), terms.initial, []
    options = {}
    # The C library gives freed memory back, and asks for it anew in each fit, until a larger block was freed once, such
    # as the copy of X in a backtest. Page faults would be most of the difference.
    np.zeros_like(case.X)
    start = time.perf_counter()
    for train, _ in _cv().split(case.X):
        rows = slice(train[0], train[-1] + 1)
        if "trades" in task:
            options = {"previous_weights": previous}
        previous = model.fit(case.X[rows], case.y[rows], **options).weights_
        weights.append(previous)
    return Outcome(time.perf_counter() - start, np.array(weights), np.zeros(0), 0.0)


def skfolio(task: str, case: Case, terms: Terms) -> Outcome:
    """Skfolio's `cross_val_predict`, with holdings that drift; its tracking error divides by T - 1."""
    from skfolio import RiskMeasure
    from skfolio.model_selection import WalkForward as Theirs
    from skfolio.model_selection import cross_val_predict
    from skfolio.optimization import BenchmarkTracker
    from skfolio.optimization import MeanRisk as TheirMeanRisk

    model: Any
    if task == "tracker":
        model = BenchmarkTracker(portfolio_params={"weight_drift": True})
    else:
        model = TheirMeanRisk(
            risk_measure=RiskMeasure.CVAR,
            cvar_beta=_LEVEL,
            max_tracking_error=terms.rmse * np.sqrt(_TRAIN / (_TRAIN - 1)),
            max_turnover=terms.trade if "trades" in task else None,
            previous_weights=terms.initial if "trades" in task else None,
            portfolio_params={"weight_drift": True},
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        tested = cross_val_predict(model, case.X, case.y, cv=Theirs(test_size=_TEST, train_size=_TRAIN))
        seconds = time.perf_counter() - start
    weights = np.array([portfolio.weights for portfolio in tested.portfolios])
    return Outcome(seconds, weights, np.asarray(tested.returns), float("nan"))


def judge(task: str, case: Case, terms: Terms, outcome: Outcome) -> tuple[Array, float]:
    """Objective of each fold, and the largest relative violation of a limit in any of them."""
    objectives, worst = [], 0.0
    for (train, _), w in zip(_cv().split(case.X), outcome.weights, strict=True):
        returns = case.X[train] @ w
        active = returns - case.y[train]
        worst = max(worst, abs(w.sum() - 1), -w.min())
        if task.startswith("tracker"):
            objectives.append(active.std(ddof=1))
        else:
            objectives.append(CVaR(_LEVEL).value(returns))
            worst = max(worst, float(np.sqrt(np.mean(active**2))) / terms.rmse - 1)
    return np.array(objectives), worst


_WHO: dict[str, tuple[Callable[..., Outcome], tuple[str, ...]]] = {
    "trackfolio": (ours, _TASKS),
    "the same fits alone": (bare, _TASKS),
    # Its tracker has no limit on trades.
    "skfolio": (skfolio, tuple(task for task in _TASKS if task != "tracker, trades limited")),
}


def measure_size(n_assets: int, folds: int, runners: dict[str, Runner]) -> dict[str, Any]:
    """All tasks of one size."""
    case = make_case(n_assets, _TRAIN + folds * _TEST)
    terms, rows = make_terms(case, folds), []
    for task in _TASKS:
        able = {who: runner for who, runner in runners.items() if task in _WHO[who][1]}
        calls: dict[str, list[Any]] = {who: [] for who in able}
        for _ in range(_ROUNDS + 1):
            for who, runner in able.items():
                # The first call loads libraries; it counts where it is the only one.
                if not calls[who] or not (isinstance(calls[who][0], str) or calls[who][0].seconds > _LONG):
                    calls[who].append(runner(task, case, terms))
        for who, outcomes in calls.items():
            rows.append({"task": task, "who": who} | _figures(task, case, terms, outcomes))
            say(f"{case.name} {rows[-1]}")
    return {"case": case.name, "source": case.source, "folds": folds, "terms": terms[1:3], "rows": rows}


def _figures(task: str, case: Case, terms: Terms, outcomes: list[Any]) -> dict[str, Any]:
    if isinstance(outcomes[-1], str):
        return {"failure": outcomes[-1]}
    timed = outcomes[1:] or outcomes
    objectives, violation = judge(task, case, terms, outcomes[-1])
    returns = outcomes[-1].returns
    active = returns - case.y[_TRAIN:] if len(returns) else np.full(2, np.nan)
    return {
        "seconds": median(outcome.seconds for outcome in timed),
        "fits": median(outcome.fits for outcome in timed),
        "calls": len(timed),
        "objectives": objectives.tolist(),
        "violation": violation,
        "tracking error": float(active.std(ddof=1)),
    }


def _scaling() -> list[dict[str, Any]]:
    """The same backtests with one and two jobs here, and on a cluster of one and two workers."""
    import dask
    from distributed import Client, LocalCluster

    case = make_case(500, _TRAIN + 120 * _TEST)
    terms, rows = make_terms(case, 120), []
    for task in ("tracker", "CVaR, RMSE limited"):
        model = our_model(task, terms)

        def once(n_jobs: int | None, model: Any = model, case: Case = case) -> float:
            start = time.perf_counter()
            backtest(model, case.X, case.y, cv=_cv(), n_jobs=n_jobs, progress=False)
            return time.perf_counter() - start

        for jobs in (1, 2):
            seconds = [once(jobs) for _ in range(4)]
            rows.append({"task": task, "where": "here", "workers": jobs, "seconds": seconds})
        for workers in (1, 2):
            options = {"processes": True, "dashboard_address": None, "n_workers": workers, "threads_per_worker": 1}
            with dask.config.set({_WORKER_SETTINGS: _KEEP_MEMORY}):
                here = LocalCluster(**options)
            with here as cluster, Client(cluster) as client, joblib.parallel_config(backend="dask", client=client):
                # With one worker joblib stays here: the whole backtest is sent to it.
                alone = workers == 1
                seconds = [client.submit(once, 1, pure=False).result() if alone else once(None) for _ in range(4)]
            rows.append({"task": task, "where": "Dask", "workers": workers, "seconds": seconds})
    for row in rows:
        say(str(row))
    return rows


def _chunks(path: str) -> Iterator[tuple[Array, Array]]:
    for start in range(0, _MEMORY_ROWS, _CHUNK):
        part = np.load(path, mmap_mode="r")[start : start + _CHUNK]  # opened anew: pages that were read are given back
        yield part[:, :-1], part[:, -1]


def fit_file(path: str) -> None:
    """Fit the rows of a file, and print seconds and the largest resident memory; for a process of its own."""
    model, start = MinTrackingError(), time.perf_counter()
    for rows, target in _chunks(path):
        model.partial_fit(rows, target)
    # Not ru_maxrss, which begins with what the process had that started this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024
    print(time.perf_counter() - start, peak, model.solution_.objective, model.solution_.gap)


def _memory() -> dict[str, Any]:
    """Rows on disk, through `partial_fit`."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/returns.npy"
        shape = (_MEMORY_ROWS, _MEMORY_ASSETS + 1)
        file, rng = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=shape), np.random.default_rng(0)
        for start in range(0, _MEMORY_ROWS, _CHUNK):
            rows = rng.normal(0, 0.01, (_CHUNK, 1)) + rng.normal(0, 0.01, (_CHUNK, _MEMORY_ASSETS))
            target = rows @ np.linspace(0, 2 / _MEMORY_ASSETS, _MEMORY_ASSETS) + rng.normal(0, 0.001, _CHUNK)
            file[start : start + _CHUNK] = np.column_stack([rows, target])
        file.flush()
        size = os.path.getsize(path) / 2**30
        code = f"from benchmarks.backtests import fit_file; fit_file({path!r})"
        run = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True)
    seconds, peak, objective, gap = map(float, run.stdout.split())
    return {"file GiB": size, "seconds": seconds, "peak MiB": peak, "objective": objective, "gap": gap}


def run() -> dict[str, Any]:
    """Measure everything."""
    start = time.monotonic()
    description = machine(["trackfolio", "skfolio", "joblib", "dask", "distributed", "pandas"])
    memory, scaling = _memory(), _scaling()
    say(str(memory))
    runners = {who: Runner(function, _TIME_LIMIT) for who, (function, _) in _WHO.items()}
    sizes = [measure_size(*size, runners) for size in _SIZES]
    for runner in runners.values():
        runner.close()
    minutes = (time.monotonic() - start) / 60
    return {"machine": description, "minutes": minutes, "sizes": sizes, "scaling": scaling, "memory": memory}


_INTRO = """\
# Benchmark of backtests

<!-- Written by `make bench-backtests`. Change benchmarks/backtests.py, not this page. -->

Every {test} days a portfolio is fitted on the {train} days before and held, drifting, until the next: `backtest` of
trackfolio and `cross_val_predict` of skfolio with its `WalkForward`, on arrays, one thread, in processes of their own,
by turns: medians of {rounds} calls after one that is not counted; the first call alone, where it takes more than
{long:.0f} s. Long-only, fully invested. *tracker*: least standard deviation of the active return. *CVaR, RMSE limited*:
least CVaR at 95 %, tracking RMSE of at most 1.5 times the largest of the least ones of all folds, or 0.1 % a day where
that is more. *trades limited*: no weight may move by more than 1 / N at a rebalance, the only limit of the kind that
skfolio has (its tracker has none); whether it was kept is not checked here.

**÷ trackfolio**: time over that of trackfolio. **overhead**: time of the backtest over that of the same fits in a bare
loop, less 1. **excess**: by how much the objective of a fold exceeds, in sample, the lower of those of trackfolio and
skfolio, in units of the median of the latter: median and worst of the folds; with limits on trades, the holdings before
a trade differ, so that it says little there. **violation**: the largest of a limit, relative. **TE**: standard
deviation of the active return out of sample, per day.
"""


def render(results: dict[str, Any]) -> str:
    """Return the page."""
    parts = [_INTRO.format(test=_TEST, train=_TRAIN, rounds=_ROUNDS, long=_LONG)]
    for size in results["sizes"]:
        lines = [
            "| backtest | by | s | ms a fold | ÷ trackfolio | overhead | excess | violation | TE |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *(_line(row, size) for row in size["rows"]),
        ]
        heading = f"## {size['case'].partition(',')[0]}, {size['folds']} folds\n\n{size['source']}.\n\n"
        parts.append(heading + "\n".join(lines) + "\n")
    return "\n".join([*parts, _scaling_section(results["scaling"]), _memory_section(results), machine_section(results)])


def _line(row: dict[str, Any], size: dict[str, Any]) -> str:
    if "failure" in row:
        return f"| {row['task']} | {row['who']} | {row['failure']} | – | – | – | – | – | – |"
    others = {each["who"]: each for each in size["rows"] if each["task"] == row["task"] and "failure" not in each}
    own = others["trackfolio"]
    best = np.min([others[who]["objectives"] for who in others if who != "the same fits alone"], axis=0)
    excess = (np.array(row["objectives"]) - best) / np.median(best)
    is_bare = row["who"] == "the same fits alone"
    overhead = own["seconds"] / others["the same fits alone"]["seconds"] - 1
    cells = (
        row["task"],
        row["who"],
        f"{row['seconds']:.3g}",
        f"{1e3 * row['seconds'] / size['folds']:.3g}",
        "1" if row is own else f"{row['seconds'] / own['seconds']:.3g}x",
        f"{overhead:.0%}" if row is own else "–",
        "–" if is_bare else f"{_small(np.median(excess))}, {_small(excess.max())}",
        "0" if row["violation"] <= 1e-12 else f"{row['violation']:.0e}",
        "–" if is_bare else f"{row['tracking error']:.4%}",
    )
    return "| " + " | ".join(cells) + " |"


def _small(value: float) -> str:
    return "0" if abs(value) < 1e-12 else f"{value:.0e}"


def _scaling_section(rows: list[dict[str, Any]]) -> str:
    lines = ["| backtest, N=500 | workers | s | speed-up | efficiency |", "| --- | --- | ---: | ---: | ---: |"]
    for row in rows:
        seconds = median(row["seconds"][1:])
        one = next(r for r in rows if (r["task"], r["where"], r["workers"]) == (row["task"], row["where"], 1))
        ratio = median(one["seconds"][1:]) / seconds
        where = f"{row['workers']} {'job' if row['where'] == 'here' else 'Dask worker'}{'s' * (row['workers'] > 1)}"
        lines.append(f"| {row['task']} | {where} | {seconds:.3g} | {ratio:.2f}x | {ratio / row['workers']:.0%} |")
    text = (
        "## Scaling\n\n120 folds of N=500, one BLAS thread a worker: medians of three runs after one that starts the "
        "workers. The machine has two cores; with two workers, the process that hands out the work shares them. One "
        "Dask worker is the whole backtest, sent to it; both keep freed memory, see the page on clusters.\n\n"
    )
    return text + "\n".join(lines) + "\n"


def _memory_section(results: dict[str, Any]) -> str:
    found = results["memory"]
    return (
        f"## Memory\n\n{_MEMORY_ROWS:,} rows of {_MEMORY_ASSETS} assets in a file of {found['file GiB']:.1f} GiB, "
        f"by `partial_fit` in parts of {_CHUNK:,} rows: {found['seconds']:.0f} s, and {found['peak MiB']:.0f} MiB "
        f"resident at the most, libraries and pages of the file included; the weights after each part, each with a "
        f"proven gap (the last {found['gap']:.0e}).\n"
    )


def main() -> None:
    """Measure, and write the raw results and the page."""
    measure_and_write("python -m benchmarks.backtests", run, render, _RAW, _PAGE)


if __name__ == "__main__":
    main()
