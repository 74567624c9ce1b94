"""Problems without a solution, explained: `python -m benchmarks.infeasible`.

Each has a cause that is known by construction. A textbook program in cvxpy, which knows nothing of the library, says of
each suggested change whether it is enough, and whether it still is with a hundredth less.
"""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np

from benchmarks.infeasible_cases import KINDS, SECONDS, Case, Limits, is_feasible, make_case
from benchmarks.machine import machine
from benchmarks.measure import say
from benchmarks.page import machine_section, measure_and_write
from trackfolio.diagnosis import Relaxation
from trackfolio.exceptions import InfeasibleError, TrackfolioError

_ROOT = Path(__file__).parents[1]
_RAW = _ROOT / "benchmarks" / "results" / "infeasible.json"
_PAGE = _ROOT / "docs" / "benchmark_infeasible.md"
_SEEDS, _SIZES = 20, (8, 20, 50)
# What takes longer is called once.
_LONG = 0.5
_Result = TypeVar("_Result")


def _timed(call: Callable[[], _Result]) -> tuple[_Result, float]:
    """What a call returns, and its least time in three, after one that counts only where it is long."""
    times: list[float] = []
    for _ in range(4):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
        if times[0] > _LONG:
            return result, times[0]
    return result, min(times[1:])


def _error_of(limits: Limits) -> InfeasibleError | None:
    try:
        limits.fit()
    except InfeasibleError as error:
        return error
    return None


def _is_right(limits: Limits, way: Relaxation) -> bool:
    """Whether a change is enough, and with a hundredth less (or with one less, of whole numbers) is not."""
    assert way.change is not None
    less = (abs(way.change) - 1) / abs(way.change) if isinstance(way.change, int) else 0.99
    return is_feasible(limits.relaxed(way)) and not is_feasible(limits.relaxed(way, less))


def measure_case(case: Case) -> dict[str, Any]:
    """Explain one problem, and check what is said."""
    limits = case.limits
    assert not is_feasible(limits), "the cases have no solution"
    error, seconds = _timed(lambda: _error_of(limits))
    if error is None or error.explanation is None:
        return {"kind": case.kind, "is_named": False, "ways": 0, "right": 0, "open": 1, "ratio": None}
    found = error.explanation
    is_open = [each for each in found.conflict if each.change is None and not each.reason.startswith("no value")]
    row = {
        "kind": case.kind,
        "is_named": set(case.cause) <= set(found.names) and not is_feasible(limits.only(found.names)),
        "ways": len(found.remedies),
        "right": sum(_is_right(limits, way) for way in found.remedies),
        "open": len(is_open) + bool(found.reason),
        "ms": 1e3 * seconds,
        "ratio": None,
    }
    if found.remedies:
        try:
            relaxed = limits.relaxed(found.remedies[0], 2.0 if not isinstance(found.remedies[0].change, int) else 1.0)
            row["fit ms"] = 1e3 * _timed(relaxed.fit)[1]
            row["ratio"] = row["ms"] / row["fit ms"]
        except TrackfolioError as failure:
            say(f"{case.kind}: the relaxed problem was not fitted: {failure}")
    return row


def run() -> dict[str, Any]:
    """Explain all problems."""
    start = time.monotonic()
    description = machine(["trackfolio", "cvxpy", "clarabel", "highspy", "scipy", "numpy"])
    rows = []
    for kind in KINDS:
        for seed in range(_SEEDS):
            n = _SIZES[seed % len(_SIZES)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rows.append(measure_case(make_case(kind, n, seed)) | {"n": n, "seed": seed})
        say(_line(kind, rows[-_SEEDS:]))
    return {"machine": description, "minutes": (time.monotonic() - start) / 60, "rows": rows}


_INTRO = """\
# Benchmark of explanations

<!-- Written by `make bench-infeasible`. Change benchmarks/infeasible.py, not this page. -->

{total} problems without a solution, of {kinds} kinds, with {sizes} assets and 250 periods; harmless limits stand beside
those that clash. The cause is known by construction. A program in cvxpy that knows nothing of the library (HiGHS, or
Clarabel with risks) checks that the limits that are named clash by themselves, that each suggested change is *enough*,
and that with a hundredth less (with one less, of whole numbers) it is not.

Of each problem it is counted whether the explanation is right, and its time is compared with that of a fit:

* **named**: problems whose explanation names the limits that cause the clash, and only limits that clash by themselves.
* **changes**: changes that were suggested. **right**: those of them that passed the check above.
* **open**: limits for which no change was found in time.
* **ms**: median time of a fit that fails, with its explanation.
* **÷ fit**: that time, divided by the time of a fit that succeeds: of the same problem, after its first suggested
  change was made, twice as large (just as large, of whole numbers). 3 says that to fail takes as long as three such
  fits. A search for few names ends after {seconds:.0f} s. The column has the median, **worst** the largest.

"""


def render(results: dict[str, Any]) -> str:
    """Return the page."""
    rows = results["rows"]
    intro = _INTRO.format(total=len(rows), kinds=len(KINDS), sizes=", ".join(map(str, _SIZES)), seconds=SECONDS)
    lines = [
        "| clash | problems | named | changes | right | open | ms | ÷ fit | worst |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(kind, [row for row in rows if row["kind"] == kind]) for kind in KINDS),
        _line("**all**", rows),
    ]
    return intro + "\n".join(lines) + "\n\n" + machine_section(results)


def _line(kind: str, rows: list[dict[str, Any]]) -> str:
    ratios = [row["ratio"] for row in rows if row["ratio"] is not None] or [float("nan")]
    cells = (
        kind,
        str(len(rows)),
        str(sum(row["is_named"] for row in rows)),
        *(str(sum(row[key] for row in rows)) for key in ("ways", "right", "open")),
        f"{median(row.get('ms', np.nan) for row in rows):.3g}",
        f"{median(ratios):.2g}",
        f"{max(ratios):.2g}",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Measure, and write the raw results and the page."""
    measure_and_write("python -m benchmarks.infeasible", run, render, _RAW, _PAGE)


if __name__ == "__main__":
    main()
