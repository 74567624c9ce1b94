"""What was lost, and how often: drawdowns, and the distribution of the active returns."""

import math
from typing import Any

import numpy as np

from trackfolio._paths import drawdowns
from trackfolio._validation import Array
from trackfolio.display._base import PortfolioDisplay, against_benchmark, common_benchmark, over_time
from trackfolio.display._drawing import (
    BENCHMARK,
    COLORS,
    background,
    foreground,
    in_percent,
    label_periods,
    legend_below,
    line_style,
    name_rows,
    percent,
    periods,
    short,
)
from trackfolio.risks import CVaR

# Of mean, VaR and CVaR.
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)))
_MARKS = ("|", "d", "<")


class DrawdownDisplay(PortfolioDisplay):
    """Compounded drawdowns of portfolios and benchmark: the share of the greatest wealth so far that is lost, below 0.

    Parameters
    ----------
    portfolios : Portfolio, Backtest, or dict of these by name
        Over the same periods.
    y : array-like or Series of shape (n_periods,), default=None
        Simple returns of the benchmark, per period. None for that which the portfolios know; without one, they are
        drawn alone.
    active : bool, default=False
        A second panel with the drawdowns of the active returns, compounded as well: what was lost to the benchmark.

    Attributes
    ----------
    portfolios : dict of str to Portfolio
        By name.
    ax_ : matplotlib axes
        Drawdowns.
    axes_ : ndarray of axes of shape (1,) or (2,)
        Drawdowns, and those of the active returns.
    figure_ : matplotlib figure

    Raises
    ------
    TypeError
        For what is no portfolio.
    ValueError
        For ``active=True`` without a benchmark, and for portfolios over different periods or against different
        benchmarks.

    See Also
    --------
    trackfolio.Portfolio.drawdowns : The numbers.
    ReturnsDisplay : Losses of single periods.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.display import DrawdownDisplay
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> model = MinTrackingError().fit(X, y)
    >>> display = DrawdownDisplay.from_predictions(y, model.predict(X), active=True)
    >>> len(display.axes_)
    2
    >>> plt.close(display.figure_)
    """

    def __init__(self, portfolios: Any, *, y: Any = None, active: bool = False) -> None:
        collect = against_benchmark if active else over_time
        self.portfolios = collect(portfolios, y, type(self).__name__)
        self.active = active

    def _heights(self) -> tuple[float, ...]:
        return (3.0, 2.0) if self.active else (1.0,)

    def _draw(self, axes: Any) -> None:
        first = next(iter(self.portfolios.values()))
        places = periods(first.dates, len(first))
        benchmark = common_benchmark(self.portfolios)
        if benchmark is not None:
            lost = -drawdowns(benchmark.to_numpy(), compounded=True)
            axes[0].plot(places, lost, color=BENCHMARK, linewidth=3, label=short(str(benchmark.name)))
        for place, (name, portfolio) in enumerate(self.portfolios.items()):
            lost = -portfolio.drawdowns(compounded=True).to_numpy()
            axes[0].plot(places, lost, label=short(name), **line_style(place))
            if self.active:
                behind = -drawdowns(portfolio.active_returns.to_numpy(), compounded=True)
                axes[1].plot(places, behind, **line_style(place))
        for ax in axes:
            ax.set_ylim(top=0)
            percent(ax.yaxis)
        label_periods(axes, places)
        axes[0].set_title("Drawdowns, compounded")
        axes[0].set_ylabel("loss since the peak")
        if self.active:
            axes[1].set_ylabel("of the active return")
        legend_below(axes)


class ReturnsDisplay(PortfolioDisplay):
    r"""Distribution of the active returns, with their mean, value at risk and CVaR.

    The value at risk is the least of the losses that the CVaR is the mean of: of T periods, the
    :math:`\lceil T(1-confidence)\rceil`-th largest loss.

    Parameters
    ----------
    portfolios : Portfolio, Backtest, or dict of these by name
        Over the same periods.
    y : array-like or Series of shape (n_periods,), default=None
        Simple returns of the benchmark, per period. None for that which the portfolios know.
    confidence : float, default=0.95
        Level of value at risk and CVaR, between 0 and 1.

    Attributes
    ----------
    portfolios : dict of str to Portfolio
        By name, relative to the benchmark.
    ax_ : matplotlib axes
        Bars for a single portfolio, whose legend has the figures; outlines for several.
    axes_ : ndarray of axes of shape (1,) or (2,)
        For several portfolios, the second one has a row for each with its mean, value at risk and CVaR.
    figure_ : matplotlib figure

    Raises
    ------
    TypeError
        For what is no portfolio.
    ValueError
        Without a benchmark, for another confidence, and for portfolios over different periods or against different
        benchmarks.

    See Also
    --------
    trackfolio.risks.CVaR : The mean of the worst losses.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.display import ReturnsDisplay
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> model = MinTrackingError().fit(X, y)
    >>> display = ReturnsDisplay.from_predictions(y, model.predict(X))
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['mean 0.0369%', 'VaR 95%: a loss of 0.379%', 'CVaR 95%: a loss of 0.506%']
    >>> plt.close(display.figure_)
    """

    def __init__(self, portfolios: Any, *, y: Any = None, confidence: float = 0.95) -> None:
        self.portfolios = against_benchmark(portfolios, y, type(self).__name__)
        self.confidence = confidence
        CVaR(confidence).value([0.0])  # an error for a level that is none

    def _heights(self) -> tuple[float, ...]:
        several = len(self.portfolios)
        return (1.0,) if several == 1 else (3.0, 0.3 * several + 0.2)

    def _draw(self, axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        returns = {name: p.active_returns.to_numpy() for name, p in self.portfolios.items()}
        edges = _bins(np.concatenate(list(returns.values())), len(next(iter(returns.values()))))
        if len(returns) == 1:
            self._draw_one(axes[0], next(iter(returns.values())), edges)
        else:
            self._draw_several(axes, returns, edges)
        percent(axes[-1].xaxis)
        axes[0].yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        axes[0].set_title("Active returns")
        axes[0].set_ylabel("number of periods")
        axes[-1].set_xlabel("active return of a period")

    def _figures(self, active: Array) -> dict[str, float]:
        """Where mean, VaR and CVaR lie among the returns."""
        level, risk = f"{100 * self.confidence:.6g}%", CVaR(self.confidence)
        var = value_at_risk(active, self.confidence)
        return {"mean": float(active.mean()), f"VaR {level}": -var, f"CVaR {level}": -risk.value(active)}

    def _draw_one(self, ax: Any, active: Array, edges: Array) -> None:
        """Bars, and a line at each figure."""
        ax.hist(active, edges, color=COLORS[0], edgecolor=background(), linewidth=0.5)
        for (name, where), dashes in zip(self._figures(active).items(), _DASHES, strict=True):
            said = f"{name} {in_percent(where)}" if name == "mean" else f"{name}: a loss of {in_percent(-where)}"
            ax.axvline(where, color=foreground(), linestyle=dashes, linewidth=1.5, label=said)
        legend_below([ax], ax.get_legend_handles_labels()[0][:3])

    def _draw_several(self, axes: Any, returns: dict[str, Array], edges: Array) -> None:
        """Outlines; below, a row for each portfolio with a mark at each figure."""
        outlines, rows = axes
        for place, active in enumerate(returns.values()):
            style = line_style(place)
            outlines.stairs(np.histogram(active, edges)[0], edges, linewidth=1.8, **style)
            figures = self._figures(active)
            span = list(figures.values())
            rows.plot([min(span), max(span)], [place, place], linewidth=1.8, **style)
            for (name, where), mark in zip(figures.items(), _MARKS, strict=True):
                look = {"color": style["color"], "markersize": 6, "markeredgewidth": 1.5}
                rows.plot(where, place, mark, label=name, **look)
        name_rows(axes, returns)
        rows.grid(False, axis="y")
        handles = rows.get_legend_handles_labels()[0][:3]
        legend_below(axes, [_in_black(handle) for handle in handles])


def _in_black(mark: Any) -> Any:
    """What stands for the marks of all portfolios, in no portfolio's colour."""
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], color=foreground(), marker=mark.get_marker(), markeredgewidth=1.5, linestyle="", label=mark.get_label()
    )


def value_at_risk(returns: Array, confidence: float) -> float:
    """The least loss that counts in the CVaR of the same confidence, be it in part."""
    # Rounding of 1 - confidence must not add a period.
    counted = math.ceil(len(returns) * (1 - confidence) - 1e-9)
    return float(-np.sort(returns)[max(counted, 1) - 1])


def _bins(values: Array, n_periods: int) -> Array:
    """Edges of bins: more of them for more periods, all of one width."""
    number = int(np.clip(1.5 * math.sqrt(n_periods), 5, 60))
    return np.asarray(np.histogram_bin_edges(values, number))
