"""Many scenarios, frontiers, and how the cost grows: `python -m benchmarks.tall`."""

import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.floors import floors_table, measure_floor
from benchmarks.machine import machine
from benchmarks.measure import say
from benchmarks.page import machine_section, measure_and_write
from benchmarks.problems import Array, Case, make_case
from benchmarks.risks import Runner
from benchmarks.tails import PEERS, SIZES, judge, limits_of, ours
from trackfolio import MeanRisk, MinTrackingError
from trackfolio.model_selection import frontier
from trackfolio.risks import CVaR
from trackfolio.solvers.interior_point._maps import Rows

_ROOT = Path(__file__).parents[1]
_RAW = _ROOT / "benchmarks" / "results" / "tall.json"
_PAGE = _ROOT / "docs" / "benchmark_tall.md"
_TALL = ((50, 10_000), (200, 100_000), (100, 1_000_000), (2000, 20_000))
_GOALS = {(50, 10_000): 0.05, (200, 100_000): 1.0, (100, 1_000_000): 10.0, (2000, 20_000): 30.0}
_PROBLEMS = ("min CVaR", "max return, CVaR limited")
_PEERS = ("HiGHS interior point, dual LP", "CVQP")
# Peers are tried where they end within this.
_TIME_LIMIT, _PEERS_UP_TO = 60.0, 200_000_000
_FRONTIERS = ((100, 1000), (276, 1761), (500, 1250))
_PERIODS, _ASSETS = (1000, 2000, 4000, 8000, 16_000, 32_000), (25, 50, 100, 200, 400, 800)
_AT_ASSETS, _AT_PERIODS = 100, 2000


def _tall_case(n_assets: int, n_periods: int) -> Case:
    """Fat-tailed returns of five factors: `make_index_market` makes no more periods than there are days."""
    rng = np.random.default_rng(0)
    loadings = np.vstack([0.5 + np.abs(rng.normal(0, 1, n_assets)), rng.normal(0, 0.3, (4, n_assets))])
    X = rng.standard_t(5, (n_periods, n_assets))
    X *= 0.01
    X += 0.006 * rng.standard_t(5, (n_periods, 5)) @ loadings
    X += 3e-4
    y = X[:, : n_assets // 2].mean(axis=1) + 5e-4 * rng.standard_normal(n_periods)
    return Case(n_assets, n_periods, X, y, "five factors, Student's t with 5 degrees of freedom")


def measure_tall() -> list[dict[str, Any]]:
    """Ours with the machine's threads, and the peers where they are not hopeless."""
    rows = []
    for size in _TALL:
        case = _tall_case(*size)
        limits = limits_of(case)
        for problem in _PROBLEMS:
            calls = [ours(problem, case, limits) for _ in range(3)]
            rows.append(_record(problem, "trackfolio", case, limits, calls))
            say(rows[-1])
            for who in _PEERS:
                fit, problems = PEERS[who]
                if case.X.size > _PEERS_UP_TO or problem not in problems:
                    continue
                runner = Runner(fit, _TIME_LIMIT)
                result = runner(problem, case, limits)
                runner.close()
                if isinstance(result, str):
                    rows.append({"case": case.name, "problem": problem, "who": who, "failure": result})
                else:
                    rows.append(_record(problem, who, case, limits, [result]))
                say(rows[-1])
    return rows


def _record(
    problem: str, who: str, case: Case, limits: dict[str, float], calls: list[tuple[float, Array, float]]
) -> dict[str, Any]:
    objective, violation = judge(problem, case, limits, calls[-1][1])
    return {
        "case": case.name,
        "problem": problem,
        "who": who,
        "s": median(seconds for seconds, *_ in calls),
        "objective": objective,
        "violation": violation,
        "gap": calls[-1][2],
        "goal": _GOALS[(case.n_assets, case.n_periods)],
    }


def measure_frontiers() -> list[dict[str, Any]]:
    """Thirty limits on the tracking error, against one of them alone."""
    rows = []
    for size in _FRONTIERS:
        case = make_case(*size)
        limit = 1.2 * MinTrackingError().fit(case.X, case.y).solution_.objective
        cold = median(_timed(MeanRisk(CVaR(), max_tracking_error=limit), case) for _ in range(5))
        start = time.perf_counter()
        found = frontier(MeanRisk(CVaR()), case.X, case.y, values=30, progress=False)
        seconds = time.perf_counter() - start
        gap = max(model.solution_.gap for model in found.estimators)
        rows.append({"case": case.name, "cold": cold, "frontier": seconds, "gap": gap})
        say(rows[-1])
    return rows


def _timed(model: Any, case: Case) -> float:
    start = time.perf_counter()
    model.fit(case.X, case.y)
    return time.perf_counter() - start


def measure_floors() -> list[dict[str, Any]]:
    """Where the time goes, for the sizes of `tails` and for tall data."""
    rows = []
    for size in (*SIZES, *_TALL):
        case = make_case(*size) if size in SIZES else _tall_case(*size)
        limits = [None] if size in _TALL else [None, limits_of(case)["rmse"]]
        for limit in limits:
            rows.append({"case": case.name} | measure_floor(case, limit, 3 if size in _TALL else 5))
            say(rows[-1])
    return rows


def measure_growth() -> dict[str, Any]:
    """Times over T at one N, and over N at one T, with fitted exponents of the larger half."""
    growth: dict[str, Any] = {}
    over = {
        "T": [(_AT_ASSETS, periods) for periods in _PERIODS],
        "N": [(assets, _AT_PERIODS) for assets in _ASSETS],
    }
    for axis, sizes in over.items():
        seconds, iterations, products, passes = [], [], [], []
        for size in sizes:
            case = make_case(*size)
            model = MeanRisk(CVaR())
            seconds.append(median(_timed(model, case) for _ in range(5)))
            iterations.append(model.solution_.iterations)
            products.append(_seconds(Rows(case.X).gram, np.ones(case.n_periods)))
            passes.append(_seconds(np.matmul, case.X, model.weights_))
        values = [size[0 if axis == "N" else 1] for size in sizes]
        half = len(values) // 2
        slope = np.polyfit(np.log(values[half:]), np.log(seconds[half:]), 1)[0]
        growth[axis] = {
            "values": values,
            "s": seconds,
            "iterations": iterations,
            "exponent": float(slope),
            "product": products,
            "pass": passes,
        }
        say(growth[axis])
    return growth


def _seconds(call: Any, *arguments: Any) -> float:
    call(*arguments)
    start = time.perf_counter()
    for _ in range(5):
        call(*arguments)
    return (time.perf_counter() - start) / 5


def run() -> dict[str, Any]:
    """Measure all."""
    start = time.monotonic()
    description = machine(["trackfolio", "cvqp", "scipy", "numpy"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = {
            "growth": measure_growth(),
            "frontiers": measure_frontiers(),
            "floors": measure_floors(),
            "tall": measure_tall(),
        }
    return {"machine": description, "minutes": (time.monotonic() - start) / 60} | results


_INTRO = """\
# Benchmark of tall data, frontiers and growth

<!-- Written by `make bench-tall`. Change benchmarks/tall.py, not this page. -->

CVaR at 95 %, long-only, fully invested; synthetic markets by `make_index_market`, and for many scenarios fat-tailed
returns of five factors. trackfolio with the machine's threads: medians of 3 calls; the peers once, in a process of
their own, where the returns have no more than {most:.0e} entries and a call ends within {seconds:.0f} s. Objectives
and violations are recomputed in NumPy from the weights on all scenarios.

## Many scenarios

"""


_FLOORS = """\
Least CVaR. The floor is one pass over the returns, which any proof needs, and the products X'DX of the iterations, of
the rows and columns that take part in each, at the rate at which this machine computes A'A (in single precision where
the method does so). What is above it: factorisations, products with vectors, and Python, about half a millisecond an
iteration.

"""


_GROWTH = """\
Least CVaR. Beyond 4000 periods a sample tells which of them take part. Iterations times one product X'DX of all rows
and columns is what a method would need that does nothing else; below 1, few rows or columns, or single precision, save
some of it; above, it is the rest of the work: vectors of the periods, and Python.

"""


def render(results: dict[str, Any]) -> str:
    """Return the page."""
    lines = [
        "| case | problem | solver | s | goal, s | objective | violation | gap |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in results["tall"]:
        if "failure" in row:
            lines.append(f"| {row['case']} | {row['problem']} | {row['who']} | {row['failure']} | – | – | – | – |")
            continue
        own = row["who"] == "trackfolio"
        gap, goal = (f"{row['gap']:.0e}", row["goal"]) if own else ("–", "–")
        lines.append(
            f"| {row['case']} | {row['problem']} | {row['who']} | {row['s']:.3g} | "
            f"{goal} | {row['objective']:.9g} | {max(row['violation'], 0):.0e} | {gap} |"
        )
    frontiers = [
        "| case | one limit, s | 30 limits, s | ratio | largest gap |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {row['case']} | {row['cold']:.3g} | {row['frontier']:.3g} | {row['frontier'] / row['cold']:.1f} | "
            f"{row['gap']:.0e} |"
            for row in results["frontiers"]
        ),
    ]
    growth = []
    for axis, at in (("T", f"N = {_AT_ASSETS}"), ("N", f"T = {_AT_PERIODS}")):
        data = results["growth"][axis]
        growth += [
            f"| {axis} ({at}) | " + " | ".join(str(v) for v in data["values"]) + " |",
            "| --- |" + " ---: |" * len(data["values"]),
            "| ms | " + " | ".join(f"{1e3 * s:.3g}" for s in data["s"]) + " |",
            "| iterations | " + " | ".join(str(i) for i in data["iterations"]) + " |",
            "| one X'DX, ms | " + " | ".join(f"{1e3 * s:.2g}" for s in data["product"]) + " |",
            "| one pass Xw, ms | " + " | ".join(f"{1e3 * s:.2g}" for s in data["pass"]) + " |",
            "| time ÷ (iterations · X'DX) | "
            + " | ".join(
                f"{s / (i * p):.2g}" for s, i, p in zip(data["s"], data["iterations"], data["product"], strict=True)
            )
            + " |",
            "",
            f"Fitted exponent of the larger half: {data['exponent']:.2f}.",
            "",
        ]
    return (
        _INTRO.format(most=_PEERS_UP_TO, seconds=_TIME_LIMIT)
        + "\n".join(lines)
        + "\n\n## Frontiers of thirty tracking-error limits\n\nOne job, all ends included.\n\n"
        + "\n".join(frontiers)
        + "\n\n## Where the time goes\n\n"
        + _FLOORS
        + floors_table(results["floors"])
        + "\n\n## How the cost grows\n\n"
        + _GROWTH
        + "\n".join(growth)
        + "\n"
        + machine_section(results)
    )


def main() -> None:
    """Measure, and write the raw results and the page."""
    measure_and_write("python -m benchmarks.tall", run, render, _RAW, _PAGE)


if __name__ == "__main__":
    main()
