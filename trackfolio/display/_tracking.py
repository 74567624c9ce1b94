"""How near to the benchmark portfolios are: the returns so far, and the tracking error of late."""

import math
import numbers
from typing import Any

import numpy as np
import pandas as pd

from trackfolio._paths import cumulated
from trackfolio._validation import Array
from trackfolio.display._base import PortfolioDisplay, against_benchmark, common_benchmark, common_frequency
from trackfolio.display._drawing import (
    BENCHMARK,
    in_percent,
    label_periods,
    legend_below,
    line_style,
    percent,
    periods,
    short,
    zero_line,
)
from trackfolio.portfolio import Portfolio


class TrackingDisplay(PortfolioDisplay):
    """Compounded returns of portfolios and benchmark; below, the tracking difference so far.

    The tracking difference is the compounded return of the portfolio minus that of the benchmark.

    Parameters
    ----------
    portfolios : Portfolio, Backtest, or dict of these by name
        Over the same periods.
    y : array-like or Series of shape (n_periods,), default=None
        Simple returns of the benchmark, per period. None for that which the portfolios know.

    Attributes
    ----------
    portfolios : dict of str to Portfolio
        By name, relative to the benchmark.
    ax_ : matplotlib axes
        Returns.
    axes_ : ndarray of axes of shape (2,)
        Returns, and tracking differences.
    figure_ : matplotlib figure

    Raises
    ------
    TypeError
        For what is no portfolio.
    ValueError
        Without a benchmark, and for portfolios over different periods or against different benchmarks.

    See Also
    --------
    RollingTrackingErrorDisplay : How the tracking error changed.
    trackfolio.metrics.tracking_difference : The difference at the end.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.display import TrackingDisplay
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> model = MinTrackingError().fit(X, y)
    >>> display = TrackingDisplay.from_predictions(y, model.predict(X))
    >>> [line.get_label() for line in display.ax_.get_lines()][:2]
    ['SP500', 'portfolio']
    >>> plt.close(display.figure_)
    """

    def __init__(self, portfolios: Any, *, y: Any = None) -> None:
        self.portfolios = against_benchmark(portfolios, y, type(self).__name__)

    def _heights(self) -> tuple[float, ...]:
        return (2.0, 1.0)

    def _draw(self, axes: Any) -> None:
        returns, differences = axes
        first = next(iter(self.portfolios.values()))
        benchmark: Any = common_benchmark(self.portfolios)
        places = periods(first.dates, len(first))
        index = cumulated(benchmark.to_numpy(), compounded=True)
        returns.plot(places, index, color=BENCHMARK, linewidth=3, label=short(str(benchmark.name)))
        for place, (name, portfolio) in enumerate(self.portfolios.items()):
            own = portfolio.cumulative_returns(compounded=True).to_numpy()
            returns.plot(places, own, label=short(name), **line_style(place))
            differences.plot(places, own - index, **line_style(place))
        for ax in axes:
            zero_line(ax)
        percent(returns.yaxis, differences.yaxis)
        label_periods(axes, places)
        returns.set_title("Compounded returns, and the tracking difference")
        returns.set_ylabel("return")
        differences.set_ylabel("difference")
        legend_below(axes)


class RollingTrackingErrorDisplay(PortfolioDisplay):
    """Tracking error over the last periods, at each period.

    Parameters
    ----------
    portfolios : Portfolio, Backtest, or dict of these by name
        Over the same periods.
    y : array-like or Series of shape (n_periods,), default=None
        Simple returns of the benchmark, per period. None for that which the portfolios know.
    window : int, default=63
        Number of periods that each value is taken over.
    kind : {"std", "rmse"}, default="std"
        Sample standard deviation of the active returns (the tracking error), or their root mean square.

    Attributes
    ----------
    portfolios : dict of str to Portfolio
        By name, relative to the benchmark.
    ax_ : matplotlib axes
        With a line for each portfolio; the legend has the figure over all periods.
    axes_ : ndarray of axes of shape (1,)
    figure_ : matplotlib figure

    Raises
    ------
    TypeError
        For what is no portfolio.
    ValueError
        Without a benchmark, for a window of fewer than two periods or more than there are, for another kind, and
        for portfolios over different periods or against different benchmarks.

    See Also
    --------
    TrackingDisplay : What adds up.
    trackfolio.metrics.tracking_error, trackfolio.metrics.tracking_rmse : The same over all periods.

    Notes
    -----
    Per year, multiplied by the root of the number of periods a year, where that is known: the label says which.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.display import RollingTrackingErrorDisplay
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> model = MinTrackingError().fit(X, y)
    >>> display = RollingTrackingErrorDisplay.from_estimator(model, X, y, window=21, name="tracker")
    >>> display.ax_.get_ylabel()
    'tracking error per year'
    >>> plt.close(display.figure_)
    """

    _NAMES = {"std": "tracking error", "rmse": "tracking RMSE"}  # noqa: RUF012

    def __init__(self, portfolios: Any, *, y: Any = None, window: Any = 63, kind: str = "std") -> None:
        who = type(self).__name__
        self.portfolios = against_benchmark(portfolios, y, who)
        self.window, self.kind = window, kind
        n_periods = len(next(iter(self.portfolios.values())))
        if kind not in self._NAMES:
            raise ValueError(f"{who}: kind must be 'std' or 'rmse', got {kind!r}.")
        if not isinstance(window, numbers.Integral) or int(window) < 2:
            raise ValueError(f"{who}: window must be a whole number of at least 2 periods, got {window!r}.")
        if int(window) > n_periods:
            raise ValueError(
                f"{who}: window={window} is longer than the {n_periods} periods that there are: give a shorter one, "
                f"such as window={max(n_periods // 4, 2)}."
            )

    def _draw(self, axes: Any) -> None:
        [ax] = axes
        first = next(iter(self.portfolios.values()))
        places = periods(first.dates, len(first))
        per_year = common_frequency(self.portfolios)
        scale = math.sqrt(1.0 if per_year is None else per_year)
        for place, (name, portfolio) in enumerate(self.portfolios.items()):
            values, total = (scale * x for x in self._errors(portfolio))
            label = f"{short(name)}: {in_percent(float(total))} over all periods"
            ax.plot(places, values, label=label, **line_style(place))
        error = self._NAMES[self.kind]
        ax.set_title(f"{error[0].upper()}{error[1:]} over the last {self.window} periods")
        ax.set_ylabel(f"{error} per {'year' if per_year else 'period'}")
        ax.set_ylim(bottom=0)
        percent(ax.yaxis)
        label_periods(axes, places)
        legend_below(axes)

    def _errors(self, portfolio: Portfolio) -> tuple[Array, float]:
        """At each period, and over all of them; nan where the window is not full."""
        active: pd.Series = portfolio.active_returns.reset_index(drop=True)
        rolling = active.rolling(self.window)
        if self.kind == "std":
            return rolling.std().to_numpy(), portfolio.tracking_error()
        squares = (active**2).rolling(self.window)
        return np.sqrt(squares.mean().clip(lower=0)).to_numpy(), portfolio.tracking_rmse()
