"""Pieces of HTML for notebooks: self-contained, without scripts, for dark and light themes."""

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from trackfolio._paths import cumulated
from trackfolio._validation import Array

BLUE, ORANGE, GREY = "#3b8ad9", "#e0783c", "#8c8c8c"
# Smaller weights are what solvers leave of a 0; only counted, never rounded.
HELD = 1e-6
_SHOWN, _HEADING = 10, 50
_WIDTH, _HEIGHT = 380, 110
_SMALL_WIDTH, _SMALL_HEIGHT = 96, 24

# Greys that are half transparent and two colours of middle lightness suit any background. Notebooks style tables on
# their own, so that all which matters is said again.
STYLE = f"""<style>
.tf-p{{color:inherit;font:13px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif;max-width:960px;
 border:1px solid rgba(128,128,128,.35);border-radius:8px;padding:14px 18px;text-align:left}}
.tf-p .tf-h{{font-size:15px;font-weight:600;overflow-wrap:anywhere}}
.tf-p .tf-m{{opacity:.75;overflow-wrap:anywhere}}
.tf-p .tf-c{{display:flex;flex-wrap:wrap;gap:8px 36px;margin-top:12px;align-items:flex-start}}
.tf-p .tf-l{{flex:1 1 300px;min-width:min(260px,100%);max-width:420px}}
.tf-p .tf-r{{flex:1 1 400px;min-width:0}}
.tf-p .tf-f{{flex:1 1 100%;min-width:0}}
.tf-p .tf-s{{overflow-x:auto}}
.tf-p .tf-t{{font-weight:600;margin:0 0 4px}}
.tf-p .tf-t .tf-m{{font-weight:400}}
.tf-p .tf-r .tf-s+.tf-t{{margin-top:14px}}
.tf-p table{{border-collapse:collapse;table-layout:auto;width:100%;margin:0;border:0;font-size:13px;color:inherit}}
.tf-p tr,.tf-p tbody tr:nth-child(odd),.tf-p tbody tr:hover{{background:transparent}}
.tf-p td,.tf-p th{{border:0;padding:2px 0 2px 14px;text-align:right;white-space:nowrap;vertical-align:middle;
 font-weight:400;font-variant-numeric:tabular-nums;background:transparent;color:inherit}}
.tf-p td:first-child,.tf-p th:first-child{{text-align:left;padding-left:0;overflow:hidden;
 text-overflow:ellipsis;max-width:min(210px,34vw)}}
.tf-p .tf-s th{{white-space:normal}}
.tf-p .tf-s th[scope=row]{{min-width:90px;overflow-wrap:anywhere}}
.tf-p thead>tr>*{{opacity:.75;vertical-align:bottom;border-bottom:1px solid rgba(128,128,128,.35)}}
.tf-p tbody+tbody tr:first-child>*{{padding-top:8px}}
.tf-p td.tf-w{{width:58%}}
.tf-p .tf-x{{position:relative;display:block;height:10px}}
.tf-p .tf-x i{{position:absolute;top:0;height:10px;border-radius:2px;background:{BLUE}}}
.tf-p .tf-x i.tf-n{{background:{ORANGE}}}
.tf-p .tf-x u{{position:absolute;top:-2px;height:14px;width:2px;opacity:.75;
 background:currentColor}}
.tf-p .tf-k{{font-weight:400;font-size:12px;margin-right:14px;white-space:nowrap}}
.tf-p .tf-k b{{display:inline-block;width:8px;height:8px;border-radius:4px;margin-right:4px}}
.tf-p svg{{display:block;width:100%;height:auto;margin-bottom:10px;overflow:visible}}
.tf-p td svg{{width:{_SMALL_WIDTH}px;margin:0 0 0 auto}}
</style>"""


class Line(NamedTuple):
    """Returns of one portfolio, as a line in a chart."""

    name: str
    returns: Array
    colour: str

    def path(self) -> Array:
        """Compounded return, from 0 before the first period."""
        return np.append(0.0, cumulated(self.returns, compounded=True))


def card(title: str, rival: str | None, facts: Sequence[str], *columns: str) -> str:
    """A frame with a title, facts and columns; `columns` are HTML, all else is text."""
    against = "" if rival is None else f" <span class='tf-m'>against {escape(rival)}</span>"
    sides = "lr" if len(columns) > 1 else "f"
    parts = "".join(f"<div class='tf-{side}'>{column}</div>" for side, column in zip(sides, columns, strict=True))
    return (
        f"{STYLE}<div class='tf-p'><div class='tf-h'>{escape(title)}{against}</div>"
        f"<div class='tf-m'>{escape(' · '.join(facts))}</div><div class='tf-c'>{parts}</div></div>"
    )


def chart(lines: Sequence[Line]) -> str:
    """Compounded returns, the first line on top, and what each came to."""
    ends = [(line, minus(f"{line.path()[-1]:+.1%}")) for line in lines]
    keys = " ".join(
        f"<span class='tf-k'><b style='background:{line.colour}'></b>{escape(line.name)} {end}</span>"
        for line, end in ends
    )
    said = "Compounded return: " + ", ".join(f"{line.name} {end}" for line, end in ends)
    return f"<div class='tf-t'>Compounded return</div>{keys}{_paths(lines, said, _WIDTH, _HEIGHT)}"


def small_chart(lines: Sequence[Line], said: str, ends: tuple[float, float]) -> str:
    """The same for a cell of a table, between the ends of a scale that all rows share."""
    return _paths(lines, said, _SMALL_WIDTH, _SMALL_HEIGHT, ends)


def _paths(lines: Sequence[Line], said: str, width: int, height: int, ends: tuple[float, float] | None = None) -> str:
    # A point for each pixel is enough, however long the history.
    n = len(lines[0].returns)
    keep = np.unique(np.linspace(0, n, min(n + 1, width)).astype(int))
    paths = [line.path()[keep] for line in lines]
    low, high = ends or (min(map(np.min, paths)), max(map(np.max, paths)))
    x, scale = keep / keep[-1] * width, height / ((high - low) or 1.0)
    drawn = [_line(x, (high - path) * scale, line.colour) for path, line in zip(paths, lines, strict=True)]
    zero = f"<path d='M0 {high * scale:.1f}H{width}' stroke='{GREY}' stroke-width='.8' stroke-dasharray='2 3'/>"
    return _svg(zero + "".join(reversed(drawn)), said, width, height)


def _svg(content: str, said: str, width: int, height: int) -> str:
    return f"<svg viewBox='0 -2 {width} {height + 4}' role='img' aria-label='{escape(said)}'>{content}</svg>"


def _line(x: Array, y: Array, colour: str) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='1.5' stroke-linejoin='round'/>"


def small_bars(values: Array, said: str) -> str:
    """A bar for each value, from 0 on; where there are more than fit, the largest of each few."""
    starts = np.unique(np.linspace(0, len(values), _SMALL_WIDTH // 2, endpoint=False).astype(int))
    heights = np.maximum.reduceat(values, starts)
    heights = heights * (_SMALL_HEIGHT / (heights.max() or 1.0))
    step = min(_SMALL_WIDTH / len(heights), 14.0)
    bars = "".join(
        f"<rect x='{i * step:.1f}' y='{_SMALL_HEIGHT - h:.1f}' width='{max(0.75 * step, 1):.1f}' height='{h:.1f}'/>"
        for i, h in enumerate(heights)
    )
    floor = f"<path d='M0 {_SMALL_HEIGHT}H{_SMALL_WIDTH}' stroke='{GREY}' stroke-width='.8'/>"
    return _svg(f"<g fill='{BLUE}'>{bars}</g>{floor}", said, _SMALL_WIDTH, _SMALL_HEIGHT)


def weight_bars(title: str, names: Sequence[Any], weights: Array, benchmark: Array | None) -> str:
    """Bars of the largest weights, with a mark at the weight in the benchmark if it is known."""
    held = np.flatnonzero(np.abs(weights) > HELD)
    if not len(held):
        return ""
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
        rows.append(_bar_row(str(names[i]), f"<span class='tf-x'>{bar}</span>", weights[i]))
    if len(others):
        rows.append(_bar_row(f"{len(others)} more", "", float(weights[others].sum())))
    mark = "" if benchmark is None else " <span class='tf-m'>| benchmark</span>"
    return f"<div class='tf-t'>{escape(title)}{mark}</div><table><tbody>{''.join(rows)}</tbody></table>"


def _bar_row(name: str, bar: str, weight: float) -> str:
    label, number = escape(name), minus(f"{weight:.2%}")
    return f"<tr><th scope='row' title='{label}'>{label}</th><td class='tf-w'>{bar}</td><td>{number}</td></tr>"


def table(said: str, columns: Sequence[str], groups: Sequence[Sequence[tuple[str, Sequence[str]]]]) -> str:
    """A table that scrolls in a box of its own, with space between groups of rows; cells are HTML, headings text."""
    head = "".join(f"<th scope='col'>{escape(column)}</th>" for column in columns)
    head = f"<thead><tr><td></td>{head}</tr></thead>" if head else ""
    bodies = ("".join(_row(label, cells) for label, cells in group) for group in groups)
    body = "".join(f"<tbody>{rows}</tbody>" for rows in bodies)
    # What can be scrolled must be reached by the keyboard.
    return f"<div class='tf-s' tabindex='0' role='region' aria-label='{escape(said)}'><table>{head}{body}</table></div>"


def _row(label: str, cells: Sequence[str]) -> str:
    name = escape(clipped(label, _HEADING))
    return (
        f"<tr><th scope='row' title='{escape(label)}'>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    )


def minus(number: str) -> str:
    """A number with a minus sign that is one."""
    return number.replace("-", "\N{MINUS SIGN}")


def clipped(text: str, longest: int = 200) -> str:
    """Text without what makes it too long for a table."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
