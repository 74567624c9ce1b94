"""The displays as pictures within the page, each for light and for dark screens."""

import base64
import io
from collections.abc import Callable
from html import escape
from typing import Any

import pandas as pd

from trackfolio._paths import growth
from trackfolio.display import (
    ActiveWeightsDisplay,
    DrawdownDisplay,
    ReturnsDisplay,
    RollingTrackingErrorDisplay,
    TrackingDisplay,
    WeightsDisplay,
)
from trackfolio.display._base import Display
from trackfolio.display._drawing import drawing, label_periods, line_style, periods
from trackfolio.model_selection import Backtest
from trackfolio.portfolio import Portfolio
from trackfolio.report._page import section

_WIDE, _NARROW = (8.4, 4.8), (6.2, 3.9)
_LIGHT = {"text": "#1d2530", "grid": "#d5dae0", "paper": "#ffffff"}
_DARK = {"text": "#e7eaee", "grid": "#3c444d", "paper": "#15191e"}
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
    weights = [
        _picture(
            lambda: WeightsDisplay(subject), _WIDE if isinstance(subject, Backtest) else _NARROW, _largest(portfolio)
        )
    ]
    if portfolio.benchmark_weights is not None:
        weights.append(_picture(lambda: ActiveWeightsDisplay(portfolio), _NARROW, "Largest over- and underweights."))
    sections.append(section("Weights", weights[0] if len(weights) == 1 else _pair(*weights)))
    return sections


def _pair(*pictures: str) -> str:
    return f'<div class="pair">{"".join(pictures)}</div>'


def _picture(make: Callable[[], Any], size: tuple[float, float], alt: str) -> str:
    """A figure in two colourings, of which the browser shows one."""
    light, dark = (_svg(make, size, theme) for theme in (_LIGHT, _DARK))
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(alt)}"></picture></figure>\n'
    )


def _svg(make: Callable[[], Any], size: tuple[float, float], theme: dict[str, str]) -> str:
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
        }
        with matplotlib.rc_context(style):
            figure = Figure(figsize=size, layout="constrained")
            FigureCanvasSVG(figure)
            make().plot(figure.subplots())
            file = io.StringIO()
            figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue().encode()).decode()


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
