"""What is written about portfolios of few names: docs/benchmark_sparse.md, from the raw results alone."""

from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

from benchmarks.page import machine_section

Record = dict[str, Any]

OURS, SCIP, SCIP_ALL, SKFOLIO = "trackfolio", "SCIP", "SCIP, all periods", "skfolio"
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
* **SCIP**: the textbook program in cvxpy, with one binary variable for each stock, and with the returns reduced to
  N + 1 rows by a QR decomposition, which leaves the errors as they are; the time that cvxpy takes to compile it is off
  the limit. Its bound is what it reports, nothing of it is checked.
* **SCIP, all periods**: the same without the reduction, as a textbook writes it; in some cases, for 10 s.
* **skfolio**: `BenchmarkTracker(cardinality=K, solver="SCIP")`, with the tolerances that skfolio gives SCIP. It
  minimises the standard deviation of the active returns, so it gets these twice, once with the other sign: then their
  mean is 0, and it solves the same problem as the others. It tells no bound. Compiling is not off its limit.

**error**: mean squared active return, recomputed from the weights in NumPy by one definition: weights below 1e-6 are
none, the others are made to sum to 1. **excess**: error over the least that anyone found, less 1. **bound**: no
portfolio has a smaller error. **gap**: 1 - bound / error. **held**: names in the portfolio. The peers have up to 10 s,
in some cases 60 s, for the sake of time.
"""

_IN_SHORT = """\
## In short

**proof**: seconds until the search has ended with one, or the gap that is left at the longest limit. In the ratio of
these seconds, > means that SCIP had no proof when its time was over.

{table}
{remarks}"""

_LEAST_VARIANCE = """\
## Least variance

`MeanRisk(cardinality=K)` of trackfolio with the sample covariance and no benchmark; limit {limit:g} s. The variance is
recomputed from the weights in NumPy. Not proven within the limit: {left}.

{table}"""

_FACTORS = """\
## Factor covariance

`MinTrackingError(Variance(FactorAnalysis(10)), cardinality=K, benchmark_weights=...)` of trackfolio on synthetic
markets of 1000 periods by `make_index_market`: an index of N names, tracked by its weights. The covariance is estimated
within the seconds; those of solving and certifying stand apart. Gap at the longest limits: {gaps}.

{table}"""

_FIRST = """\
## First call

{case}, {size}, K={names}: `fit` of trackfolio. The search is compiled by numba when it is first used on a machine, and
read from a cache on disk by later processes. Importing trackfolio itself is not counted.

{table}"""


def render(results: Record) -> str:
    """Return the page."""
    rows = results["over_time"]
    parts = [
        _INTRO,
        _in_short(rows),
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
    return max((row for row in rows if row["who"] == who), key=lambda row: float(row["limits"][-1]))


def _value(row: Record | None) -> float | None:
    return None if row is None else row.get("value")


def _best(rows: list[Record]) -> float:
    return min((value for row in rows if (value := _value(row)) is not None), default=float("nan"))


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
    if abs(share) < 1e-4:
        return "0" if abs(share) <= 1e-9 else f"{share:.0e}"
    return f"{100 * share:.3g} %" if abs(share) < 10 else f"{100 * share:.0f} %"


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


def _in_short(rows: list[Record]) -> str:
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
    return _IN_SHORT.format(table=_table((*columns, *after), table, 1), remarks=_bullets(_remarks(rows)))


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
    ratios = [
        raw_value / value
        for group in groups.values()
        if (value := _value(_at(group, SCIP, 10.0))) and (raw_value := _value(_at(group, SCIP_ALL, 10.0)))
    ]
    if ratios:
        yield (
            f"Given all periods SCIP has, after 10 s, {min(ratios):.3g} to {max(ratios):.3g} times the error that it "
            f"has with the reduced rows, {median(ratios):.3g} times in the median of {len(ratios)} cases."
        )
    wrong = [
        f"{name} (by {_share(_excess(row, _best(group)))})"
        for name, group in groups.items()
        for row in [_last(group, SKFOLIO)]
        if row.get("is_done") and (_excess(row, _best(group)) or 0.0) > _SAME
    ]
    if wrong:
        yield (
            f"skfolio ended by itself with a portfolio that is not the best: {'; '.join(wrong)}. The tolerances that "
            "it gives SCIP are absolute, and squared returns are small."
        )


def _on_bounds(groups: dict[str, list[Record]]) -> Iterator[str]:
    better = [
        f"{row['who']} at {name} ({_error(row['bound'])}, trackfolio {_error(own['bound'])})"
        for name, row, own in _pairs(groups)
        if row.get("bound") is not None and own.get("bound") is not None and row["bound"] > own["bound"] * (1 + _SAME)
    ]
    yield f"A peer reports a higher bound at the same limit: {'; '.join(better) if better else 'nowhere'}."
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
        late = [row for row in own if row["seconds"] - row["limits"][0] > max(_LATE[0], _LATE[1] * row["limits"][0])]
        if late:
            row = max(late, key=lambda row: float(row["seconds"] - row["limits"][0]))
            yield (
                f"{who} ends more than {_LATE[0]:g} s and {100 * _LATE[1]:g} % after its limit in {len(late)} of "
                f"{len(own)} calls, most at {row['case']}, K={row['names']}: {row['seconds']:.3g} s in place of "
                f"{row['limits'][0]:g} s."
            )
        loose = max((row.get("violation", 0.0) for row in own), default=0.0)
        if loose > 1e-9:
            yield f"Weights of {who} break the budget or a bound by up to {loose:.0e}."
    first = [row for row in rows if row["who"] == OURS and "seconds" in row and row["limits"][0] < 1]
    if first:
        seconds = [row["seconds"] for row in first]
        yield (
            f"With a limit of {first[0]['limits'][0]:g} s a call of trackfolio takes {min(seconds):.2g} to "
            f"{max(seconds):.2g} s: the clock is looked at between the steps of the search, and polishing "
            "and the certificate come after it."
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
    columns = ("data", "size", "K", "ended", "seconds", "variance, 10⁻⁶", "bound, 10⁻⁶", "gap", "parts")
    return _LEAST_VARIANCE.format(
        limit=rows[0]["limit"], left="; ".join(left) if left else "none", table=_table(columns, table, 4)
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
    last = {(row["n_assets"], row["names"]): row for row in sorted(rows, key=lambda row: float(row["limit"]))}
    gaps = "; ".join(f"N={n}, K={names}: {_share(_gap(row))}" for (n, names), row in last.items())
    sizes, values = ("N", "K", "limit, s", "ended"), ("variance, 10⁻⁶", "bound, 10⁻⁶", "gap", "parts")
    return _FACTORS.format(gaps=gaps, table=_table((*sizes, "seconds", "of solving", *values), table, 4))


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
    return _FIRST.format(**first, table=_table(("call", "seconds", "÷ second"), table, 1))
