"""Backtests as fragments of HTML."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from trackfolio._html import BLUE, ORANGE, Line, card, chart, clipped, minus, small_bars, small_chart, table
from trackfolio._portfolio_html import benchmark_line, day_text, number_text, period_text, weights_of
from trackfolio._portfolio_summary import OVERALL, main_column

_MEASURES = (
    "compounded return",
    "volatility",
    "maximum drawdown, compounded",
    "tracking RMSE",
    "tracking error",
    "tracking difference",
    "information ratio",
    "beta",
)
# What tells backtests apart, where there is a benchmark and where there is none.
_RELATIVE = ("tracking error", "tracking difference", "information ratio", "maximum drawdown, compounded")
_OWN = ("compounded return", "volatility", "Sharpe ratio", "maximum drawdown, compounded")


def backtest_html(backtest: Any) -> str:
    """Draw name, period, paths of wealth net and gross, last weights, measures and trades."""
    net, gross = backtest.net, backtest.gross
    lines = [Line("net", net.returns.to_numpy(), BLUE)]
    # Without costs they differ by rounding alone.
    if not np.allclose(net, gross, rtol=0, atol=1e-12):
        lines.append(Line("gross", gross.returns.to_numpy(), ORANGE))
    rival = None if net.benchmark is None else str(net.benchmark.name)
    left = chart([*lines, *benchmark_line(net)]) + weights_of("Largest weights in the end", net)
    return card(net.name or "Backtest", rival, _facts(backtest), left, _measures(backtest) + _trades(backtest))


def _facts(backtest: Any) -> list[str]:
    n = len(backtest.rebalances)
    failures, lifted = backtest.failures, backtest.rebalances["lifted"]
    trades = f"{n} rebalance{'s' if n > 1 else ''}"
    counts = lifted[lifted != ""].value_counts()
    facts = [
        period_text(backtest.net.dates, len(backtest.net)),
        ", ".join([trades, *(f"{count} without {terms}" for terms, count in counts.items())]),
    ]
    if len(failures):
        facts.append(f"{len(failures)} failed, the first on {day_text(failures.index[0])}: {clipped(failures.iloc[0])}")
    return facts


def _measures(backtest: Any) -> str:
    """Net and gross figures side by side, per year where they can be."""
    both = [backtest.net.summary(), backtest.gross.summary()]
    rows = []
    for label in _MEASURES:
        column = main_column(dict(both[0].loc[label])) if label in both[0].index else None
        if column is not None:
            rows.append(
                (
                    _labelled(label, column),
                    [number_text(label, column, float(each.loc[label, column])) for each in both],
                )
            )
    return table("Measures", ["net", "gross"], [rows])


def _trades(backtest: Any) -> str:
    """Turnover, costs and names held as small bars, with their means: without the first purchase, as everywhere."""
    later, means = backtest._later, backtest.later_trades
    rows = [
        ("one-way turnover", later["turnover"], f"{means['turnover']:.2%}", f"{backtest.turnover.sum():.1%}"),
        ("cost", later["cost"], f"{means['cost']:.3%}", f"{backtest.costs.sum():.2%}"),
        ("names held", later["names held"], f"{means['names held']:.3g}", ""),
    ]
    cells = [(label, [_bars(label, values), mean, total]) for label, values, mean, total in rows]
    without = len(backtest.rebalances) - len(later)
    note = " <span class='tf-m'>| each and mean without the purchase from cash</span>" if without else ""
    return f"<div class='tf-t'>Trades{note}</div>{table('Trades', ['each', 'mean', 'in all'], [cells])}"


def _bars(label: str, values: pd.Series) -> str:
    numbers = values.to_numpy(dtype=float)
    low, high = (f"{end:.0f}" if label == "names held" else f"{end:.3%}" for end in (numbers.min(), numbers.max()))
    return small_bars(numbers, f"{label} at {len(numbers)} trades, between {low} and {high}")


def backtests_html(backtests: Mapping[str, Any]) -> str:
    """Draw a row for each backtest: its path of wealth, what sets it apart, and what was traded."""
    if not backtests:
        return card("No backtests", None, (), "")
    nets = [each.net for each in backtests.values()]
    rival = nets[0].benchmark
    facts = [period_text(nets[0].dates, len(nets[0])), "net of costs", "turnover, cost and names held: means of trades"]
    title = f"{len(nets)} backtest{'s' if len(nets) > 1 else ''}"
    return card(title, None if rival is None else str(rival.name), facts, _comparison(backtests))


def _comparison(backtests: Mapping[str, Any]) -> str:
    nets = [each.net for each in backtests.values()]
    summaries = [net.summary() for net in nets]
    columns = {
        label: main_column(dict(summaries[0].loc[label]))
        for label in (_OWN if nets[0].benchmark is None else _RELATIVE)
    }
    shown = {label: column for label, column in columns.items() if column is not None}
    lines = [[Line("net", net.returns.to_numpy(), BLUE), *benchmark_line(net)] for net in nets]
    points = np.concatenate([line.path() for pair in lines for line in pair])
    any_failed = any(len(each.failures) for each in backtests.values())
    rows = []
    for (name, each), pair, summary in zip(backtests.items(), lines, summaries, strict=True):
        later, end = each.later_trades, minus(f"{pair[0].path()[-1]:+.1%}")
        said = f"Compounded return of {name}, {end} in the end"
        cells = [small_chart(pair, said, (points.min(), points.max())), end]
        cells += [number_text(label, column, float(summary.loc[label, column])) for label, column in shown.items()]
        cells += [f"{later['turnover']:.1%}", f"{later['cost']:.3%}", f"{later['names held']:.3g}"]
        rows.append((name, cells + [str(len(each.failures))] * any_failed))
    heads = ["compounded return", "in the end", *(_labelled(*pair) for pair in shown.items())]
    heads += ["turnover", "cost", "names held"] + ["failed"] * any_failed
    return table("Backtests", heads, [rows])


def _labelled(label: str, column: str) -> str:
    return label if column == OVERALL else f"{label}, {column}"
