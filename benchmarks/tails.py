"""Tail risks and tracking limits against the peers: `python -m benchmarks.tails`.

Each competitor runs in a process of its own, by turns, on one thread; objectives and violations are recomputed from the
weights in NumPy by one definition.
"""

import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.machine import machine
from benchmarks.measure import say
from benchmarks.page import machine_section, measure_and_write
from benchmarks.problems import Array, Case, make_case
from benchmarks.risks import Runner
from trackfolio import MeanRisk, MinTrackingError
from trackfolio.objectives import MaxReturn
from trackfolio.risks import CVaR, MeanAbsoluteDeviation, SemiDeviation

_ROOT = Path(__file__).parents[1]
_RAW = _ROOT / "benchmarks" / "results" / "tails.json"
_PAGE = _ROOT / "docs" / "benchmark_tails.md"
_LEVEL = 0.95
SIZES = ((20, 1500), (100, 1000), (276, 1761), (500, 1250), (500, 5000))
_PROBLEMS = (
    "min CVaR",
    "min CVaR, RMSE limited",
    "max return, CVaR limited",
    "min RMSE, CVaR limited",
    "min MAD",
    "min semi-deviation",
)
# The peers need minutes for each call at the largest sizes: there, but for these, they solve the first two.
_EVERYWHERE = ("trackfolio", "skfolio")
_FULL_UP_TO, _TIME_LIMIT, _LONG = 276, 150.0, 8.0

Fit = Callable[[str, Case, dict[str, float]], tuple[float, Array, float]]


def limits_of(case: Case) -> dict[str, float]:
    """Limits that bind: 1.2 x the least RMSE, and a CVaR between its least and that of the tracker."""
    tracker = MinTrackingError().fit(case.X, case.y)
    least = MeanRisk(CVaR(_LEVEL)).fit(case.X).solution_.objective
    of_tracker = CVaR(_LEVEL).value(case.X @ tracker.weights_)
    return {"rmse": 1.2 * tracker.solution_.objective, "cvar": 0.5 * (least + of_tracker)}


def judge(problem: str, case: Case, limits: dict[str, float], w: Array) -> tuple[float, float]:
    """Objective (to be minimised), and the largest relative violation of a limit."""
    returns = case.X @ w
    rmse, cvar = float(np.sqrt(np.mean((returns - case.y) ** 2))), CVaR(_LEVEL).value(returns)
    broken = [abs(float(w.sum()) - 1), max(0.0, -float(w.min()))]
    if "RMSE limited" in problem:
        broken.append(rmse / limits["rmse"] - 1)
    if "CVaR limited" in problem:
        broken.append(cvar / limits["cvar"] - 1)
    if problem.startswith("min CVaR"):
        objective = cvar
    elif problem.startswith("max return"):
        objective = -float(returns.mean())
    elif problem.startswith("min RMSE"):
        objective = rmse
    else:
        objective = (MeanAbsoluteDeviation() if "MAD" in problem else SemiDeviation()).value(returns)
    return objective, max(broken)


def ours(problem: str, case: Case, limits: dict[str, float]) -> tuple[float, Array, float]:
    """Trackfolio, with the solver that it chooses."""
    tail = CVaR(_LEVEL)
    start = time.perf_counter()
    model: Any = {
        "min CVaR": lambda: MeanRisk(tail),
        "min CVaR, RMSE limited": lambda: MeanRisk(tail, max_tracking_error=limits["rmse"]),
        "max return, CVaR limited": lambda: MeanRisk(tail, MaxReturn(), constraints=[tail <= limits["cvar"]]),
        "min RMSE, CVaR limited": lambda: MinTrackingError(constraints=[tail <= limits["cvar"]]),
        "min MAD": lambda: MeanRisk(MeanAbsoluteDeviation()),
        "min semi-deviation": lambda: MeanRisk(SemiDeviation()),
    }[problem]()
    model.fit(case.X, case.y)
    return time.perf_counter() - start, model.weights_, model.solution_.gap


def skfolio(problem: str, case: Case, limits: dict[str, float]) -> tuple[float, Array, float]:
    """Skfolio through Clarabel; its tracking error divides by T - 1."""
    from skfolio import RiskMeasure
    from skfolio.optimization import MeanRisk as Theirs
    from skfolio.optimization import ObjectiveFunction

    rmse = limits["rmse"] * np.sqrt(case.n_periods / (case.n_periods - 1))
    tail = {"risk_measure": RiskMeasure.CVAR, "cvar_beta": _LEVEL, "solver": "CLARABEL"}
    start = time.perf_counter()
    model: Any = {
        "min CVaR": lambda: Theirs(**tail),
        "min CVaR, RMSE limited": lambda: Theirs(**tail, max_tracking_error=rmse),
        "max return, CVaR limited": lambda: Theirs(
            **tail, objective_function=ObjectiveFunction.MAXIMIZE_RETURN, max_cvar=limits["cvar"]
        ),
        "min MAD": lambda: Theirs(risk_measure=RiskMeasure.MEAN_ABSOLUTE_DEVIATION, solver="CLARABEL"),
        "min semi-deviation": lambda: Theirs(risk_measure=RiskMeasure.SEMI_DEVIATION, solver="CLARABEL"),
    }[problem]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(case.X, case.y) if "RMSE" in problem else model.fit(case.X)
    return time.perf_counter() - start, np.asarray(model.weights_), float("nan")


def textbook(problem: str, case: Case, limits: dict[str, float]) -> tuple[float, Array, float]:
    """The textbook program in cvxpy, with Clarabel and its defaults."""
    import cvxpy as cp

    start = time.perf_counter()
    X, y, (periods, n) = case.X, case.y, case.X.shape
    w, alpha = cp.Variable(n, nonneg=True), cp.Variable()
    returns = X @ w
    cvar = alpha + cp.sum(cp.pos(-returns - alpha)) / ((1 - _LEVEL) * periods)
    rmse = cp.norm(returns - y) / np.sqrt(periods)
    centred = (X - X.mean(axis=0)) @ w
    objective = {
        "max": -cp.sum(returns) / periods,
        "min CVaR": cvar,
        "min RMSE": rmse,
        "min MAD": cp.sum(cp.abs(centred)) / periods,
        "min semi-": cp.norm(cp.pos(-centred)) / np.sqrt(periods - 1),
    }
    chosen = next(value for key, value in objective.items() if problem.startswith(key))
    constraints = [cp.sum(w) == 1]
    constraints += [rmse <= limits["rmse"]] if "RMSE limited" in problem else []
    constraints += [cvar <= limits["cvar"]] if "CVaR limited" in problem else []
    cp.Problem(cp.Minimize(chosen), constraints).solve(solver=cp.CLARABEL)
    if w.value is None:
        raise RuntimeError("Clarabel found no solution")
    return time.perf_counter() - start, np.asarray(w.value), float("nan")


def by_highs(method: str, problem: str, case: Case, limits: dict[str, float]) -> tuple[float, Array, float]:
    """HiGHS on the dual of the least CVaR, which has N rows and T columns."""
    from scipy.optimize import linprog

    start = time.perf_counter()
    periods, n = case.X.shape
    # Largest θ with θ <= loss of each asset under weights of the periods: at most 1/k each, of sum 1.
    A = np.column_stack([case.X.T, np.ones(n)])
    result = linprog(
        np.append(np.zeros(periods), -1.0),
        A_ub=A,
        b_ub=np.zeros(n),
        A_eq=np.append(np.ones(periods), 0.0)[None, :],
        b_eq=[1.0],
        bounds=[*[(0.0, 1 / ((1 - _LEVEL) * periods))] * periods, (None, None)],
        method=method,
    )
    if result.status != 0:
        raise RuntimeError(result.message)
    return time.perf_counter() - start, -np.asarray(result.ineqlin.marginals), float("nan")


def riskfolio(problem: str, case: Case, limits: dict[str, float]) -> tuple[float, Array, float]:
    """Riskfolio-Lib."""
    import pandas as pd
    import riskfolio as rp

    measures = {"min CVaR": "CVaR", "min MAD": "MAD", "min semi-deviation": "MSV"}
    start = time.perf_counter()
    portfolio = rp.Portfolio(returns=pd.DataFrame(case.X), alpha=1 - _LEVEL)
    portfolio.solvers = ["CLARABEL"]
    portfolio.assets_stats(method_mu="hist", method_cov="hist")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = portfolio.optimization(model="Classic", rm=measures[problem], obj="MinRisk", rf=0, l=0, hist=True)
    if weights is None:
        raise RuntimeError("optimization() returned None")
    return time.perf_counter() - start, weights["weights"].to_numpy(), float("nan")


def by_cvqp(problem: str, case: Case, limits: dict[str, float]) -> tuple[float, Array, float]:
    """CVQP: quadratic programs with a limit on CVaR."""
    import cvqp

    start = time.perf_counter()
    X, y, (periods, n) = case.X, case.y, case.X.shape
    # In units of the typical return, which its absolute tolerances want.
    unit = float(np.sqrt(np.mean(X**2)))
    P, q = (None, -X.mean(axis=0) / unit)
    if problem.startswith("min RMSE"):
        P, q = 2 * X.T @ X / (periods * unit**2), -2 * X.T @ y / (periods * unit**2)
    result = cvqp.solve(
        P=P,
        q=q,
        A=-X / unit,
        beta=_LEVEL,
        kappa=limits["cvar"] / unit,
        B=np.vstack([np.ones((1, n)), np.eye(n)]),
        l=np.concatenate([[1.0], np.zeros(n)]),
        u=np.concatenate([[1.0], np.full(n, np.inf)]),
    )
    w = np.asarray(result.x)
    return time.perf_counter() - start, w, float("nan")


_OF_CVAR, _LIMITED = ("min CVaR",), ("max return, CVaR limited", "min RMSE, CVaR limited")
#: The peers, and the problems that each has, or that are tried with it.
PEERS: dict[str, tuple[Fit, tuple[str, ...]]] = {
    # Its tracker limits the CVaR of the active returns, not of the portfolio.
    "skfolio": (skfolio, tuple(problem for problem in _PROBLEMS if not problem.startswith("min RMSE"))),
    "cvxpy + Clarabel": (textbook, _PROBLEMS),
    "HiGHS simplex, dual LP": (partial(by_highs, "highs-ds"), _OF_CVAR),
    "HiGHS interior point, dual LP": (partial(by_highs, "highs-ipm"), _OF_CVAR),
    "Riskfolio-Lib": (riskfolio, ("min CVaR", "min MAD", "min semi-deviation")),
    "CVQP": (by_cvqp, _LIMITED),
}


def _measure(run: Runner, problem: str, case: Case, limits: dict[str, float]) -> dict[str, Any]:
    first = run(problem, case, limits)
    if isinstance(first, str):
        return {"failure": first}
    calls = [first]
    for _ in range(0 if first[0] > _LONG else 1 if first[0] > 2 else 5):
        again = run(problem, case, limits)
        assert not isinstance(again, str), again
        calls.append(again)
    # The first call loads libraries; it counts where it is the only one.
    timed = calls[1:] or calls
    objective, violation = judge(problem, case, limits, calls[-1][1])
    return {
        "ms": 1e3 * median(seconds for seconds, *_ in timed),
        "objective": objective,
        "violation": violation,
        "gap": calls[-1][2],
    }


COMPETITORS = {"trackfolio": (ours, _PROBLEMS), **PEERS}


def measure_case(size: tuple[int, int], runners: dict[str, Runner]) -> dict[str, Any]:
    """Measure all problems of one size."""
    case = make_case(*size)
    limits = limits_of(case)
    rows = []
    for problem in _PROBLEMS:
        for who, runner in runners.items():
            too_long = who not in _EVERYWHERE and size[0] > _FULL_UP_TO and problem not in _PROBLEMS[:2]
            if too_long or problem not in COMPETITORS[who][1]:
                continue
            rows.append({"problem": problem, "who": who} | _measure(runner, problem, case, limits))
            say(f"{case.name} {rows[-1]}")
    at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return {"case": case.name, "source": case.source, "at": at, "limits": limits, "rows": rows}


def run() -> dict[str, Any]:
    """Measure all problems at all sizes."""
    start = time.monotonic()
    packages = ["trackfolio", "skfolio", "cvxpy", "clarabel", "riskfolio-lib", "cvqp", "scipy", "numpy"]
    description = machine(packages)
    runners = {who: Runner(fit, _TIME_LIMIT) for who, (fit, _) in COMPETITORS.items()}
    cases = [measure_case(size, runners) for size in SIZES]
    for runner in runners.values():
        runner.close()
    return {"machine": description, "minutes": (time.monotonic() - start) / 60, "cases": cases}


_INTRO = """\
# Benchmark of tails

<!-- Written by `make bench-tails`. Change benchmarks/tails.py, not this page. -->

Long-only, fully invested portfolios, CVaR at 95 %; the RMSE is limited to 1.2 times the least, the CVaR to half way
between the least and that of the closest tracker. Each competitor on arrays, on one thread, in a process of its own:
medians of 5 calls after one that is not counted; of one such where a call takes more than 2 s; the first call alone,
where it takes more than {long:.0f} s. A call has {seconds:.0f} s. At N = 500 the peers but
skfolio solve the first two problems only, for the sake of time.

**excess**: objective over the least of those that keep the limits to 1e-6, less 1 (for returns, in the same relative
terms). **violation**: of the limit, the budget or the bounds, relative. **gap**: what trackfolio proves of its own
answer; the others prove nothing. skfolio's tracking error divides by T - 1, so its limit was converted; it has no
least RMSE under a limit on the portfolio's CVaR. HiGHS gets the dual linear program of the least CVaR (N rows, T
columns); CVQP has limits on CVaR only.
"""


def render(results: dict[str, Any]) -> str:
    """Return the page."""
    parts = [_INTRO.format(long=_LONG, seconds=_TIME_LIMIT)]
    for case in results["cases"]:
        lines = [
            "| problem | solver | ms | ÷ trackfolio | excess | violation | gap |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for problem in dict.fromkeys(row["problem"] for row in case["rows"]):
            rows = [row for row in case["rows"] if row["problem"] == problem]
            own = next(row for row in rows if row["who"] == "trackfolio")
            kept = [row["objective"] for row in rows if row.get("violation", 1.0) <= 1e-6]
            best = min(kept, default=float("nan"))
            for row in rows:
                lines.append(_line(row, own, best))
        parts.append(
            f"## {case['case']}\n\n{case['source']}. Measured until {case['at']}.\n\n" + "\n".join(lines) + "\n"
        )
    return "\n".join([*parts, machine_section(results)])


def _line(row: dict[str, Any], own: dict[str, Any], best: float) -> str:
    if "failure" in row:
        return f"| {row['problem']} | {row['who']} | {row['failure']} | – | – | – | – |"
    excess, violation = row["objective"] - best, row["violation"]
    cells = (
        row["problem"],
        row["who"],
        f"{row['ms']:.3g}",
        "1" if row is own else f"{row['ms'] / own['ms']:.3g}x",
        "0" if abs(excess) < 1e-12 * abs(best) else f"{excess / abs(best):.0e}",
        "0" if violation <= 1e-12 else f"{violation:.0e}",
        "–" if np.isnan(row["gap"]) else f"{row['gap']:.0e}",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Measure, and write the raw results and the page."""
    measure_and_write("python -m benchmarks.tails", run, render, _RAW, _PAGE)


if __name__ == "__main__":
    main()
