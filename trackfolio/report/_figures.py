"""The displays as pictures within the page, each for light and for dark screens."""

import base64
import io
import re
from collections.abc import Callable
from html import escape
from typing import Any

import pandas as pd

from trackfolio._paths import growth
from trackfolio._portfolio_html import held_assets
from trackfolio.display import (
    ActiveWeightsDisplay,
    DrawdownDisplay,
    ReturnsDisplay,
    RollingTrackingErrorDisplay,
    TrackingDisplay,
    WeightsDisplay,
)
from trackfolio.display._base import Display
from trackfolio.display._drawing import COLORS, drawing, label_periods, line_style, periods, short
from trackfolio.model_selection import Backtest
from trackfolio.portfolio import Portfolio
from trackfolio.report._page import section

# On a desktop, letters of both are about as large as those of the text; on a phone, those of wide ones would not be.
_WIDE, _NARROW, _PHONE = (12.0, 5.6), (6.2, 3.9), (5.0, 4.6)
_SHORT = 24  # letters of a name within a picture
_LIGHT = {"text": "#1d2530", "grid": "#d5dae0", "paper": "#ffffff"}
_DARK = {"text": "#e7eaee", "grid": "#3c444d", "paper": "#15191e"}
# The first colour of the displays, and how it is seen as well on dark paper.
_FIRST, _FIRST_ON_DARK = COLORS[0].lower(), "#4aa8e8"
_QUARTER = 63


class _RollingBeta(Display):
    """Slope on the benchmark over the last periods."""

    def __init__(self, portfolio: Any, window: int) -> None:
        self.portfolio, self.window = portfolio, window

    def _draw(self, axes: Any) -> None:
        [ax] = axes
        returns, benchmark = (
            series.reset_index(drop=True) for series in (self.portfolio.returns, self.portfolio.benchmark)
        )
        beta = returns.rolling(self.window).cov(benchmark) / benchmark.rolling(self.window).var()
        places = periods(self.portfolio.dates, len(self.portfolio))
        ax.plot(places, beta, **line_style(0))
        ax.axhline(1.0, color=_LIGHT["grid"], linewidth=1.0, zorder=0)
        ax.set_title(f"Beta over the last {self.window} periods")
        ax.set_ylabel("beta")
        label_periods(axes, places)


def figures(subject: Portfolio | Backtest, portfolio: Portfolio) -> list[str]:
    """Sections with pictures."""
    sections = []
    portfolio = portfolio.replace(name=short(portfolio.name or "portfolio", _SHORT))
    window = min(_QUARTER, len(portfolio) // 3)
    if portfolio.benchmark is not None:
        sections.append(
            section("Against the benchmark", _picture(lambda: TrackingDisplay(portfolio), _WIDE, _tracked(portfolio)))
        )
        if window >= 2:
            rolling = _pair(
                _picture(lambda: RollingTrackingErrorDisplay(portfolio, window=window), _NARROW,
                         f"Rolling tracking error over {window} periods."),
                _picture(lambda: _RollingBeta(portfolio, window), _NARROW, f"Rolling beta over {window} periods."),
            )  # fmt: skip
            sections.append(section("Rolling tracking error and beta", rolling))
    losses = [_picture(lambda: DrawdownDisplay(portfolio), _NARROW, _drawdown(portfolio))]
    if portfolio.benchmark is not None and len(portfolio) > 1:
        losses.append(_picture(lambda: ReturnsDisplay(portfolio), _NARROW, "Distribution of the active returns."))
    sections.append(section("Losses", _pair(*losses)))
    return [*sections, section("Weights", _weights(subject, portfolio))]


def _weights(subject: Portfolio | Backtest, portfolio: Portfolio) -> str:
    """Weights in the end, or over time; nothing of a portfolio that holds nothing."""
    if isinstance(subject, Backtest):
        return _picture(lambda: WeightsDisplay(subject), _WIDE, _largest(portfolio))
    bars = []
    if held_assets(portfolio.weights.to_numpy()):
        bars.append(_picture(lambda: WeightsDisplay(portfolio), _NARROW, _largest(portfolio), grid="x"))
    if portfolio.benchmark_weights is not None:
        said = "Largest over- and underweights."
        bars.append(_picture(lambda: ActiveWeightsDisplay(portfolio), _NARROW, said, grid="x"))
    return _pair(*bars) if bars else ""


def _pair(*pictures: str) -> str:
    return f'<div class="pair">{"".join(pictures)}</div>'


def _picture(make: Callable[[], Any], size: tuple[float, float], alt: str, grid: str = "y") -> str:
    """A figure in two colourings, of which the browser shows one; a wide one has another form for phones.

    Paper is always light.
    """
    sources = ""
    for media, shape in [(" and (max-width: 600px)", _PHONE)] * (size == _WIDE) + [("", size)]:
        light, dark = (_svg(make, shape, theme, grid) for theme in (_LIGHT, _DARK))
        sources += f'<source media="screen{media} and (prefers-color-scheme: dark)" srcset="{dark}">'
        sources += f'<source media="screen{media}" srcset="{light}">' if media else ""
    return f'<figure><picture>{sources}<img src="{light}" alt="{escape(alt)}"></picture></figure>\n'


def _svg(make: Callable[[], Any], size: tuple[float, float], theme: dict[str, str], grid: str) -> str:
    with drawing("report"):
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        style: Any = {
            **dict.fromkeys(
                ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), theme["text"]
            ),
            "grid.color": theme["grid"],
            "axes.facecolor": theme["paper"],
            "figure.facecolor": theme["paper"],
            "savefig.facecolor": theme["paper"],
            "font.size": 11.0,
            "axes.titlesize": 11.0 if size == _PHONE else 13.0,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.grid.axis": grid,
            "axes.axisbelow": True,
        }
        with matplotlib.rc_context(style):
            figure = Figure(figsize=size, layout="constrained")
            FigureCanvasSVG(figure)
            make().plot(figure.subplots())
            file = io.StringIO()
            figure.savefig(file, format="svg", metadata={"Date": None})
    # A hundredth of a point is finer than any screen or printer.
    text = re.sub(r'(?<=\bd=")[^"]+', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), file.getvalue())
    drawn = text.replace(_FIRST, _FIRST_ON_DARK) if theme is _DARK else text
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()


def _tracked(portfolio: Any) -> str:
    own, other = (growth(series.to_numpy()) for series in (portfolio.returns, portfolio.benchmark))
    return (
        f"Compounded return of the portfolio, {own - 1:.1%} in the end, and of the benchmark, {other - 1:.1%}; below, "
        f"their difference, {own - other:.1%} in the end."
    )


def _drawdown(portfolio: Portfolio) -> str:
    return (
        f"Drawdowns of the portfolio and its benchmark; the deepest is {portfolio.max_drawdown(compounded=True):.1%}."
    )


def _largest(portfolio: Portfolio) -> str:
    weights: pd.Series = portfolio.weights.sort_values(ascending=False)
    named = ", ".join(f"{name} {weight:.1%}" for name, weight in weights.iloc[:3].items())
    return f"Weights; the largest in the end are {named}."
