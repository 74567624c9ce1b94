"""Figures in tables."""

from html import escape

import numpy as np
import pandas as pd

from trackfolio._html import clipped, minus
from trackfolio._portfolio_html import day_text, held_assets
from trackfolio._portfolio_summary import ANNUALISED, OVERALL, PER_PERIOD, RATIOS, main_column
from trackfolio.metrics import tracking_difference
from trackfolio.model_selection import Backtest
from trackfolio.portfolio import Portfolio
from trackfolio.report._page import table

_SHOWN = 25
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# In the order in which a manager is asked for them.
_HEADLINE = (
    "tracking RMSE",
    "tracking error",
    "tracking difference",
    "information ratio",
    "beta",
    "active share",
    "compounded return",
    "volatility",
    "CVaR 95 %",
    "maximum drawdown, compounded",
)


def headline(subject: Portfolio | Backtest, portfolio: Portfolio) -> str:
    """The figures that are asked for first: per year where they can be, and per period below."""
    summary = portfolio.summary()
    tiles = []
    for label in _HEADLINE:
        if label not in summary.index:
            continue
        row = dict(zip(summary.columns, summary.loc[[label]].to_numpy()[0].tolist(), strict=True))
        main = main_column(row)
        if main is None:
            continue
        others = [column for column in (PER_PERIOD, OVERALL) if column != main and not np.isnan(row[column])]
        small = f"{_number(label, row[others[0]])} {_when(others[0])}" if others else ""
        tiles.append(_tile(label, _number(label, row[main]), f"{_when(main)}{' · ' if small else ''}{small}"))
    if isinstance(subject, Backtest):
        later, paid = subject.later_trades, subject.costs.sum()
        n, first = len(subject.turnover), " after the first" if len(subject._later) < len(subject.turnover) else ""
        tiles.append(_tile("turnover, one-way", f"{later['turnover']:.1%}", f"a trade{first}, {n} trades"))
        tiles.append(_tile("costs of trading", f"{paid:.2%}", "of the value, all trades"))
    return f'<dl class="tiles">{"".join(tiles)}</dl>\n'


def _tile(label: str, figure: str, small: str) -> str:
    return f"<div><dt>{escape(label)}</dt><dd>{minus(escape(figure))}<small>{minus(escape(small))}</small></dd></div>"


def _when(column: str) -> str:
    return {ANNUALISED: "a year", OVERALL: "overall", PER_PERIOD: "a period"}[column]


def _number(label: str, value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.2f}" if label in RATIOS else f"{value:.3%}" if abs(value) < 0.02 else f"{value:.2%}"


def summary(portfolio: Portfolio) -> str:
    """All measures, as `Portfolio.summary` has them."""
    frame = portfolio.summary().dropna(how="all")
    texts = [
        [minus(_number(str(label), value)) for value in row]
        for label, row in zip(frame.index, frame.to_numpy(), strict=True)
    ]
    return table(
        pd.DataFrame(texts, frame.index, frame.columns), "Measures per period, annualised and over all periods"
    )


def active_returns_by_month(portfolio: Portfolio) -> str:
    """Compounded return less the benchmark's in each month and calendar year; nothing without dates or benchmark."""
    if portfolio.benchmark is None or not isinstance(portfolio.dates, pd.DatetimeIndex):
        return ""
    pairs = pd.DataFrame({"p": portfolio.returns, "b": portfolio.benchmark})
    dates = portfolio.dates
    years = pairs.groupby(dates.year).apply(_difference)
    values = np.column_stack([np.full((len(years), 12), np.nan), years])
    for row, year in enumerate(years.index):
        months = pairs[dates.year == year].groupby(dates[dates.year == year].month).apply(_difference)
        values[row, months.index.to_numpy() - 1] = months

    def kind(i: int, j: int) -> str:
        total = " total" if j == 12 else ""
        return ("" if np.isnan(values[i, j]) else "down" if values[i, j] < 0 else "up") + total

    texts = [["" if np.isnan(value) else minus(f"{value:+.2%}") for value in row] for row in values]
    shown = pd.DataFrame(texts, years.index.rename("year"), [*_MONTHS, "year"])
    return table(shown, "Compounded return of the portfolio less that of the benchmark", classes=kind)


def _difference(pairs: pd.DataFrame) -> float:
    return tracking_difference(pairs["b"], pairs["p"])


def holdings(portfolio: Portfolio) -> str:
    """The largest weights, against those of the benchmark where these are known."""
    weights, benchmark = portfolio.weights, portfolio.benchmark_weights
    order = weights.abs().sort_values(ascending=False, kind="stable").index
    n_held = held_assets(weights.to_numpy())
    if not n_held:
        return "<p>Nothing was held after the last period.</p>\n"
    shown = order[: min(n_held, _SHOWN)]
    frame = pd.DataFrame({"weight": weights[shown]})
    if benchmark is not None:
        frame["benchmark"], frame["active"] = benchmark[shown], (weights - benchmark)[shown]
    others = order[len(shown) : n_held]
    if len(others):
        last = [weights[others].sum()]
        last += [] if benchmark is None else [benchmark[others].sum(), (weights - benchmark)[others].sum()]
        frame.loc[f"{len(others)} others"] = last
    texts = frame.map(lambda value: minus(f"{value:.2%}"))
    texts.index.name = "name"
    cash = 1 - float(weights.sum())
    rest = f"; {cash:.2%} in cash" if abs(cash) > 5e-5 else ""
    return table(texts, f"Largest of {n_held} positions after the last period{rest}", kind="names")


def trades(backtest: Backtest) -> str:
    """The last rebalances, and what the last one bought and sold."""
    rows = backtest.rebalances.iloc[-12:]
    texts = pd.DataFrame(
        {
            "turnover": [f"{value:.2%}" for value in rows["turnover"]],
            "cost": [f"{value:.3%}" for value in rows["cost"]],
            "names": rows["names held"].astype(str),
            "gap": ["" if np.isnan(value) else f"{value:.0e}" for value in rows["gap"]],
            "remark": [_remark(*pair) for pair in zip(rows["failure"], rows["lifted"], strict=True)],
        }
    )
    if not texts["remark"].any():
        texts = texts.drop(columns="remark")
    texts.index = pd.Index([day_text(label) for label in rows.index], name="first period")
    caption = f"The last {len(rows)} of {len(backtest.rebalances)} rebalances"
    text = table(texts, caption, kind="remarks" if "remark" in texts else "")
    if len(backtest.failures):
        text += f"<p>{len(backtest.failures)} fits failed; at these dates nothing was traded.</p>"
    return text


def _remark(failure: str, lifted: str) -> str:
    return f"failed: {clipped(failure)}" if failure else f"without {lifted}: nothing was held" if lifted else ""
