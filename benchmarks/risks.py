"""Every risk against skfolio, through the same convex solver: `python -m benchmarks.risks`.

Both run in processes of their own on one thread, by turns; times are medians after a first call that is not counted.
"""

import multiprocessing
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.machine import machine
from benchmarks.measure import say
from benchmarks.page import machine_section, measure_and_write
from benchmarks.problems import Array, Case, make_case
from trackfolio import MeanRisk, MinTrackingError, risks
from trackfolio.solvers import Conic, Solver

_ROOT = Path(__file__).parents[1]
_RAW = _ROOT / "benchmarks" / "results" / "risks.json"
_PAGE = _ROOT / "docs" / "benchmark_risks.md"
_SIZES = ((20, 1500), (100, 1000))
_ROUNDS, _TIME_LIMIT, _LIMIT_FACTOR = 3, 150.0, 1.2
# Names of the same measures in skfolio; it has no others of ours.
_SKFOLIO = {
    "Variance": "VARIANCE",
    "StandardDeviation": "STANDARD_DEVIATION",
    "SemiVariance": "SEMI_VARIANCE",
    "SemiDeviation": "SEMI_DEVIATION",
    "MeanAbsoluteDeviation": "MEAN_ABSOLUTE_DEVIATION",
    "CVaR": "CVAR",
    "EVaR": "EVAR",
    "WorstRealization": "WORST_REALIZATION",
    "MaxDrawdown": "MAX_DRAWDOWN",
    "AverageDrawdown": "AVERAGE_DRAWDOWN",
    "CDaR": "CDAR",
    "EDaR": "EDAR",
    "UlcerIndex": "ULCER_INDEX",
    "GiniMeanDifference": "GINI_MEAN_DIFFERENCE",
}
_PARAMETERS: dict[str, dict[str, Any]] = {"Huber": {"threshold": 0.01}}


_INTRO = """\
# Benchmark of risks

<!-- Written by `make bench-risks`. Change benchmarks/risks.py, not this page. -->

Long-only, fully invested portfolios of least risk: `MeanRisk(risk).fit` of trackfolio, with the solver that it chooses
and with `solver=Conic()` (cvxpy and Clarabel), and of skfolio (cvxpy and Clarabel), on arrays, one thread, in processes
of their own, by turns: medians of {rounds} calls after one that is not counted; of one, where a call takes more than
2 s; and the first call alone, where it takes more than 10 s.

skfolio takes between {least:.2g} and {most:.3g} times as long as trackfolio, {middle:.2g} times in the median of the
{cases} cases that both finished; and between {least_conic:.2g} and {most_conic:.3g} times as long as trackfolio
through cvxpy and Clarabel, {middle_conic:.2g} times in the median. It stops at Clarabel's tolerances of 1e-8,
trackfolio goes on until it can prove a gap below 1e-8.

**excess**: risk over the smaller of the two, less 1, recomputed from the weights in NumPy by one definition.
**over limit**: by which share the RMSE exceeds its limit. **gap**: what trackfolio proves of its own answer; skfolio
proves nothing. skfolio's tracking error divides by T - 1, so its limit was converted. Its first lower partial moment
has the mean as target, ours a number; it has no root mean square of the returns, no Huber, no moment of order 2. A
call has {seconds:.0f} s.
"""


def make_risk(name: str) -> risks.Risk:
    """Return the risk with its defaults."""
    risk: risks.Risk = getattr(risks, name)(**_PARAMETERS.get(name, {}))
    return risk


def fit_ours(name: str, case: Case, limit: float | None, solver: Solver | None = None) -> tuple[float, Array, float]:
    """Seconds, weights and gap."""
    start = time.perf_counter()
    model = MeanRisk(make_risk(name), max_tracking_error=limit, solver=solver).fit(case.X, case.y)
    return time.perf_counter() - start, model.weights_, model.solution_.gap


def fit_conic(name: str, case: Case, limit: float | None) -> tuple[float, Array, float]:
    """The same through cvxpy and Clarabel."""
    return fit_ours(name, case, limit, Conic())


def fit_skfolio(name: str, case: Case, limit: float | None) -> tuple[float, Array, float]:
    """Seconds and weights; its tracking error divides by T - 1."""
    from skfolio import RiskMeasure
    from skfolio.optimization import MeanRisk as Theirs

    limit = None if limit is None else limit * np.sqrt(case.n_periods / (case.n_periods - 1))
    start = time.perf_counter()
    model = Theirs(risk_measure=RiskMeasure[_SKFOLIO[name]], max_tracking_error=limit, solver="CLARABEL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(case.X, case.y) if limit is not None else model.fit(case.X)
    return time.perf_counter() - start, np.asarray(model.weights_), float("nan")


class Runner:
    """A process that calls one library; a call beyond the time limit ends it."""

    def __init__(self, fit: Any, time_limit: float) -> None:
        self._fit, self._pool = fit, multiprocessing.get_context("spawn").Pool(1)
        self._time_limit = time_limit

    def __call__(self, *arguments: Any) -> tuple[float, Array, float] | str:
        try:
            result: tuple[float, Array, float] = self._pool.apply_async(self._fit, arguments).get(self._time_limit)
        except multiprocessing.TimeoutError:
            self._pool.terminate()
            self._pool = multiprocessing.get_context("spawn").Pool(1)
            return f"not finished within {self._time_limit:.0f} s"
        except Exception as error:  # a failure is reported, never hidden
            return f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
        return result

    def close(self) -> None:
        """End the process."""
        self._pool.terminate()


def _measure(name: str, case: Case, limit: float | None, runners: dict[str, Runner]) -> dict[str, Any]:
    """Medians of both, and the risk that each reached, by one definition."""
    record: dict[str, Any] = {"risk": name}
    rounds: dict[str, list[tuple[float, Array, float]]] = {}
    firsts: dict[str, tuple[float, Array, float]] = {}
    for who, run in runners.items():
        if who == "skfolio" and name not in _SKFOLIO:
            continue
        first = run(name, case, limit)
        if isinstance(first, str):
            record[f"{who}_failure"] = first
        else:
            rounds[who], firsts[who] = [first] if first[0] > 10 else [], first
    for _ in range(_ROUNDS if max([0.0, *(r[0] for r in firsts.values())]) < 2 else 1):
        for who in rounds:
            if not (rounds[who] and rounds[who][0][0] > 10):
                again = runners[who](name, case, limit)
                assert not isinstance(again, str), again
                rounds[who].append(again)
    risk = make_risk(name)
    for who, results in rounds.items():
        _, weights, gap = results[-1]
        rmse = float(np.sqrt(np.mean((case.X @ weights - case.y) ** 2)))
        record |= {
            f"{who}_ms": 1e3 * median(seconds for seconds, *_ in results),
            f"{who}_risk": risk.value(case.X @ weights),
            f"{who}_over": 0.0 if limit is None else rmse / limit - 1,
            f"{who}_gap": gap,
        }
    return record


def run() -> dict[str, Any]:
    """Measure all risks at all sizes, free and with a limit on the tracking error."""
    start = time.monotonic()
    description = machine(["trackfolio", "skfolio", "cvxpy", "clarabel", "numpy", "scipy"])
    fits = {"ours": fit_ours, "conic": fit_conic, "skfolio": fit_skfolio}
    runners = {who: Runner(fit, _TIME_LIMIT) for who, fit in fits.items()}
    tables: list[dict[str, Any]] = []
    for n_assets, n_periods in _SIZES:
        case = make_case(n_assets, n_periods)
        limit = _LIMIT_FACTOR * MinTrackingError().fit(case.X, case.y).solution_.objective
        for most in (None, limit):
            rows = []
            for name in risks.__all__:
                # Gini's difference takes minutes: once is enough.
                if name != "Risk" and not (most is not None and name == "GiniMeanDifference"):
                    rows.append(_measure(name, case, most, runners))
                    say(f"{case.name} {most} {rows[-1]}")
            tables.append({"case": case.name, "source": case.source, "limit": most, "rows": rows})
    for runner in runners.values():
        runner.close()
    return {"machine": description, "minutes": (time.monotonic() - start) / 60, "tables": tables}


def _row(row: dict[str, Any]) -> str:
    ours, theirs = row.get("ours_ms"), row.get("skfolio_ms")
    best = min((row[key] for key in ("ours_risk", "conic_risk", "skfolio_risk") if key in row), default=0.0)

    def excess(who: str) -> str:
        if f"{who}_risk" not in row:
            return "–"
        value = row[f"{who}_risk"] / best - 1
        return "0" if value < 1e-12 else f"{value:.0e}"

    def over(who: str) -> str:
        value = row.get(f"{who}_over", 0.0)
        return "0" if value <= 1e-10 else f"{value:.0e}"

    conic = row.get("conic_ms")
    ratio, ratio_conic = (f"{theirs / own:.2g}x" if own and theirs else "–" for own in (ours, conic))
    cells = (
        row["risk"],
        f"{ours:.3g}" if ours else row.get("ours_failure", "–"),
        f"{conic:.3g}" if conic else row.get("conic_failure", "–"),
        f"{theirs:.3g}" if theirs else row.get("skfolio_failure", "–"),
        ratio,
        ratio_conic,
        excess("ours"),
        excess("skfolio"),
        over("ours"),
        over("skfolio"),
        f"{row.get('ours_gap', float('nan')):.0e}",
    )
    return "| " + " | ".join(cells) + " |"


def render(results: dict[str, Any]) -> str:
    """Return the page."""
    both = [r for t in results["tables"] for r in t["rows"] if {"ours_ms", "skfolio_ms"} <= r.keys()]
    ratios = sorted(r["skfolio_ms"] / r["ours_ms"] for r in both)
    through_cvxpy = sorted(r["skfolio_ms"] / r["conic_ms"] for r in both if "conic_ms" in r)
    parts = [
        _INTRO.format(
            rounds=_ROUNDS,
            least=ratios[0],
            most=ratios[-1],
            middle=median(ratios),
            least_conic=through_cvxpy[0],
            most_conic=through_cvxpy[-1],
            middle_conic=median(through_cvxpy),
            cases=len(ratios),
            seconds=_TIME_LIMIT,
        )
    ]
    for table in results["tables"]:
        limit = (
            "" if table["limit"] is None else f", tracking RMSE at most {1e4 * table['limit']:.1f} bp (1.2 × the least)"
        )
        header = (
            "| risk | ours, ms | ours by Conic, ms | skfolio, ms | skfolio ÷ ours | skfolio ÷ Conic | our excess "
            "| its excess | our over limit | its over limit | our gap |\n| --- |" + 10 * " ---: |"
        )
        rows = "\n".join(_row(row) for row in table["rows"])
        parts.append(f"## {table['case']}{limit}\n\n{table['source']}.\n\n{header}\n{rows}\n")
    return "\n".join([*parts, machine_section(results)])


def main() -> None:
    """Measure, and write the raw results and the page."""
    measure_and_write("python -m benchmarks.risks", run, render, _RAW, _PAGE)


if __name__ == "__main__":
    main()
