"""What portfolios hold: weights, and how they differ from those of the benchmark."""

from typing import Any, Literal

import numpy as np
import pandas as pd

from trackfolio._held_portfolio import HeldPortfolio
from trackfolio._html import HELD
from trackfolio.constraints import GroupBounds
from trackfolio.display._base import PortfolioDisplay, collected
from trackfolio.display._drawing import (
    area_colors,
    bar_style,
    in_percent,
    label_periods,
    largest,
    legend_below,
    legend_beside,
    name_rows,
    percent,
    periods,
    short,
    stack,
    zero_line,
)


class ActiveWeightsDisplay(PortfolioDisplay):
    """The largest over- and underweights against the benchmark, by asset or summed by group.

    Parameters
    ----------
    portfolios : Portfolio, Backtest, or dict of these by name
        Of a backtest, the weights after its last period.
    y : array-like or Series of shape (n_periods,), default=None
        Not needed; the weights that the portfolios know of their benchmark stay known.
    benchmark_weights : array-like of shape (n_assets,), dict or Series by asset name, default=None
        Weights of the benchmark, one for every asset. None for those which the portfolios know.
    n : int, default=10
        How many of each side are drawn at most.
    groups : array-like of shape (n_assets,), dict or Series by asset name, default=None
        Group of each asset, as in `~trackfolio.constraints.GroupBounds`: bars are sums of groups.

    Attributes
    ----------
    portfolios : dict of str to Portfolio
        By name, relative to the benchmark.
    active_weights : DataFrame of shape (n_assets or n_groups, n_portfolios)
        Weights minus those of the benchmark, all of them.
    ax_ : matplotlib axes
        With horizontal bars; overweights on top.
    axes_ : ndarray of axes of shape (1,)
    figure_ : matplotlib figure

    Raises
    ------
    TypeError
        For what is no portfolio.
    ValueError
        Without weights of the benchmark; for groups that leave assets out or name unknown ones; for an n below 1.

    See Also
    --------
    trackfolio.metrics.active_share : Half the sum of the bars of all assets, without regard to sign.
    WeightsDisplay : The weights themselves.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.display import ActiveWeightsDisplay
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> equal = dict.fromkeys(X.columns, 1 / 20)
    >>> model = MinTrackingError(cardinality=10, benchmark_weights=equal).fit(X)
    >>> display = ActiveWeightsDisplay.from_estimator(model, X, n=5)
    >>> len(display.ax_.patches)
    10
    >>> plt.close(display.figure_)
    """

    def __init__(
        self, portfolios: Any, *, y: Any = None, benchmark_weights: Any = None, n: int = 10, groups: Any = None
    ) -> None:
        who = type(self).__name__
        self.portfolios = collected(portfolios, y, who)
        self.n, self.groups = _number(n, who), groups
        if benchmark_weights is not None:
            self.portfolios = {
                name: p.relative_to(p.benchmark if y is None else y, benchmark_weights=benchmark_weights)
                for name, p in self.portfolios.items()
            }
        columns = {name: self._active(name, portfolio) for name, portfolio in self.portfolios.items()}
        self.active_weights = pd.DataFrame(columns).fillna(0.0)

    def _active(self, name: str, portfolio: Any) -> pd.Series:
        """Active weights of a portfolio by asset, or by group."""
        if portfolio.benchmark_weights is None:
            raise ValueError(
                f"{type(self).__name__} needs the benchmark's weights, which {name!r} does not know: give "
                "benchmark_weights=, or use portfolio.relative_to(y, benchmark_weights=...)."
            )
        active: pd.Series = portfolio.weights - portfolio.benchmark_weights
        if self.groups is None:
            return active
        try:
            members = GroupBounds(self.groups)._members(list(active.index))
        except ValueError as error:
            raise ValueError(str(error).replace("GroupBounds.", "")) from error
        sums = {group: float(of_group @ active.to_numpy()) for group, of_group in members.items()}
        alone = ~np.any(list(members.values()), axis=0)
        if alone.any():
            sums["in no group"] = float(active.to_numpy()[alone].sum())
        return pd.Series(sums)

    def _grid(self) -> Literal["x", "y"]:
        return "x"

    def _inches(self) -> float:
        return _height(self._shown())

    def _shown(self) -> pd.DataFrame:
        """The largest of each side, over all portfolios, from over- to underweights."""
        over = self.active_weights.max(axis=1).nlargest(self.n)
        under = self.active_weights.min(axis=1).nsmallest(self.n)
        chosen = over.index[over > HELD].union(under.index[under < -HELD], sort=False)
        order = self.active_weights.loc[chosen].mean(axis=1).sort_values(ascending=False, kind="stable").index
        return self.active_weights.loc[order]

    def _draw(self, axes: Any) -> None:
        [ax] = axes
        shown, total = self._shown(), len(self.active_weights)
        _bars(ax, shown)
        if shown.empty:
            ax.annotate("none: all weights are the benchmark's", (0.5, 0.5), xycoords="axes fraction", ha="center")
        else:
            zero_line(ax, vertical=True)
        what = "assets" if self.groups is None else "groups"
        ax.set_title(f"Active weights{f': {len(shown)} of {total} {what}' if 0 < len(shown) < total else ''}")
        ax.set_xlabel("weight minus the benchmark's")
        for bars, (name, portfolio) in zip(ax.containers, self.portfolios.items(), strict=True):
            bars.set_label(f"{short(name)}: active share {in_percent(portfolio.active_share())}")
        legend_below(axes)


class WeightsDisplay(PortfolioDisplay):
    """What is held: the history of a backtest as stacked areas, a portfolio's weights as sorted bars.

    Several backtests have a panel each, with the same colours; several portfolios stand side by side at each name, a
    backtest among them with the weights held after its last period.

    Parameters
    ----------
    portfolios : Portfolio, Backtest, or dict of these by name
        What is drawn.
    y : array-like or Series of shape (n_periods,), default=None
        Not needed.
    n : int, default=None
        How many names are drawn, those of largest mean absolute weight. Areas have one more, the sum of the others; of
        bars, the title says how many others there are. None for 8 areas, 20 bars, or 12 groups of bars.

    Attributes
    ----------
    portfolios : dict of str to Portfolio
        By name.
    ax_ : matplotlib axes
        The first panel.
    axes_ : ndarray of axes of shape (n_panels,)
        One for each backtest, or one.
    figure_ : matplotlib figure

    Raises
    ------
    TypeError
        For what is no portfolio.
    ValueError
        For an n below 1.

    See Also
    --------
    ActiveWeightsDisplay : Weights minus those of the benchmark.

    Notes
    -----
    Areas of weights below 0 lie below 0. What areas leave of 100 % is cash.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.display import WeightsDisplay
    >>> from trackfolio.model_selection import WalkForward, backtest
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> tested = backtest(MinTrackingError(), X, y, cv=WalkForward(250, 63))
    >>> display = WeightsDisplay.from_predictions(None, tested, n=5)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['15 others', 'GE', 'PEP', 'JPM', 'AAPL', 'MSFT']
    >>> plt.close(display.figure_)
    """

    def __init__(self, portfolios: Any, *, y: Any = None, n: int | None = None) -> None:
        who = type(self).__name__
        self.portfolios = collected(portfolios, y, who)
        self.n = None if n is None else _number(n, who)

    @property
    def _histories(self) -> dict[str, pd.DataFrame]:
        """Weights by period, where every portfolio has a history."""
        held = {k: p.weight_history for k, p in self.portfolios.items() if isinstance(p, HeldPortfolio)}
        return held if len(held) == len(self.portfolios) else {}

    def _grid(self) -> Literal["x", "y"]:
        return "y" if self._histories else "x"

    def _heights(self) -> tuple[float, ...]:
        return (1.0,) * max(len(self._histories), 1)

    def _draw(self, axes: Any) -> None:
        if self._histories:
            self._draw_areas(axes)
        else:
            self._draw_bars(axes[0])

    def _draw_areas(self, axes: Any) -> None:
        histories = self._histories
        shown = largest(pd.concat(histories).fillna(0.0), 8 if self.n is None else self.n, HELD)
        n_others = sum(str(name) not in self._assets() for name in shown)
        colors = area_colors(list(shown), n_others)
        places: Any = None
        for ax, (name, history) in zip(axes, histories.items(), strict=True):
            places = periods(self.portfolios[name].dates, len(history))
            handles = stack(ax, places, pd.DataFrame(shown.loc[name]), colors)
            ax.set_title("Weights" if len(histories) == 1 else short(name))
            ax.set_ylabel("weight")
            percent(ax.yaxis)
        label_periods(axes, places)
        legend_beside(axes, handles[::-1])

    def _assets(self) -> set[str]:
        return {name for portfolio in self.portfolios.values() for name in portfolio.weights.index}

    def _inches(self) -> float:
        return _height(self._largest()) if not self._histories else 0.0

    def _largest(self) -> pd.DataFrame:
        """Weights that bars show, the largest first."""
        most = self.n or (20 if len(self.portfolios) == 1 else 12)
        weights = self._weights()
        size = weights.abs().mean(axis=1).nlargest(most)
        held: pd.DataFrame = weights.loc[size.index[size > 0]]
        return held.loc[held.mean(axis=1).sort_values(ascending=False, kind="stable").index]

    def _weights(self) -> pd.DataFrame:
        """Weights of all names that any portfolio holds."""
        weights = pd.DataFrame({name: p.weights for name, p in self.portfolios.items()}).fillna(0.0)
        return weights[(weights.abs() > HELD).any(axis=1)]

    def _draw_bars(self, ax: Any) -> None:
        shown, n_held = self._largest(), len(self._weights())
        _bars(ax, shown)
        zero_line(ax, vertical=True)
        ax.set_title(f"Weights{f': the largest {len(shown)} of {n_held} names' if len(shown) < n_held else ''}")
        ax.set_xlabel("weight")
        for bars, (name, portfolio) in zip(ax.containers, self.portfolios.items(), strict=True):
            others = float(portfolio.weights.sum() - shown[name].sum())
            bars.set_label(short(name) + (f": others {in_percent(others)}" if len(shown) < n_held else ""))
        legend_below([ax])


def _bars(ax: Any, values: pd.DataFrame) -> None:
    """Horizontal bars from the top down, a row for each name, the portfolios side by side in it."""
    rows, width = np.arange(len(values)), 0.8 / values.shape[1]
    for place, column in enumerate(values):
        offset = (place - (values.shape[1] - 1) / 2) * width
        ax.barh(rows + offset, values[column], height=width, **bar_style(place))
    name_rows([ax], values.index)
    percent(ax.xaxis)


def _height(rows: pd.DataFrame) -> float:
    """Inches in which all bars, and their names, can be told apart."""
    return 1.3 + len(rows) * max(0.17, 0.085 * rows.shape[1])


def _number(n: Any, who: str) -> int:
    if not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"{who}: n must be a whole number of at least 1, got {n!r}.")
    return int(n)
