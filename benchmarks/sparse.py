"""Portfolios of few names against the peers: `python -m benchmarks.sparse`.

Each competitor runs in a process of its own, one at a time, on one thread; errors are recomputed from the weights in
NumPy by one definition.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from benchmarks.machine import machine
from benchmarks.measure import say
from benchmarks.page import measure_and_write
from benchmarks.problems import Array, Case
from benchmarks.risks import Runner
from benchmarks.sparse_page import OURS, SCIP, SCIP_ALL, SKFOLIO, render
from benchmarks.worker import Failure, in_own_process
from trackfolio import MeanRisk, MinTrackingError
from trackfolio.datasets import load_sp500, make_index_market
from trackfolio.risks import Variance
from trackfolio.solvers import Sparse

_ROOT = Path(__file__).parents[1]
_RAW = _ROOT / "benchmarks" / "results" / "sparse.json"
_PAGE = _ROOT / "docs" / "benchmark_sparse.md"
_DATA = _ROOT.parent / "shared" / "data" / "orlib"
_EMBEDDED = "S&P 500"
# Gap of the root at which trackfolio has its proof; SCIP stops at the like of the square.
_TOLERANCE = 1e-6
# Weights below this, which integers within their tolerance leave, are none.
_NOTHING = 1e-6
# Seconds that trackfolio has in all cases, and its peers in some; and how much later a call may end.
_LONG, _GRACE = 60.0, 120.0


class Cell(NamedTuple):
    """An index, the weeks (all days of the embedded one), the names to be held, and seconds for the peers at most."""

    data: str
    periods: int | None
    names: int
    peers_up_to: float

    @property
    def label(self) -> str:
        """Name of the data."""
        return self.data if self.periods in (None, 145) else f"{self.data}, {self.periods} weeks"


CELLS = (
    Cell("indtrack1", 145, 5, _LONG),
    Cell("indtrack1", 145, 10, 10),
    Cell("indtrack1", 145, 20, 10),
    Cell("indtrack2", 145, 5, 10),
    Cell("indtrack2", 145, 10, _LONG),
    Cell("indtrack2", 145, 20, 10),
    Cell("indtrack3", 145, 5, 10),
    Cell("indtrack3", 145, 10, 10),
    Cell("indtrack3", 145, 20, 10),
    Cell("indtrack4", 145, 5, 10),
    Cell("indtrack4", 145, 10, 10),
    Cell("indtrack4", 145, 20, 10),
    Cell("indtrack4", 60, 10, _LONG),
    Cell(_EMBEDDED, None, 5, 10),
    Cell(_EMBEDDED, None, 10, 10),
)
MIN_VARIANCE = tuple((f"indtrack{i}", names) for i in (1, 2, 3, 4) for names in (5, 10))
MIN_VARIANCE_LIMIT = 15.0
# Assets, names, seconds.
FACTORS = ((500, 50, 10.0), (500, 50, 60.0), (2000, 100, 10.0))


class Answer(NamedTuple):
    """Wall time of a call, weights and bound (of the squared error) if there are any, and how it ended."""

    seconds: float
    weights: Array | None
    bound: float | None
    status: str
    #: The search ended by itself: longer limits would change nothing.
    is_done: bool
    #: Squared error that the library itself states.
    stated: float | None = None


Fit = Callable[[Case, int, float], Answer]


@cache
def load(data: str, periods: int | None) -> Case | None:
    """Returns of an index and its stocks; None where the file is missing."""
    if data == _EMBEDDED:
        frame, series = load_sp500(start="2021-01-01", return_X_y=True)
        source = f"S&P 500 and 20 of its stocks, daily, {series.index[0]:%Y-%m-%d} to {series.index[-1]:%Y-%m-%d}"
        return Case(frame.shape[1], len(frame), np.array(frame, order="C"), np.array(series), source)
    path = _DATA / f"{data}.csv.gz"
    if not path.exists():
        say(f"{data} is left out: there is no {path}")
        return None
    prices = np.genfromtxt(path, delimiter=",", skip_header=1)
    returns = (prices[1:] / prices[:-1] - 1)[:periods]
    X, y = np.array(returns[:, 1:], order="C"), np.array(returns[:, 0])
    return Case(X.shape[1], len(y), X, y, f"{data} of the OR-Library, its first {len(y)} weekly returns")


# Tracking an index: the competitors.


def ours(case: Case, names: int, limit: float) -> Answer:
    """Trackfolio."""
    solver = Sparse(tolerance=_TOLERANCE, time_limit=limit, progress=False)
    start = time.perf_counter()
    model = MinTrackingError(cardinality=names, solver=solver).fit(case.X, case.y)
    seconds, found = time.perf_counter() - start, model.solution_
    bound, is_done = max(found.lower_bound, 0.0) ** 2, found.status == "optimal"
    return Answer(seconds, model.weights_, bound, found.status, is_done, found.objective**2)


def scip(case: Case, names: int, limit: float) -> Answer:
    """The textbook program in cvxpy, with as few rows as there can be: those of a QR decomposition."""
    start = time.perf_counter()
    rows = np.asarray(np.linalg.qr(np.column_stack([case.X, case.y]), mode="r"))
    return _by_scip(case, rows, names, start, limit)


def scip_all_periods(case: Case, names: int, limit: float) -> Answer:
    """The textbook program in cvxpy as it is written, with a row for each period."""
    start = time.perf_counter()
    return _by_scip(case, np.column_stack([case.X, case.y]), names, start, limit)


def _by_scip(case: Case, rows: Array, names: int, start: float, limit: float) -> Answer:
    """Least squares of all columns but the last against that one; what compiling takes is off the time of SCIP."""
    import cvxpy as cp

    n = case.n_assets
    # In units of the error of equal weights, since SCIP's tolerances are absolute.
    unit = float(np.sum((rows[:, :n].mean(axis=1) - rows[:, n]) ** 2))
    scaled = rows / np.sqrt(unit)
    w, z = cp.Variable(n, nonneg=True), cp.Variable(n, boolean=True)
    error = cp.sum_squares(scaled[:, :n] @ w - scaled[:, n])
    problem = cp.Problem(cp.Minimize(error), [cp.sum(w) == 1, w <= z, cp.sum(z) <= names])
    data, chain, inverse = problem.get_problem_data("SCIP")
    left = max(limit - (time.perf_counter() - start), 0.0)
    options = {"scip_params": {"limits/gap": 2 * _TOLERANCE, "limits/time": left}}
    raw = chain.solve_via_data(problem, data, solver_opts=options)
    seconds, model, status = time.perf_counter() - start, raw["model"], raw["scip_status"]
    weights = None
    if model.getNSols() > 0:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            problem.unpack_results(raw, chain, inverse)
        weights = np.asarray(w.value)
    bound = max(float(model.getDualbound()) + float(inverse[-1].get("offset", 0.0)), 0.0)
    return Answer(seconds, weights, unit * bound / case.n_periods, status, status != "timelimit")


def skfolio(case: Case, names: int, limit: float) -> Answer:
    """Skfolio's tracker through SCIP with the options that it sets itself, and the time limit.

    It minimises the standard deviation of the active returns. These are given twice, once with the other sign: then
    their mean is 0, and the portfolio of least standard deviation is that of least mean square.
    """
    from skfolio.optimization import BenchmarkTracker  # type: ignore[import-not-found]

    start = time.perf_counter()
    options = {"numerics/feastol": 1e-8, "limits/gap": 1e-8, "limits/time": limit}
    model = BenchmarkTracker(cardinality=names, solver="SCIP", solver_params=options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.vstack([case.X, -case.X]), np.concatenate([case.y, -case.y]))
    seconds = time.perf_counter() - start
    is_done = seconds < limit
    return Answer(seconds, np.asarray(model.weights_), None, "ended" if is_done else "time limit", is_done)


#: Who is measured, and at which limits, in seconds.
COMPETITORS: dict[str, tuple[Fit, tuple[float, ...]]] = {
    OURS: (ours, (0.1, 1.0, 10.0, 60.0)),
    SCIP: (scip, (0.1, 1.0, 10.0, 60.0)),
    SCIP_ALL: (scip_all_periods, (10.0,)),
    SKFOLIO: (skfolio, (10.0, 60.0)),
}


def judge(case: Case, weights: Array) -> dict[str, Any]:
    """Mean squared error of the names that are held, made to sum to 1, and by how much the weights broke that."""
    held = np.where(np.abs(weights) > _NOTHING, weights, 0.0)
    value = float(np.mean((case.X @ (held / held.sum()) - case.y) ** 2))
    violation = max(abs(float(weights.sum()) - 1), -float(weights.min()), 0.0)
    return {"value": value, "held": int(np.count_nonzero(held)), "violation": violation}


def over_time(cell: Cell, runners: dict[str, Runner]) -> list[dict[str, Any]]:
    """What each competitor has when its time is over; a search that ended by itself stands for all longer limits."""
    case = load(cell.data, cell.periods)
    if case is None:
        return []
    rows = []
    for who, runner in runners.items():
        if who == SCIP_ALL and cell.peers_up_to < _LONG:
            continue
        longest = _LONG if who == OURS else cell.peers_up_to
        limits = [limit for limit in COMPETITORS[who][1] if limit <= longest]
        while limits:
            answer: Any = runner(case, cell.names, limits[0])
            failed = isinstance(answer, str)
            covered = limits if not failed and answer.is_done else limits[:1]
            row = {"case": cell.label, "size": case.name, "names": cell.names, "who": who, "limits": covered}
            rows.append(row | ({"failure": answer} if failed else _record(case, answer)))
            say(f"{rows[-1]}")
            limits = limits[len(covered) :]
    return rows


def _record(case: Case, answer: Answer) -> dict[str, Any]:
    kept = answer._asdict()
    weights = kept.pop("weights")
    return kept | ({"value": None} if weights is None else judge(case, weights))


def measure_over_time() -> list[dict[str, Any]]:
    """All cells; every process solves a small problem first, so that libraries and compiled code are loaded."""
    runners = {who: Runner(fit, limits[-1] + _GRACE) for who, (fit, limits) in COMPETITORS.items()}
    small = load(_EMBEDDED, None)
    for who, runner in runners.items():
        answer: Any = runner(small, 4, 5.0)
        say(f"warm-up of {who}: {answer if isinstance(answer, str) else answer.status}")
    rows = [row for cell in CELLS for row in over_time(cell, runners)]
    for runner in runners.values():
        runner.close()
    return rows


# Other risks, and the first call: trackfolio alone.


def least_variance(case: Case, names: int, limit: float) -> dict[str, Any]:
    """The portfolio of least variance."""
    start = time.perf_counter()
    model = MeanRisk(cardinality=names, solver=Sparse(time_limit=limit, progress=False)).fit(case.X)
    seconds, found = time.perf_counter() - start, model.solution_
    value = float(model.weights_ @ np.cov(case.X.T) @ model.weights_)
    return {
        "seconds": seconds,
        "value": value,
        "bound": found.lower_bound,
        "nodes": found.nodes,
        "status": found.status,
    }


def factor_risk(n_assets: int, names: int, limit: float) -> dict[str, Any]:
    """An index tracked by its weights, with the covariance of ten factors."""
    from sklearn.decomposition import FactorAnalysis

    market = make_index_market(n_assets=n_assets, n_periods=1000, random_state=0)
    risk, solver = Variance(FactorAnalysis(10)), Sparse(time_limit=limit, progress=False)
    model = MinTrackingError(risk, cardinality=names, benchmark_weights=market.weights, solver=solver)
    start = time.perf_counter()
    model.fit(market.X)
    seconds, found = time.perf_counter() - start, model.solution_
    return {
        "seconds": seconds,
        "solving": found.seconds,
        "value": found.objective,
        "bound": found.lower_bound,
        "nodes": found.nodes,
        "status": found.status,
    }


def measure_others() -> dict[str, list[dict[str, Any]]]:
    """Least variance and factor covariances, each in one process that has solved a small problem."""
    small = load(_EMBEDDED, None)
    runner, rows = Runner(least_variance, MIN_VARIANCE_LIMIT + _GRACE), []
    runner(small, 4, 5.0)
    for data, names in MIN_VARIANCE:
        case = load(data, 145)
        if case is not None:
            head = {"case": data, "size": case.name, "names": names, "limit": MIN_VARIANCE_LIMIT}
            rows.append(head | _outcome(runner(case, names, MIN_VARIANCE_LIMIT)))
            say(f"{rows[-1]}")
    runner.close()
    runner, factors = Runner(factor_risk, max(limit for *_, limit in FACTORS) + _GRACE), []
    runner(40, 5, 2.0)
    for n_assets, names, limit in FACTORS:
        head = {"n_assets": n_assets, "names": names, "limit": limit}
        factors.append(head | _outcome(runner(n_assets, names, limit)))
        say(f"{factors[-1]}")
    runner.close()
    return {"min_variance": rows, "factors": factors}


def _outcome(answer: Any) -> dict[str, Any]:
    return {"failure": answer} if isinstance(answer, str) else answer


def _two_fits(case: Case) -> list[float]:
    """Seconds of the first fit in a process, and of the second."""
    return [ours(case, 5, 60.0).seconds for _ in range(2)]


def measure_first() -> dict[str, Any] | None:
    """The first call with nothing compiled, the first with what another process compiled, and the second."""
    case = load("indtrack1", 145)
    if case is None:
        return None
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, NUMBA_CACHE_DIR=folder):
        empty, filled = (in_own_process(_two_fits, case) for _ in range(2))
    for outcome in (empty, filled):
        if isinstance(outcome, Failure):
            return {"failure": outcome.reason}
    seconds = {"empty": empty[0], "filled": filled[0], "warm": filled[1]}
    return {"case": "indtrack1", "size": case.name, "names": 5} | seconds


def run() -> dict[str, Any]:
    """Measure all."""
    start = time.monotonic()
    description = machine(["trackfolio", "skfolio", "pyscipopt", "cvxpy", "numba"])
    sources = {cell.label: case.source for cell in CELLS if (case := load(cell.data, cell.periods)) is not None}
    results = {"sources": sources, "over_time": measure_over_time()} | measure_others() | {"first": measure_first()}
    return {"machine": description, "minutes": (time.monotonic() - start) / 60} | results


def main() -> None:
    """Measure, and write the raw results and the page."""
    measure_and_write("python -m benchmarks.sparse", run, render, _RAW, _PAGE)


if __name__ == "__main__":
    main()
