"""A portfolio as a fragment of HTML: self-contained, without scripts, for dark and light themes."""

from html import escape
from typing import Any

import numpy as np
import pandas as pd

from trackfolio._paths import cumulated
from trackfolio._validation import Array

_SHOWN = 10
# Smaller weights are what solvers leave of a 0; only counted, never rounded.
_HELD = 1e-6
_WIDTH, _HEIGHT = 380, 110
_BLUE, _ORANGE, _GREY = "#3b8ad9", "#e0783c", "#8c8c8c"
_FINE = {"tracking RMSE", "tracking error"}
_RATIOS = {"Sharpe ratio", "information ratio", "beta", "squared correlation"}

# Greys that are half transparent and two colours of middle lightness suit any background.
_STYLE = f"""<style>
.tf-p{{color:inherit;font:13px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif;max-width:960px;
 border:1px solid rgba(128,128,128,.35);border-radius:8px;padding:14px 18px;text-align:left}}
.tf-p .tf-h{{font-size:15px;font-weight:600}}
.tf-p .tf-m{{opacity:.68}}
.tf-p .tf-c{{display:flex;flex-wrap:wrap;gap:8px 36px;margin-top:12px;align-items:flex-start}}
.tf-p .tf-l{{flex:1 1 300px;min-width:260px;max-width:420px}}
.tf-p .tf-r{{flex:1 1 400px}}
.tf-p .tf-t{{font-weight:600;margin:0 0 4px}}
.tf-p table{{border-collapse:collapse;width:100%;margin:0;border:0;font-size:13px;color:inherit}}
.tf-p tr,.tf-p tbody tr:nth-child(odd),.tf-p tbody tr:hover{{background:transparent}}
.tf-p td,.tf-p th{{border:0;padding:2px 0 2px 14px;text-align:right;white-space:nowrap;
 font-weight:400;font-variant-numeric:tabular-nums;background:transparent;color:inherit}}
.tf-p td:first-child,.tf-p th:first-child{{text-align:left;padding-left:0;overflow:hidden;
 text-overflow:ellipsis;max-width:210px}}
.tf-p thead>tr>*{{opacity:.68;border-bottom:1px solid rgba(128,128,128,.35)}}
.tf-p tbody+tbody tr:first-child>*{{padding-top:8px}}
.tf-p td.tf-w{{width:58%}}
.tf-p .tf-x{{position:relative;display:block;height:10px}}
.tf-p .tf-x i{{position:absolute;top:0;height:10px;border-radius:2px;background:{_BLUE}}}
.tf-p .tf-x i.tf-n{{background:{_ORANGE}}}
.tf-p .tf-x u{{position:absolute;top:-2px;height:14px;width:2px;opacity:.75;
 background:currentColor}}
.tf-p .tf-k{{font-weight:400;font-size:12px;margin-right:14px}}
.tf-p .tf-k b{{display:inline-block;width:8px;height:8px;border-radius:4px;margin-right:4px}}
.tf-p svg{{display:block;width:100%;height:auto;margin-bottom:10px;overflow:visible}}
</style>"""


def period_text(dates: pd.Index | None, n_periods: int) -> str:
    """Say how many periods there are and, if they are dated, from when to when."""
    text = f"{n_periods} period{'s' if n_periods > 1 else ''}"
    return text if dates is None else f"{text} from {day_text(dates[0])} to {day_text(dates[-1])}"


def held_assets(weights: Array) -> int:
    """Count the weights that are not 0, up to what a solver leaves of it."""
    return int((np.abs(weights) > _HELD).sum())


def portfolio_html(portfolio: Any) -> str:
    """Draw name, period, path of wealth, largest weights and summary."""
    weights, benchmark = portfolio.weights, portfolio.benchmark
    facts = (
        period_text(portfolio.dates, len(portfolio)),
        f"{held_assets(weights.to_numpy())} of {len(weights)} assets held",
        f"weights sum to {weights.sum():.4g}",
    )
    marks = portfolio.benchmark_weights
    bars = _bars(list(weights.index), weights.to_numpy(), None if marks is None else marks.to_numpy())
    title = escape(portfolio.name or "Portfolio")
    if benchmark is not None:
        title += f" <span class='tf-m'>against {escape(benchmark.name)}</span>"
    return (
        f"{_STYLE}<div class='tf-p'><div class='tf-h'>{title}</div>"
        f"<div class='tf-m'>{escape(' · '.join(facts))}</div><div class='tf-c'>"
        f"<div class='tf-l'>{_chart(portfolio)}{bars}</div>"
        f"<div class='tf-r'>{_table(portfolio.summary())}</div></div></div>"
    )


def day_text(label: Any) -> str:
    """The day of a label that has one, else the label."""
    return f"{label:%Y-%m-%d}" if hasattr(label, "strftime") else str(label)


def _chart(portfolio: Any) -> str:
    """Paths of the compounded return of the portfolio and, behind it, of its benchmark."""
    series = [(portfolio.returns, _BLUE)]
    if portfolio.benchmark is not None:
        series.append((portfolio.benchmark, _GREY))
    # A point for each pixel is enough, however long the history.
    keep = np.unique(np.linspace(0, len(portfolio), min(len(portfolio) + 1, _WIDTH)).astype(int))
    paths = [np.append(0.0, cumulated(r.to_numpy(), compounded=True))[keep] for r, _ in series]
    high, low = max(map(np.max, paths)), min(map(np.min, paths))
    x, scale = keep / keep[-1] * _WIDTH, _HEIGHT / ((high - low) or 1.0)
    lines = [_line(x, (high - path) * scale, colour) for path, (_, colour) in zip(paths, series, strict=True)]
    ends = " ".join(
        f"<span class='tf-k'><b style='background:{colour}'></b>{who} {_minus(f'{path[-1]:+.1%}')}</span>"
        for path, (_, colour), who in zip(paths, series, ("portfolio", "benchmark"), strict=False)
    )
    return (
        f"<div class='tf-t'>Compounded return</div>{ends}"
        f"<svg viewBox='0 -2 {_WIDTH} {_HEIGHT + 4}' role='img' aria-label='Compounded return'>"
        f"<path d='M0 {high * scale:.1f}H{_WIDTH}' stroke='{_GREY}' stroke-width='.8' "
        f"stroke-dasharray='2 3'/>{''.join(reversed(lines))}</svg>"
    )


def _line(x: Array, y: Array, colour: str) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='1.5' stroke-linejoin='round'/>"


def _bars(names: list[str], weights: Array, benchmark: Array | None) -> str:
    """Bars of the largest weights, with a mark at the weight in the benchmark if it is known."""
    held = np.flatnonzero(np.abs(weights) > _HELD)
    order = held[np.argsort(-np.abs(weights[held]), kind="stable")]
    shown, others = order[:_SHOWN], order[_SHOWN:]
    ends = weights[shown] if benchmark is None else np.append(weights[shown], benchmark[shown])
    low, high = ends.min(initial=0.0), ends.max(initial=0.0)
    rows = []
    for i in shown:
        left, width = (min(weights[i], 0) - low) / (high - low), abs(weights[i]) / (high - low)
        kind = " class='tf-n'" if weights[i] < 0 else ""
        bar = f"<i{kind} style='left:{left:.1%};width:{width:.1%}'></i>"
        if benchmark is not None:
            bar += f"<u style='left:{(benchmark[i] - low) / (high - low):.1%}'></u>"
        rows.append(_bar_row(names[i], f"<span class='tf-x'>{bar}</span>", weights[i]))
    if len(others):
        rows.append(_bar_row(f"{len(others)} more", "", float(weights[others].sum())))
    mark = "" if benchmark is None else " <span class='tf-m'>| benchmark</span>"
    title = f"<div class='tf-t'>Largest weights{mark}</div>"
    return f"{title}<table><tbody>{''.join(rows)}</tbody></table>"


def _bar_row(name: str, bar: str, weight: float) -> str:
    label, number = escape(name), _minus(f"{weight:.2%}")
    return f"<tr><th scope='row' title='{label}'>{label}</th><td class='tf-w'>{bar}</td><td>{number}</td></tr>"


def _table(summary: pd.DataFrame) -> str:
    """Write the summary, with a line between what is the portfolio's own and what is relative."""
    head = "".join(f"<th scope='col'>{column}</th>" for column in summary.columns)
    body = ""
    for measure, values in zip(summary.index, summary.to_numpy(), strict=True):
        body += "</tbody><tbody>" if measure == "tracking RMSE" else ""
        cells = "".join(
            f"<td>{_number(measure, column, value)}</td>" for column, value in zip(summary.columns, values, strict=True)
        )
        body += f"<tr><th scope='row'>{measure}</th>{cells}</tr>"
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"


def _number(measure: str, column: str, value: float) -> str:
    if np.isnan(value):
        return ""
    if measure in _RATIOS:
        return _minus(f"{value:.3f}")
    digits = 3 if column == "per period" or measure in _FINE else 2
    # What would round to 0 keeps its size.
    small = 0 < abs(value) < 0.5 * 10.0 ** (-digits - 2)
    return _minus(f"{100 * value:.1e}%" if small else f"{value:.{digits}%}")


def _minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")
