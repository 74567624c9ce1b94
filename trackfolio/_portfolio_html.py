"""A portfolio as a fragment of HTML."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from trackfolio._html import BLUE, GREY, HELD, Line, card, chart, minus, table, weight_bars
from trackfolio._portfolio_summary import COLUMNS, PER_PERIOD, RATIOS
from trackfolio._validation import Array

_FINE = {"tracking RMSE", "tracking error"}


def period_text(dates: pd.Index | None, n_periods: int) -> str:
    """Say how many periods there are and, if they are dated, from when to when."""
    text = f"{n_periods} period{'s' if n_periods > 1 else ''}"
    return text if dates is None else f"{text} from {day_text(dates[0])} to {day_text(dates[-1])}"


def held_assets(weights: Array) -> int:
    """Count the weights that are not 0, up to what a solver leaves of it."""
    return int((np.abs(weights) > HELD).sum())


def portfolio_html(portfolio: Any) -> str:
    """Draw name, period, path of wealth, largest weights and summary."""
    weights, benchmark = portfolio.weights, portfolio.benchmark
    facts = (
        period_text(portfolio.dates, len(portfolio)),
        f"{held_assets(weights.to_numpy())} of {len(weights)} assets held",
        f"weights sum to {weights.sum():.4g}",
    )
    lines = [Line("portfolio", portfolio.returns.to_numpy(), BLUE), *benchmark_line(portfolio)]
    bars = weights_of("Largest weights", portfolio)
    rival = None if benchmark is None else str(benchmark.name)
    return card(portfolio.name or "Portfolio", rival, facts, chart(lines) + bars, _summary(portfolio.summary()))


def benchmark_line(portfolio: Any) -> Sequence[Line]:
    """The benchmark, where there is one."""
    benchmark = portfolio.benchmark
    return [] if benchmark is None else [Line("benchmark", benchmark.to_numpy(), GREY)]


def weights_of(title: str, portfolio: Any) -> str:
    """Bars of the largest weights of a portfolio."""
    weights, marks = portfolio.weights, portfolio.benchmark_weights
    return weight_bars(title, list(weights.index), weights.to_numpy(), None if marks is None else marks.to_numpy())


def day_text(label: Any) -> str:
    """The day of a label that has one, else the label."""
    return f"{label:%Y-%m-%d}" if hasattr(label, "strftime") else str(label)


def _summary(summary: pd.DataFrame) -> str:
    """Write what is defined of the summary, with space between the portfolio's own and what is relative."""
    summary = summary.dropna(how="all")
    rows = [
        (str(label), [number_text(str(label), column, value) for column, value in zip(COLUMNS, values, strict=True)])
        for label, values in zip(summary.index, summary.to_numpy(), strict=True)
    ]
    first = next((i for i, (label, _) in enumerate(rows) if label == "tracking RMSE"), len(rows))
    return table("Measures", COLUMNS, [group for group in (rows[:first], rows[first:]) if group])


def number_text(measure: str, column: str, value: float) -> str:
    """A measure as text; nothing where it is not defined."""
    if np.isnan(value):
        return ""
    if measure in RATIOS:
        return minus(f"{value:.3f}")
    digits = 3 if column == PER_PERIOD or measure in _FINE else 2
    # What would round to 0 keeps its size.
    small = 0 < abs(value) < 0.5 * 10.0 ** (-digits - 2)
    return minus(f"{100 * value:.1e}%" if small else f"{value:.{digits}%}")
