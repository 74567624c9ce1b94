"""The convention of the displays, and the portfolios that they are given: collected by name, with their benchmark."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from trackfolio.comparison import _check_same_periods
from trackfolio.display._drawing import drawing, panels
from trackfolio.model_selection import Backtest
from trackfolio.portfolio import Portfolio


class Display(ABC):
    """Something that can be drawn, on new axes or on given ones."""

    axes_: Any
    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes or array of axes, default=None
            Where: one ax, which is split if the display has several panels; or one for each panel. None for a new
            figure.

        Returns
        -------
        Display
            Itself, with `ax_`, `axes_` and `figure_`.

        Raises
        ------
        ImportError
            Without matplotlib.
        TypeError, ValueError
            For what are no axes, or are not as many as there are panels.
        """
        with drawing(type(self).__name__):
            self.axes_ = panels(ax, self._heights(), self._grid(), self._inches())
            self.ax_ = self.axes_[0]
            self.figure_ = self.ax_.get_figure()
            self._draw(self.axes_)
        return self

    def _heights(self) -> tuple[float, ...]:
        """Relative height of each panel."""
        return (1.0,)

    def _inches(self) -> float:
        """Least height of a new figure."""
        return 0.0

    def _grid(self) -> Literal["x", "y"]:
        """Direction along which lines are read off."""
        return "y"

    @abstractmethod
    def _draw(self, axes: Any) -> None:
        """Draw on an array of axes, one for each panel."""


class PortfolioDisplay(Display):
    """A display of portfolios by name."""

    portfolios: dict[str, Portfolio]

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, name: str | None = None, ax: Any = None, **options: Any
    ) -> Self:
        """Draw the portfolios that fitted estimators hold over the periods of X.

        Parameters
        ----------
        estimator : estimator, or dict of estimators by name
            Fitted; `predict` gives portfolios.
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets, per period.
        y : array-like or Series of shape (n_periods,), default=None
            Simple returns of the benchmark, per period. None for that which the portfolios know.
        name : str, default=None
            What to call the portfolio of a single estimator; by default the estimator's class.
        ax : matplotlib axes or array of axes, default=None
            None for a new figure.
        **options
            Of the display: see its parameters.

        Returns
        -------
        Display
            Drawn.

        Raises
        ------
        ValueError
            For a name with several estimators, and what the display itself refuses.
        """
        if isinstance(estimator, Mapping):
            if name is not None:
                raise ValueError(f"name={name!r} is for a single estimator; several have the names of their dict.")
            named = {key: each.predict(X) for key, each in estimator.items()}
        else:
            named = {name or type(estimator).__name__: estimator.predict(X)}
        return cls.from_predictions(y, named, ax=ax, **options)

    @classmethod
    def from_predictions(cls, y: Any, portfolios: Any, *, ax: Any = None, **options: Any) -> Self:
        """Draw portfolios.

        Parameters
        ----------
        y : array-like or Series of shape (n_periods,), or None
            Simple returns of the benchmark, per period. None for that which the portfolios know.
        portfolios : Portfolio, Backtest, or dict of these by name
            Of a backtest, the portfolio net of costs.
        ax : matplotlib axes or array of axes, default=None
            None for a new figure.
        **options
            Of the display: see its parameters.

        Returns
        -------
        Display
            Drawn.
        """
        make: Any = cls
        display: Self = make(portfolios, y=y, **options).plot(ax)
        return display


def collected(portfolios: Any, y: Any, who: str) -> dict[str, Portfolio]:
    """Portfolios by name, measured against y where it is given."""
    given = portfolios if isinstance(portfolios, Mapping) else {None: portfolios}
    if not given:
        raise ValueError(f"{who} has no portfolio to draw: the dict is empty.")
    named: dict[str, Portfolio] = {}
    for key, value in given.items():
        portfolio = value.net if isinstance(value, Backtest) else value
        if not isinstance(portfolio, Portfolio):
            what = "" if key is None else f"{key!r} is "
            raise TypeError(
                f"{who} takes a Portfolio, a Backtest, or a dict of these by name; {what}{type(value).__name__}. "
                "An estimator of trackfolio predicts one; Portfolio(X, weights) makes one of weights."
            )
        named[str(portfolio.name or "portfolio") if key is None else str(key)] = portfolio
    if y is None:
        return named
    # Returns that are given do not make known weights unknown.
    return {k: p.relative_to(y, benchmark_weights=p.benchmark_weights) for k, p in named.items()}


def over_time(portfolios: Any, y: Any, who: str) -> dict[str, Portfolio]:
    """Portfolios over the same periods, and against the same benchmark where they have one."""
    named = collected(portfolios, y, who)
    _check_same_periods(named)
    first = common_benchmark(named)
    for name, portfolio in named.items():
        own = portfolio.benchmark
        if first is not None and own is not None and not np.allclose(first, own, rtol=0, atol=1e-12):
            raise ValueError(f"{name!r} has another benchmark than {next(iter(named))!r}: give one for all, as y.")
    return named


def common_benchmark(named: dict[str, Portfolio]) -> pd.Series | None:
    """The benchmark that the portfolios know, or None."""
    return next((p.benchmark for p in named.values() if p.benchmark is not None), None)


def against_benchmark(portfolios: Any, y: Any, who: str) -> dict[str, Portfolio]:
    """Portfolios over the same periods, each of which knows the same benchmark."""
    named = over_time(portfolios, y, who)
    for name, portfolio in named.items():
        if portfolio.benchmark is None:
            raise ValueError(
                f"{who} draws {name!r} against a benchmark, and there is none: give its returns as y, or use "
                "portfolio.relative_to(y). It is never guessed."
            )
    return named


def common_frequency(named: dict[str, Portfolio]) -> float | None:
    """Periods a year of all portfolios; None where they are unknown or differ."""
    known = {portfolio.periods_per_year for portfolio in named.values()}
    return known.pop() if len(known) == 1 else None
