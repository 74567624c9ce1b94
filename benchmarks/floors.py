"""Where the time of the interior-point method goes, and how far it is from its floor.

The floor is one pass over the returns, which any proof needs, and the products X'DX of the iterations, of the rows and
columns that take part in each, at the rate of the machine.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.phases import REST, phases_of
from benchmarks.problems import Case
from trackfolio import MeanRisk
from trackfolio.risks import CVaR
from trackfolio.solvers.interior_point._maps import Rows

_PLACE = "trackfolio.solvers.interior_point."
PHASES = {
    "data and problem": ("trackfolio.mean_risk:MeanRisk._problem", f"{_PLACE}_translate:Translation.__init__"),
    "X'DX": (f"{_PLACE}_maps:Rows.gram",),
    "factorisation": (f"{_PLACE}_newton:Newton._factors",),
    "products and solves": (f"{_PLACE}_newton:Newton.direction", f"{_PLACE}_program:Residuals.at"),
    "parts of the problem": (
        f"{_PLACE}_shrinking:Part.expanded",
        f"{_PLACE}_shrinking:without_settled",
        f"{_PLACE}_shrinking:restricted",
        f"{_PLACE}_near:_part_near",
        f"{_PLACE}_sample:_sample",
    ),
    "proof": ("trackfolio.solvers:certify", "trackfolio.solvers:multipliers"),
}


def measure_floor(case: Case, limit: float | None, repetitions: int) -> dict[str, Any]:
    """Seconds of each phase of the least CVaR, and of the floor."""
    model = MeanRisk(CVaR(), max_tracking_error=limit)
    with _counted() as operations:
        model.fit(case.X, case.y)
    rates = {single: _rate(min(case.n_assets, 500), single) for single in (False, True)}
    floor = sum(count / rates[single] for single, count in operations.items())
    floor += _seconds(lambda: case.X @ model.weights_)
    found = phases_of(lambda: model.fit(case.X, case.y), PHASES, repetitions)
    return found | {"floor": floor, "iterations": model.solution_.iterations, "limited": limit is not None}


@contextmanager
def _counted() -> Iterator[dict[bool, float]]:
    """Multiplications and additions of all products X'DX, in double and in single precision."""
    operations, own = {False: 0.0, True: 0.0}, Rows.gram

    def counting(self: Rows, d: Any, *, roughly: bool = False) -> Any:
        operations[roughly] += self.size * self.matrix.shape[1] ** 2
        return own(self, d, roughly=roughly)

    with patch.object(Rows, "gram", counting):
        yield operations


def _rate(columns: int, single: bool) -> float:
    """Operations a second of A'A."""
    A = np.ones((4096, columns), dtype=np.float32 if single else np.float64)
    return len(A) * columns**2 / _seconds(lambda: A.T @ A)


def _seconds(call: Callable[[], Any]) -> float:
    call()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def floors_table(rows: list[dict[str, Any]]) -> str:
    """The table of the page: shares of the total, and the total over the floor."""
    names = [*PHASES, REST]
    lines = [
        "| case | RMSE | iterations | ms | " + " | ".join(names) + " | floor, ms | ÷ floor |",
        "| --- | --- | ---: | ---: |" + " ---: |" * (len(names) + 2),
    ]
    for row in rows:
        shares = " | ".join(f"{100 * row['seconds'][name] / row['total']:.0f} %" for name in names)
        lines.append(
            f"| {row['case']} | {'limited' if row['limited'] else 'free'} | {row['iterations']} | "
            f"{1e3 * row['total']:.3g} | {shares} | {1e3 * row['floor']:.3g} | {row['total'] / row['floor']:.1f} |"
        )
    return "\n".join(lines)
