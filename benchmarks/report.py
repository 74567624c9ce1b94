"""What is written: docs/benchmarks.md, from the raw results alone."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from benchmarks.competitors.ours import OURS, OURS_STD
from benchmarks.competitors.skfolio_ import BENCHMARK_TRACKER
from benchmarks.phases import PHASES, REST
from benchmarks.problems import LIMIT_FACTOR, Task

Record = dict[str, Any]

NONE = "–"
# An answer counts as a reference only within its limits; one that leaves them can look better.
_FEASIBLE, _WITHIN_LIMIT = 1e-11, 1e-6
# Objectives that agree to this share of the scale s are the same (DESIGN.md, section 5); weights
# that break their limits by no more are good enough to be compared with in time.
_COMPARABLE = 1e-9
_MORE_THAN_ONE_THREAD = 1.1

_INTRO = """\
# Benchmarks

<!-- Written by `make bench`. Change benchmarks/report.py, not this page. -->

From returns, as NumPy arrays, to long-only weights of sum 1, as a user calls it. All competitors ran
in the same session on one thread, each in a process of its own, by turns: after a first call that is
not counted, rounds of one call each (of several in a row, 50 ms in all, where a call is short). Times
are medians of wall time.
"""

_HOW_TO_READ = f"""\
## How to read the tables

* **minimises**: what the competitor is asked for. *RMSE* is the root mean square of the active return
  X w - y; *std* its standard deviation, which a constant lag costs nothing; *variance, RMSE limited* is
  another problem, the least variance of the portfolio with an RMSE at most {LIMIT_FACTOR:g} times the
  least one.
* **÷ ours**: time over that of trackfolio with the same objective (with `MinTrackingError()` for
  the other problem, as an orientation).
* **excess**: objective (the square of RMSE or std, or the variance) over the best that any competitor
  reached within its limits to {_FEASIBLE:g}, less 1. **excess / s**: the same difference in units of s, the mean
  squared active return of a single asset. Both are recomputed from the weights in NumPy.
* **violation**: largest amount by which the weights break the budget or a bound.
* **RMSE**, **std**: reached, in basis points a day. Both are given for all, whatever they minimise.
* **calls**: timed calls; *1 (first)* where one took so long that it counted at once.
* *Gram + ...* is the bare solver: the N x N matrix in NumPy and one call, with no checks, names or proof.
"""

_RERUN = """\
## Run it again

    make bench                                  # all sizes, about a quarter of an hour
    make bench ARGS=--quick                     # the two small sizes, to the screen only
    make bench ARGS="--sizes 276 --only trackfolio,skfolio"   # some sizes, some competitors
    make bench ARGS=--render                    # this page again, from the raw results

The raw results, with each single time, are in `benchmarks/results/tracking.json`. To add a competitor,
write one decorated function in a file of `benchmarks/competitors/`.
"""


def render(results: Record) -> str:
    """Return the whole page."""
    cases = results["cases"]
    parts = [
        _INTRO,
        _in_short(cases),
        _HOW_TO_READ,
        *map(_case_section, cases),
        _phases_section(cases),
        _notes(cases),
        _machine_section(results),
        _RERUN,
    ]
    return "\n".join(part for part in parts if part)


# Figures.


def _time(result: Record) -> float:
    return float(median(result["seconds"]))


def _objective(result: Record) -> float:
    root = {
        Task.LEAST_RMSE.value: "rmse",
        Task.LEAST_STD.value: "std",
        Task.LIMITED.value: "volatility",
    }
    return float(result[root[result["task"]]]) ** 2


def _find(case: Record, name: str) -> Record | None:
    """Result of a competitor that succeeded."""
    return next((r for r in case["results"] if r["name"] == name and not r["failure"]), None)


def _best(case: Record, task: str) -> float | None:
    return min(
        (
            _objective(r)
            for r in case["results"]
            if r["task"] == task
            and not r["failure"]
            and r["violation"] <= _FEASIBLE
            and (task != Task.LIMITED.value or r["over_limit"] <= _WITHIN_LIMIT)
        ),
        default=None,
    )


def _floor(case: Record, package: str | None = None) -> Record | None:
    """Fastest bare solver (of a package) whose objective is comparable to the best one."""
    best = _best(case, Task.LEAST_RMSE.value)
    reached = [
        r
        for r in case["results"]
        if r["is_bare"]
        and not r["failure"]
        and (package is None or package in r["packages"])
        and r["violation"] <= _COMPARABLE
        and best is not None
        and _objective(r) - best <= _COMPARABLE * case["scale"]
    ]
    return min(reached, key=_time, default=None)


# Tables.


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    align = ["---", *("---:" for _ in header[1:])]
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    lines = [" | ".join(cells) for cells in (header, align, *escaped)]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _milliseconds(seconds: float) -> str:
    ms = 1e3 * seconds
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"


def _ratio(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.0f}x" if value >= 20 else f"{value:.1f}x" if value >= 2 else f"{value:.2f}x"


def _small(value: float | None) -> str:
    if value is None:
        return NONE
    # Less is what rounding does to the weights.
    return "0" if abs(value) < 1e-12 else f"{value:.1g}".replace("e-0", "e-")


def _quotient(a: Record | None, b: Record | None) -> float | None:
    return None if a is None or b is None else _time(a) / _time(b)


def _in_short(cases: list[Record]) -> str:
    header = (
        "size",
        "`MinTrackingError()`, ms",
        "skfolio `BenchmarkTracker` ÷ it",
        "... ÷ ours with `StandardDeviation()`",
        "excess of `BenchmarkTracker`, ours",
        "it ÷ Gram + PIQP",
        "it ÷ fastest bare solver",
    )
    return "## In short\n\n" + _table(header, map(_in_short_row, cases))


def _in_short_row(case: Record) -> list[str]:
    ours, ours_std = _find(case, OURS), _find(case, OURS_STD)
    skfolio, bare = _find(case, BENCHMARK_TRACKER), _floor(case)
    excesses = (_small(_excess(case, r)) if r else NONE for r in (skfolio, ours_std))
    fastest = _ratio(_quotient(ours, bare))
    return [
        _name(case),
        _milliseconds(_time(ours)) if ours else NONE,
        _ratio(_quotient(skfolio, ours)),
        _ratio(_quotient(skfolio, ours_std)),
        ", ".join(excesses),
        _ratio(_quotient(ours, _floor(case, "piqp"))),
        f"{fastest} ({bare['name'].removeprefix('Gram + ')})" if bare else NONE,
    ]


def _name(case: Record) -> str:
    return f"N={case['n_assets']}, T={case['n_periods']}"


def _excess(case: Record, result: Record) -> float | None:
    best = _best(case, result["task"])
    return None if not best else _objective(result) / best - 1


def _case_section(case: Record) -> str:
    header = (
        "competitor", "minimises", "ms", "÷ ours", "excess", "excess / s", "violation",
        "RMSE", "std", "calls",
    )  # fmt: skip
    table = _table(header, (_result_row(case, result) for result in case["results"]))
    return f"## {_name(case)}\n\n{case['source'][0].upper()}{case['source'][1:]}.\n\n{table}"


def _result_row(case: Record, result: Record) -> list[str]:
    if result["failure"]:
        return [result["name"], result["task"], f"failed: {result['failure']}", *[NONE] * 7]
    excess, best = _excess(case, result), _best(case, result["task"])
    ours = _find(case, OURS_STD if result["task"] == Task.LEAST_STD.value else OURS)
    over = None if best is None else (_objective(result) - best) / case["scale"]
    calls = "1 (first)" if result["first_call_counts"] else str(len(result["seconds"]))
    return [
        result["name"] + ("\\*" if result["warnings"] else ""),
        result["task"],
        _milliseconds(_time(result)),
        _ratio(_quotient(result, ours)),
        _small(excess),
        _small(over),
        _small(result["violation"]),
        f"{1e4 * result['rmse']:.5f}",
        f"{1e4 * result['std']:.5f}",
        calls,
    ]


def _phases_section(cases: list[Record]) -> str:
    measured = [case for case in cases if "failure" not in case["phases"]]
    failed = [f"* {_name(c)}: failed: {c['phases']['failure']}\n" for c in cases if c not in measured]
    header = ("ms", *(_name(case) for case in measured))
    rows = [[phase, *(_share(case["phases"], phase) for case in measured)] for phase in (*PHASES, REST)]
    rows.append(["**whole fit**", *(_milliseconds(c["phases"]["total"]) for c in measured)])
    rows.append(["÷ Gram + PIQP", *(_phases_to_floor(case) for case in measured)])
    missing = sorted({place for case in measured for place in case["phases"]["missing"]})
    hint = f"Not found, hence part of the rest: {', '.join(f'`{m}`' for m in missing)}.\n"
    return (
        "## Where our time goes\n\nMedian milliseconds of the parts of `MinTrackingError().fit`, and their"
        " share, with a stopwatch around the functions that do them (another run than that above).\n\n"
        + _table(header, rows)
        + (f"\n{hint}" if missing else "")
        + "".join(["\n", *failed] if failed else [])
    )


def _share(phases: Record, phase: str) -> str:
    seconds = phases["seconds"][phase]
    return f"{1e3 * seconds:.2f} ({100 * seconds / phases['total']:.0f} %)"


def _phases_to_floor(case: Record) -> str:
    floor = _floor(case, "piqp")
    if floor is None:
        return NONE
    return f"{_ratio(case['phases']['total'] / _time(floor))} ({floor['name'].split(', ')[-1]})"


def _notes(cases: list[Record]) -> str:
    notes = {r["name"]: r["note"] for case in cases for r in case["results"] if r["note"]}
    warned = _collect(cases, lambda r: r["warnings"])
    threads = _collect(cases, _thread_note)
    lines = [f"* {name}: {note}." for name, note in notes.items()]
    if warned:
        lines += ["", "\\* Warned while it ran:", ""]
        lines += [f"* {name}: `{text.replace('`', '')}` ({where})" for name, text, where in warned]
    if threads:
        lines += ["", "Used more than one thread in spite of all limits:", ""]
        lines += [f"* {name}: {text} ({where})" for name, text, where in threads]
    return "## Notes on the competitors\n\n" + "\n".join(lines) + "\n" if lines else ""


def _collect(cases: list[Record], say: Callable[[Record], Iterable[str]]) -> list[tuple[str, str, str]]:
    """What is to be said of results, each sentence once, with the sizes that it concerns."""
    where: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        for result in case["results"]:
            for text in say(result):
                where.setdefault((result["name"], text), []).append(_name(case))
    return [(name, text, "; ".join(sizes)) for (name, text), sizes in where.items()]


def _thread_note(result: Record) -> list[str]:
    # Of calls that take milliseconds, the clock of the processor is too coarse to tell.
    if not result["seconds"] or sum(result["seconds"]) < 0.5:
        return []
    share = result["cpu_seconds"] / sum(result["seconds"])
    return [f"{share:.1f} processors"] if share > _MORE_THAN_ONE_THREAD else []


def _machine_section(results: Record) -> str:
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"""\
## Machine

* {machine["date"]}, in {results["minutes"]:.0f} minutes; load average at the start: {machine["load_at_start"]}
* {machine["cpu"]}, {machine["cores"]} cores; {machine["system"]}
* Python {machine["python"]}; {"; ".join(machine["blas"])}
* {versions}
"""
