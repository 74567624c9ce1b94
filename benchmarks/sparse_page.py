"""What is written about portfolios of few names: docs/benchmark_sparse.md, from the raw results alone."""

from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

from benchmarks.page import machine_section

Record = dict[str, Any]

OURS, SCIP, SKFOLIO = "trackfolio", "SCIP", "skfolio"
# Errors and bounds that differ by less are the same: twice the tolerance of the root, as they are squares.
_SAME = 2e-6
# A call may end so much after its limit, in seconds and as a share, before it is mentioned.
_LATE = (0.5, 0.05)

_INTRO = """\
# Benchmark of few names

<!-- Written by `make bench-sparse`. Change benchmarks/sparse.py and benchmarks/sparse_page.py, not this page. -->

An index tracked with at most K names, long-only and fully invested: which portfolio is at hand after so many seconds,
and how far from the best one it may be. Such problems are not solved by a formula: a search finds portfolios, and
bounds, below which no portfolio can be, close in on them from the other side. What counts is how soon both meet.

Each competitor starts anew for each limit on its time, on one thread, one at a time, in a process of its own that has
solved a small problem before, so that libraries and compiled code are loaded; each call is made once. A search that
ends by itself before its limit is not repeated for longer ones. All data are given as arrays, and what a library does
before its search counts.

* **trackfolio**: `MinTrackingError(cardinality=K, solver=Sparse(time_limit=...))`. It stops at a gap of the RMSE of
  1e-6.
* **SCIP**: the textbook program in cvxpy, with one binary variable for each stock; the time that cvxpy takes to
  compile it is off the limit. Its bound is what it reports, nothing of it is checked.
* **skfolio**: `BenchmarkTracker(cardinality=K, solver="SCIP")`, with the tolerances that skfolio gives SCIP. It
  minimises the standard deviation of the active returns, so it gets these twice, once with the other sign: then their
  mean is 0, and it solves the same problem as the others. It tells no bound. Compiling is not off its limit.

**error**: mean squared active return, recomputed from the weights in NumPy by one definition: weights below 1e-6 are
none, the others are made to sum to 1. **excess**: error over the least that anyone found, less 1. **bound**: no
portfolio has a smaller error. **gap**: 1 - bound / error. **held**: names in the portfolio. The peers have up to 10 s,
in some cases 60 s, for the sake of time.
"""


def render(results: Record) -> str:
    """Return the page."""
    rows = results["over_time"]
    parts = [
        _INTRO,
        *(_in_short(rows) if rows else ["The OR-Library's files were missing: nothing is compared.\n"]),
        *(_details(label, source, rows) for label, source in results["sources"].items()),
        _least_variance(results["min_variance"]),
        _factors(results["factors"]),
        _first(results["first"]),
        machine_section(results),
    ]
    return "\n".join(part for part in parts if part)


# Figures.


def _groups(rows: list[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Name of each case, and what was measured in it."""
    for case, names in dict.fromkeys((row["case"], row["names"]) for row in rows):
        yield f"{case}, K={names}", [row for row in rows if (row["case"], row["names"]) == (case, names)]


def _at(rows: list[Record], who: str, limit: float) -> Record | None:
    """What a competitor has at a limit, if it was measured there."""
    return next((row for row in rows if row["who"] == who and limit in row["limits"]), None)


def _last(rows: list[Record], who: str) -> Record:
    """What a competitor has at its longest limit."""
    return next(row for row in reversed(rows) if row["who"] == who)


def _value(row: Record | None) -> float | None:
    return None if row is None else row.get("value")


def _best(rows: list[Record]) -> float:
    return min(value for row in rows if (value := _value(row)) is not None)


def _excess(row: Record | None, best: float) -> float | None:
    value = _value(row)
    return None if value is None else value / best - 1


def _gap(row: Record) -> float | None:
    value, bound = row.get("value"), row.get("bound")
    return None if value is None or bound is None else 1 - bound / value


def _is_proven(row: Record) -> bool:
    """A search that ended by itself with a bound next to its portfolio."""
    gap = _gap(row)
    return bool(row.get("is_done")) and gap is not None and gap <= 2 * _SAME


def _share(share: float | None) -> str:
    """A share in per cent, small ones as a power of ten."""
    if share is None:
        return "none"
    return "0" if abs(share) <= 1e-9 else f"{share:.0e}" if abs(share) < 1e-4 else f"{100 * share:.3g} %"


def _error(value: float | None) -> str:
    return "none" if value is None else f"{1e6 * value:.6g}"


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]], texts: int) -> str:
    """The first columns hold text, the others numbers."""
    names = list(columns)
    rule = [" --- |"] * texts + [" ---: |"] * (len(names) - texts)
    lines = ["| " + " | ".join(names) + " |", "|" + "".join(rule)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"* {sentence}" for sentence in sentences) + "\n"


# Tracking.


def _in_short(rows: list[Record]) -> list[str]:
    table = []
    for name, group in _groups(rows):
        best, own, theirs = _best(group), _last(group, OURS), _last(group, SCIP)
        ratio = "–"
        if _is_proven(own) and "seconds" in theirs:
            ratio = f"{'' if _is_proven(theirs) else '> '}{theirs['seconds'] / own['seconds']:.3g}x"
        at_ten = (_share(_excess(_at(group, who, 10.0), best)) for who in (OURS, SCIP, SKFOLIO))
        table.append((name, _error(best), _proof(own), _proof(theirs), ratio, *at_ten))
    columns = ("case", "least error, 10⁻⁶", "trackfolio: proof", "SCIP: proof", "SCIP ÷ trackfolio")
    after = (f"excess at 10 s: {who}" for who in (OURS, SCIP, SKFOLIO))
    return [
        "## In short\n",
        "**proof**: seconds until the search has ended, or the gap that is left at the longest limit. In the ratio, >\n"
        "means that SCIP had no proof when its time was over.\n",
        _table((*columns, *after), table, 1),
        _bullets(_remarks(rows)),
    ]


def _proof(row: Record) -> str:
    if "failure" in row:
        return "failed"
    if _is_proven(row):
        return f"{row['seconds']:.3g} s"
    return f"gap {_share(_gap(row))} at {row['limits'][-1]:g} s"


def _remarks(rows: list[Record]) -> Iterator[str]:
    """What a reader should know, the unfavourable first of all."""
    groups = dict(_groups(rows))
    yield from _on_proofs(groups)
    yield from _on_peers(groups)
    yield from _on_bounds(groups)
    yield from _on_limits(rows)
    for row in rows:
        if "failure" in row:
            yield f"{row['who']} failed at {row['case']}, K={row['names']}, {row['limits'][0]:g} s: {row['failure']}."


def _on_proofs(groups: dict[str, list[Record]]) -> Iterator[str]:
    for who in (OURS, SCIP):
        last = {name: _last(group, who) for name, group in groups.items()}
        seconds = [row["seconds"] for row in last.values() if _is_proven(row)]
        middle = f", in {median(seconds):.3g} s in the median of these" if seconds else ""
        yield f"{who} proves its portfolio to be the best in {len(seconds)} of {len(groups)} cases{middle}."
        if who == OURS and (left := [f"{name} ({_proof(row)})" for name, row in last.items() if not _is_proven(row)]):
            yield f"{who} does not prove it in {'; '.join(left)}."
    shortest = min(row["limits"][0] for group in groups.values() for row in group)
    early = [_excess(_at(group, OURS, shortest), _best(group)) for group in groups.values()]
    count = sum(excess is not None and excess <= _SAME for excess in early)
    yield f"With a limit of {shortest:g} s trackfolio already has the best known portfolio in {count} of {len(groups)}."


def _pairs(groups: dict[str, list[Record]]) -> Iterator[tuple[str, Record, Record]]:
    """Case and limit, with what a peer and trackfolio have at it."""
    for name, group in groups.items():
        for row in group:
            for limit in row["limits"] if row["who"] != OURS else ():
                if (own := _at(group, OURS, limit)) is not None:
                    yield f"{name}, {limit:g} s", row, own


def _on_peers(groups: dict[str, list[Record]]) -> Iterator[str]:
    better = []
    for name, row, own in _pairs(groups):
        theirs, value = _value(row), _value(own)
        if theirs is not None and (value is None or value > theirs * (1 + _SAME)):
            by = "" if value is None else f" by {_share(1 - theirs / value)}"
            better.append(f"{row['who']} at {name}{by}")
    yield f"A peer has a better portfolio at the same limit: {'; '.join(better) if better else 'nowhere'}."
    slower = [
        f"{name} ({theirs['seconds']:.3g} s, trackfolio {_proof(own)})"
        for name, group in groups.items()
        for theirs, own in [(_last(group, SCIP), _last(group, OURS))]
        if _is_proven(theirs) and not (_is_proven(own) and own["seconds"] <= theirs["seconds"])
    ]
    yield f"SCIP has its proof sooner: {'; '.join(slower) if slower else 'nowhere'}."
    wrong = [
        f"{name} (by {_share(_excess(row, _best(group)))})"
        for name, group in groups.items()
        for row in [_last(group, SKFOLIO)]
        if row.get("is_done") and (_excess(row, _best(group)) or 0.0) > _SAME
    ]
    if wrong:
        yield f"skfolio ended by itself with a portfolio that is not the best: {'; '.join(wrong)}."


def _on_bounds(groups: dict[str, list[Record]]) -> Iterator[str]:
    better = [
        f"{name} ({_error(row['bound'])}, trackfolio {_error(own['bound'])})"
        for name, row, own in _pairs(groups)
        if row.get("bound") is not None and own.get("bound") is not None and row["bound"] > own["bound"] * (1 + _SAME)
    ]
    yield f"SCIP reports a higher bound at the same limit: {'; '.join(better) if better else 'nowhere'}."
    for who in (OURS, SCIP):
        broken = [
            f"{name}, {row['limits'][0]:g} s (by {_share(row['bound'] / _best(group) - 1)})"
            for name, group in groups.items()
            for row in group
            if row["who"] == who and row.get("bound") is not None and row["bound"] > _best(group) * (1 + 1e-9)
        ]
        if broken:
            yield f"A bound of {who} is above the error of a portfolio that exists: {'; '.join(broken)}."


def _on_limits(rows: list[Record]) -> Iterator[str]:
    for who in (OURS, SCIP, SKFOLIO):
        own = [row for row in rows if row["who"] == who and "seconds" in row]
        late = [row for row in own if row["seconds"] - row["limits"][-1] > max(_LATE[0], _LATE[1] * row["limits"][-1])]
        if late:
            row = max(late, key=lambda row: float(row["seconds"] - row["limits"][-1]))
            yield (
                f"{who} ends more than {_LATE[0]:g} s and {100 * _LATE[1]:g} % after its limit in {len(late)} of "
                f"{len(own)} calls, most at {row['case']}, K={row['names']}: {row['seconds']:.3g} s in place of "
                f"{row['limits'][-1]:g} s."
            )
        loose = max((row.get("violation", 0.0) for row in own), default=0.0)
        if loose > 1e-9:
            yield f"Weights of {who} break the budget or a bound by up to {loose:.0e}."
    first = [row for row in rows if row["who"] == OURS and "seconds" in row and row["limits"][0] < 1]
    if first:
        seconds = [row["seconds"] for row in first]
        yield (
            f"With a limit of {first[0]['limits'][0]:g} s a call of trackfolio takes {min(seconds):.2g} to "
            f"{max(seconds):.2g} s: the limit holds for the search, and polishing and certificate come after it."
        )


def _details(label: str, source: str, rows: list[Record]) -> str:
    table = []
    own = [row for row in rows if row["case"] == label]
    for _, group in _groups(own):
        best = _best(group)
        for row in group:
            head = (str(row["names"]), row["who"], ", ".join(f"{limit:g}" for limit in row["limits"]))
            if "failure" in row:
                table.append((*head, row["failure"], *["–"] * 6))
                continue
            found = (_error(row["value"]), _share(_excess(row, best)), _error(row["bound"]), _share(_gap(row)))
            table.append((*head, row["status"], f"{row['seconds']:.3g}", *found, str(row.get("held", "–"))))
    if not table:
        return ""
    columns = ("K", "solver", "limit, s", "ended", "seconds", "error, 10⁻⁶", "excess", "bound, 10⁻⁶", "gap", "held")
    return f"## {label}\n\n{source}; {own[0]['size']}.\n\n" + _table(columns, table, 4)


# Other risks, and the first call.


def _least_variance(rows: list[Record]) -> str:
    if not rows:
        return ""
    table = []
    for row in rows:
        head = (row["case"], row["size"], str(row["names"]))
        table.append((*head, row["failure"], *["–"] * 5) if "failure" in row else (*head, row["status"], *_found(row)))
    left = [f"{row['case']}, K={row['names']}" for row in rows if row.get("status") != "optimal"]
    return (
        "## Least variance\n\n`MeanRisk(cardinality=K)` of trackfolio with the sample covariance and no benchmark; "
        f"limit {rows[0]['limit']:g} s. The\nvariance is recomputed from the weights in NumPy. "
        f"Not proven within the limit: {'; '.join(left) if left else 'none'}.\n\n"
        + _table(
            ("data", "size", "K", "ended", "seconds", "variance, 10⁻⁶", "bound, 10⁻⁶", "gap", "parts"), table, texts=4
        )
    )


def _factors(rows: list[Record]) -> str:
    table = []
    for row in rows:
        head = (str(row["n_assets"]), str(row["names"]), f"{row['limit']:g}")
        if "failure" in row:
            table.append((*head, row["failure"], *["–"] * 6))
        else:
            seconds, *others = _found(row)
            table.append((*head, row["status"], seconds, f"{row['solving']:.3g}", *others))
    gaps = [gap for row in rows if (gap := _gap(row)) is not None]
    range_ = f" The gaps that are left are {_share(min(gaps))} to {_share(max(gaps))}." if gaps else ""
    return (
        "## Factor covariance\n\n`MinTrackingError(Variance(FactorAnalysis(10)), cardinality=K, benchmark_weights=...)` "
        "of trackfolio on synthetic markets\nof 1000 periods by `make_index_market`: an index of N names, tracked by its "
        f"weights. The covariance is estimated\nwithin the seconds; those of solving and certifying stand apart.{range_}"
        "\n\n"
        + _table(
            ("N", "K", "limit, s", "ended", "seconds", "of solving", "variance, 10⁻⁶", "bound, 10⁻⁶", "gap", "parts"),
            table,
            texts=4,
        )
    )


def _found(row: Record) -> tuple[str, ...]:
    """Seconds, value, bound, gap, parts."""
    return (
        f"{row['seconds']:.3g}",
        _error(row["value"]),
        _error(row["bound"]),
        _share(_gap(row)),
        str(row["nodes"]),
    )


def _first(first: Record | None) -> str:
    if first is None:
        return ""
    if "failure" in first:
        return f"## First call\n\nFailed: {first['failure']}.\n"
    calls = {
        "first in a process, nothing compiled": first["empty"],
        "first in a process, compiled code in numba's cache": first["filled"],
        "second in a process": first["warm"],
    }
    table = ((name, f"{seconds:.3g}", f"{seconds / first['warm']:.3g}x") for name, seconds in calls.items())
    return (
        f"## First call\n\n{first['case']}, {first['size']}, K={first['names']}: `fit` of trackfolio. The search is "
        "compiled by numba when it is first used on a\nmachine, and read from a cache on disk by later processes. "
        "Importing trackfolio itself is not counted.\n\n" + _table(("call", "seconds", "÷ second"), table, 1)
    )
