"""Many fits at once, and one after the other for long: `make load` writes docs/benchmark_load.md.

Fits of all solvers, in two threads and in two processes at once, against the same fits one by one; and the memory of
one process over thousands of them.
"""

import gc
import multiprocessing
import resource
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.machine import machine
from benchmarks.measure import say
from benchmarks.page import machine_section, measure_and_write
from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import GroupBounds, MaxTurnover
from trackfolio.risks import CVaR, MaxDrawdown, StandardDeviation
from trackfolio.solvers import Conic, Sparse

_ROOT = Path(__file__).parents[1]
_RAW, _PAGE = _ROOT / "benchmarks" / "results" / "load.json", _ROOT / "docs" / "benchmark_load.md"
_N_ASSETS, _N_PERIODS, _FITS, _LONG = 12, 250, 500, 5000
Weights = npt.NDArray[np.float64]


def _models() -> dict[str, Any]:
    halves = GroupBounds(["a"] * 6 + ["b"] * 6, upper=0.6)
    return {
        "DenseQP": MinTrackingError(constraints=[halves]),
        "InteriorPoint, turnover": MinTrackingError(StandardDeviation(), constraints=[MaxTurnover(0.3)]),
        "InteriorPoint, CVaR": MeanRisk(CVaR(), max_tracking_error=0.01),
        "InteriorPoint, drawdown": MeanRisk(MaxDrawdown()),
        "Conic": MeanRisk(CVaR(), solver=Conic()),
        "Sparse": MinTrackingError(cardinality=4, solver=Sparse(node_limit=20)),
    }


def _fit(number: int) -> Weights:
    """One of the models on data of its own."""
    rng = np.random.default_rng(number)
    X = 0.01 * rng.standard_t(5, (_N_PERIODS, _N_ASSETS))
    y = X @ rng.dirichlet(np.ones(_N_ASSETS)) + 0.001 * rng.standard_normal(_N_PERIODS)
    models = list(_models().values())
    model = models[number % len(models)]
    return model.fit(X, y, previous_weights=np.full(_N_ASSETS, 1 / _N_ASSETS)).weights_


def _at_once(pool: Executor, expected: list[Weights]) -> dict[str, Any]:
    """Two lists of fits at once: seconds, and how many weights differ from those found one by one, and by how much."""
    start = time.perf_counter()
    numbers = list(range(_FITS))
    with pool:
        found = [list(each) for each in zip(*pool.map(_both, numbers), strict=True)]
    differences = [np.abs(w - e).max() for lists in found for w, e in zip(lists, expected, strict=True)]
    return {
        "seconds": time.perf_counter() - start,
        "fits": len(differences),
        "differ": int(np.count_nonzero(differences)),
        "largest": float(max(differences)),
    }


def _both(number: int) -> tuple[Weights, Weights]:
    return _fit(number), _fit(number)


def _resident() -> float:
    """MiB of this process in memory."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def _long(rounds: int) -> list[tuple[int, float]]:
    memory = []
    for number in range(rounds):
        _fit(number % 600)
        if (number + 1) % 500 == 0:
            memory.append((number + 1, _resident()))
    return memory


def run() -> dict[str, Any]:
    """Measure."""
    start = time.perf_counter()
    _fit(0)
    once = time.perf_counter()
    expected = [_fit(number) for number in range(_FITS)]
    results: dict[str, Any] = {
        "machine": machine(["joblib", "threadpoolctl", "numba", "trackfolio"]),
        "one by one": time.perf_counter() - once,
    }
    pools = {"2 threads": partial(ThreadPoolExecutor, 2)}
    for method in ("spawn", "fork"):
        context = multiprocessing.get_context(method)
        pools[f"2 processes, {method}"] = partial(ProcessPoolExecutor, 2, mp_context=context)
    results["at once"] = {}
    for name, pool in pools.items():
        say(name)
        results["at once"][name] = _at_once(pool(), expected)
    say(f"{_LONG} fits one after the other")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        results["memory"] = alone.submit(_long, _LONG).result()
    return results | {"minutes": (time.perf_counter() - start) / 60}


def render(results: dict[str, Any]) -> str:
    """The page."""
    rows = [
        f"| {name} | {each['fits']} | {each['seconds']:.1f} | {each['differ']} | {each['largest']:.0e} |"
        for name, each in results["at once"].items()
    ]
    memory = [f"| {fits} | {mebibytes:.1f} |" for fits, mebibytes in results["memory"]]
    return "\n".join(
        [
            "# Load: fits at once, and many in a row",
            "",
            "<!-- Written by `make load`. Change benchmarks/load.py, not this page. -->",
            "",
            f"Fits of {_N_ASSETS} assets and {_N_PERIODS} periods, each on data of its own, by turns with "
            f"{', '.join(_models())}. {_FITS} fits one by one took {results['one by one']:.1f} s.",
            "",
            f"## At once: twice {_FITS} fits",
            "",
            "Weights that differ are counted from the last bit on, against those found one by one.",
            "",
            "| how | fits | s | weights that differ | largest difference |",
            "| --- | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            "## In a row: memory of one process",
            "",
            "| fits | MiB |",
            "| ---: | ---: |",
            *memory,
            "",
            machine_section(results),
        ]
    )


if __name__ == "__main__":
    measure_and_write("benchmarks.load", run, render, _RAW, _PAGE)
