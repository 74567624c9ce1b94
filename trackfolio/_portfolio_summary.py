"""The table of a portfolio's measures."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import trackfolio.risks as risks
from trackfolio._metric_input import nan_says_it
from trackfolio.risks import Risk


@dataclass(frozen=True)
class _Row:
    """One measure: a method of the portfolio, and the columns in which it has a meaning."""

    label: str
    method: str
    columns: tuple[str, ...]
    least_periods: int = 1
    risk: Risk | None = None


PER_PERIOD, ANNUALISED, OVERALL = COLUMNS = ("per period", "annualised", "overall")
# Measures that are no share of anything: shown as numbers rather than in per cent.
RATIOS = {"Sharpe ratio", "information ratio", "beta", "squared correlation", "CVaR 95 % ratio"}
_RATE = (PER_PERIOD, ANNUALISED)
_TOTAL = (ANNUALISED, OVERALL)

_OWN = (
    _Row("mean return", "mean_return", _RATE),
    _Row("volatility", "volatility", _RATE, 2),
    _Row("Sharpe ratio", "sharpe_ratio", _RATE, 2),
    _Row("compounded return", "compounded_return", _TOTAL),
    _Row("maximum drawdown, compounded", "max_drawdown", (OVERALL,)),
)
_RELATIVE = (
    _Row("tracking RMSE", "tracking_rmse", _RATE),
    _Row("tracking error", "tracking_error", _RATE, 2),
    _Row("mean active return", "mean_active_return", _RATE),
    _Row("information ratio", "information_ratio", _RATE, 2),
    _Row("tracking difference", "tracking_difference", _TOTAL),
    _Row("alpha", "alpha", _RATE, 2),
    _Row("beta", "beta", (OVERALL,), 2),
    _Row("squared correlation", "squared_correlation", (OVERALL,), 2),
)
_BY_WEIGHTS = (_Row("active share", "active_share", (OVERALL,)),)


# Risks of the portfolio's own returns that stand under other names: volatility and its square.
_KNOWN = ("RootMeanSquare", "StandardDeviation", "Variance")


@cache
def _of_risks() -> list[_Row]:
    """A row for each risk that needs no parameters: a new one appears by itself."""
    rows = []
    for name in risks.__all__:
        cls = getattr(risks, name)
        needed = [p for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
        if cls is not Risk and name not in _KNOWN and not needed:
            risk = cls()
            rows.append(_Row(risk.label, "risk", (OVERALL if risk.of_path else PER_PERIOD,), 2, risk))
    return [*rows, _Row("CVaR 95 % ratio", "ratio", (PER_PERIOD,), 1, risks.CVaR())]


def summary_table(portfolio: Any) -> pd.DataFrame:
    """Measures in rows; nan where one is not defined or cannot be annualised."""
    rows = list(_OWN)
    rows += _RELATIVE if portfolio.benchmark is not None else ()
    rows += _BY_WEIGHTS if portfolio.benchmark_weights is not None else ()
    rows[len(_OWN) : len(_OWN)] = _of_risks()
    with nan_says_it():
        values = [[_value(portfolio, row, column) for column in COLUMNS] for row in rows]
    index = pd.Index([row.label for row in rows], name="measure")
    return pd.DataFrame(values, index=index, columns=list(COLUMNS), dtype=np.float64)


def main_column(row: Mapping[str, float]) -> str | None:
    """Where the figure of a measure stands that is asked for first: per year where it can be; None if undefined."""
    return next((column for column in (ANNUALISED, OVERALL, PER_PERIOD) if not np.isnan(row[column])), None)


def _value(portfolio: Any, row: _Row, column: str) -> float:
    annualised = column == ANNUALISED
    unknown = annualised and portfolio.periods_per_year is None
    if column not in row.columns or len(portfolio) < row.least_periods or unknown:
        return float("nan")
    if row.risk is not None:
        return float(getattr(portfolio, row.method)(row.risk))
    method: Callable[..., float] = getattr(portfolio, row.method)
    if row.label.endswith(", compounded"):
        return method(compounded=True)
    return method(annualised=True) if annualised else method()
