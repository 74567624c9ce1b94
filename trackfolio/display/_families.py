"""Families of portfolios: along a frontier, and by number of names."""

from typing import Any, Self

import pandas as pd

from trackfolio._html import HELD
from trackfolio.display._base import Display
from trackfolio.display._drawing import COLORS, area_colors, largest, legend_below, legend_beside, percent, stack
from trackfolio.model_selection import CardinalityPath, Frontier
from trackfolio.risks import RootMeanSquare

_COLUMNS = ("risk", "mean return", "tracking RMSE")


class FrontierDisplay(Display):
    """A frontier: risk or mean return against the tracking RMSE; below, the portfolios from end to end.

    Parameters
    ----------
    frontier : Frontier
        In sample, per period.
    measure : {"risk", "mean return", "tracking RMSE"}, default="risk"
        What is drawn upwards. The risk is that of the estimator.
    against : {"tracking RMSE", "risk", "mean return"}, default="tracking RMSE"
        What is drawn to the right; with "risk" and `measure` "mean return" it is the frontier of the textbooks.
    n : int, default=8
        How many names are drawn on their own, those of largest mean absolute weight; the others are summed.

    Attributes
    ----------
    ax_ : matplotlib axes
        The frontier, a dot for each portfolio.
    axes_ : ndarray of axes of shape (2,)
        The frontier, and the weights.
    figure_ : matplotlib figure

    Raises
    ------
    TypeError
        For what is no frontier.
    ValueError
        For other measures, and for a tracking RMSE without a benchmark.

    See Also
    --------
    trackfolio.model_selection.frontier : Fits the portfolios.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.display import FrontierDisplay
    >>> from trackfolio.model_selection import frontier
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> display = FrontierDisplay.from_frontier(frontier(MeanRisk(), X, y, values=5), measure="mean return")
    >>> display.ax_.get_ylabel()
    'mean return per period'
    >>> plt.close(display.figure_)
    """

    def __init__(
        self, frontier: Frontier, *, measure: str = "risk", against: str = "tracking RMSE", n: int = 8
    ) -> None:
        if not isinstance(frontier, Frontier):
            raise TypeError(
                f"FrontierDisplay draws what trackfolio.model_selection.frontier gives, got {type(frontier).__name__}."
            )
        for what, value in (("measure", measure), ("against", against)):
            if value not in _COLUMNS:
                raise ValueError(f"FrontierDisplay: {what} must be one of {', '.join(_COLUMNS)}; got {value!r}.")
            if frontier.table[value].isna().any():
                raise ValueError(
                    f"FrontierDisplay: {what}={value!r} needs a benchmark, and the frontier has none: give y "
                    'to frontier(estimator, X, y), or draw against="risk".'
                )
        self.frontier, self.measure, self.against, self.n = frontier, measure, against, n

    @classmethod
    def from_frontier(cls, frontier: Frontier, *, measure: str = "risk", ax: Any = None, **options: Any) -> Self:
        """Draw a frontier.

        Parameters
        ----------
        frontier : Frontier
            What `trackfolio.model_selection.frontier` gives.
        measure : {"risk", "mean return", "tracking RMSE"}, default="risk"
            What is drawn upwards.
        ax : matplotlib axes or array of axes, default=None
            None for a new figure.
        **options
            Of the display: `against` and `n`.

        Returns
        -------
        FrontierDisplay
            Drawn.
        """
        return cls(frontier, measure=measure, **options).plot(ax)

    def _heights(self) -> tuple[float, ...]:
        return (1.0, 1.0)

    def _draw(self, axes: Any) -> None:
        curve, areas = axes
        table = self.frontier.table.reset_index(drop=True).sort_values(self.against, kind="stable")
        curve.plot(table[self.against].to_numpy(), table[self.measure].to_numpy(), "o-", markersize=4, color=COLORS[0])
        weights = pd.DataFrame([portfolio.weights for portfolio in self.frontier.portfolios]).reset_index(drop=True)
        shown = largest(weights, self.n, HELD).loc[table.index]
        n_others = shown.shape[1] - sum(name in weights for name in shown)
        handles = stack(areas, table[self.against].to_numpy(), shown, area_colors(list(shown), n_others))
        self._label(curve.yaxis, self.measure)
        self._label(areas.xaxis, self.against)
        percent(areas.yaxis)
        areas.set_ylabel("weight")
        curve.set_title(f"{len(table)} portfolios along {self.frontier.parameter}")
        legend_beside([areas, curve], handles[::-1])

    def _label(self, axis: Any, column: str) -> None:
        """Name with its unit; a risk that is a square is no percentage."""
        estimator = self.frontier.estimators[0]
        risk = estimator._measured_risk
        active = " of the active return" if estimator._risk_is_active else ""
        axis.set_label_text(f"{risk.label + active if column == 'risk' else column} per period")
        if column != "risk" or risk.degree == 1:
            percent(axis)


class CardinalityPathDisplay(Display):
    """The least risk by number of names, above the region that is proven to be out of reach.

    Parameters
    ----------
    path : CardinalityPath
        In sample, per period.
    X : array-like or DataFrame of shape (n_periods, n_assets), optional
        Simple returns of the assets over other periods: the same portfolios out of sample, a second line.
    y : array-like or Series of shape (n_periods,), optional
        Simple returns of the benchmark over these periods.

    Attributes
    ----------
    ax_ : matplotlib axes
    axes_ : ndarray of axes of shape (1,)
    figure_ : matplotlib figure

    Raises
    ------
    TypeError
        For what is no path.
    ValueError
        For y without X.

    See Also
    --------
    trackfolio.model_selection.cardinality_path : Fits the portfolios.
    trackfolio.model_selection.CardinalityPath.plot : The same in the user's own style.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.display import CardinalityPathDisplay
    >>> from trackfolio.model_selection import cardinality_path
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> display = CardinalityPathDisplay.from_path(cardinality_path(MinTrackingError(), X, y, [3, 4, 5, 6]))
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['out of reach: proven', 'best portfolio, in sample']
    >>> plt.close(display.figure_)
    """

    def __init__(self, path: CardinalityPath, *, X: Any = None, y: Any = None) -> None:
        if not isinstance(path, CardinalityPath):
            raise TypeError(
                "CardinalityPathDisplay draws what trackfolio.model_selection.cardinality_path gives, got "
                f"{type(path).__name__}."
            )
        if X is None and y is not None:
            raise ValueError("CardinalityPathDisplay: y is that of other periods, whose X is missing; give both.")
        self.path, self.X, self.y = path, X, y

    @classmethod
    def from_path(cls, path: CardinalityPath, *, X: Any = None, y: Any = None, ax: Any = None) -> Self:
        """Draw a path.

        Parameters
        ----------
        path : CardinalityPath
            What `trackfolio.model_selection.cardinality_path` gives.
        X : array-like or DataFrame of shape (n_periods, n_assets), optional
            Simple returns of the assets over other periods.
        y : array-like or Series of shape (n_periods,), optional
            Simple returns of the benchmark over these periods.
        ax : matplotlib axes, default=None
            None for a new figure.

        Returns
        -------
        CardinalityPathDisplay
            Drawn.
        """
        return cls(path, X=X, y=y).plot(ax)

    def _draw(self, axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        [ax] = axes
        ax.set_prop_cycle(color=COLORS)
        self.path.plot(ax, X=self.X, y=self.y)
        estimator = self.path.estimators[0]
        risk, active = estimator._measured_risk, estimator._risk_is_active
        # What is minimised has the unit of the risk, unless an objective or costs say otherwise.
        if risk.degree == 1:
            percent(ax.yaxis)
        if active and isinstance(risk, RootMeanSquare):
            ax.set_ylabel("tracking RMSE per period")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        ax.set_xlabel("number of names, at most")
        ax.set_title("The best portfolios of few names")
        legend_below(axes)
