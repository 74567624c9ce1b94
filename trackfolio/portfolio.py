"""A portfolio: its weights, its returns and, where there is one, its benchmark."""

import math
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

import trackfolio.metrics as metrics
from trackfolio._array_like import ArrayLike
from trackfolio._frequency import check_periods_per_year, infer_periods_per_year
from trackfolio._paths import cumulated, drawdowns
from trackfolio._portfolio_html import held_assets, period_text, portfolio_html
from trackfolio._portfolio_input import benchmark_returns, returns_matrix
from trackfolio._portfolio_summary import summary_table
from trackfolio._products import times
from trackfolio._validation import Array, asset_names, finite_per_asset
from trackfolio.risks import Risk, StandardDeviation
from trackfolio.shares._shares import Shares, Targets, whole_shares

__all__ = ["Portfolio"]

_KEEP: Any = object()


class Portfolio(ArrayLike):
    r"""Constant weights on a matrix of returns: array-like of its own returns :math:`p = Xw`.

    scikit-learn's metrics take it for the series of its returns; arithmetic, indexing and numpy's functions give plain
    arrays. It cannot be changed: `relative_to` and `replace` give a new one.

    With :math:`a_t = p_t - b_t` the active return and m periods a year, every measure is a method, and per period
    unless `annualised` is True: then means are multiplied by m, standard deviations and ratios by :math:`\sqrt m`, and
    compounded returns are those per year. What has no rate (drawdowns, beta, ...) is over all periods. With
    `compounded`, returns are reinvested; `risk` is one of :mod:`trackfolio.risks`, with `active` of the active returns;
    a `risk_free_rate` is per period. Formulas, units and sources stand in :mod:`trackfolio.metrics`.

    Parameters
    ----------
    X : array-like of shape (n_periods, n_assets)
        Simple returns per period of the assets, a reference is kept: leave them as they are. A pandas DataFrame also
        gives dates and names, a polars DataFrame names; without names the assets are x0, x1, ...
    weights : array-like of shape (n_assets,), dict or Series by asset name
        Share of the invested amount in each asset, in every period. By name, all are needed.
    benchmark : array-like of shape (n_periods,), optional
        Simple returns per period of the benchmark.
    name : str, optional
        What to call the portfolio.
    periods_per_year : float, optional
        By default inferred from the dates (252 for business days, 365 for all days, 52, 12, 4, 1).

    Raises
    ------
    ValueError
        NaN or infinity, wrong shapes, unknown or missing names, dates of X and the benchmark that differ; a measure
        that needs a benchmark or its weights, without them, or an annualised one where the periods a year are unknown.
    AttributeError, TypeError
        For an attempt to change it.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.metrics import root_mean_squared_error
    >>> from trackfolio.portfolio import Portfolio
    >>> dates = pd.to_datetime(["2024-01-31", "2024-02-29", "2024-03-29", "2024-04-30"])
    >>> X = pd.DataFrame(
    ...     {"A": [0.02, -0.01, 0.03, 0.00], "B": [0.00, 0.01, 0.01, 0.02]}, index=dates
    ... )
    >>> y = pd.Series([0.01, 0.01, 0.01, 0.01], index=dates)
    >>> portfolio = Portfolio(X, {"A": 0.5, "B": 0.5})
    >>> portfolio + 1
    array([1.01, 1.  , 1.02, 1.01])
    >>> round(root_mean_squared_error(y, portfolio), 6)
    0.007071
    >>> tracked = portfolio.relative_to(y)
    >>> round(tracked.tracking_rmse(annualised=True), 6)
    0.024495
    >>> tracked.summary().loc["tracking difference"].round(6).to_dict()
    {'per period': nan, 'annualised': -0.000331, 'overall': -0.000102}
    """

    _X: Array
    _names: list[str]
    _dates: pd.Index | None
    _weights: Array
    _benchmark: Array | None
    _benchmark_weights: Array | None
    _benchmark_name: str | None
    _name: str | None
    _periods_per_year: float | None

    def __init__(
        self,
        X: Any,
        weights: Any,
        *,
        benchmark: npt.ArrayLike | None = None,
        name: str | None = None,
        periods_per_year: float | None = None,
    ) -> None:
        values = returns_matrix(X)
        # As a list: to iterate over a pandas index is slow.
        columns = X.columns.tolist() if isinstance(X, pd.DataFrame) else getattr(X, "columns", None)
        names = asset_names(columns, values.shape[1])
        w = finite_per_asset(weights, names, "weights")
        self.__setstate__(
            {
                "_X": values,
                "_names": names,
                "_dates": X.index if isinstance(X, pd.DataFrame) else None,
                "_weights": w,
                "_returns": times(values, w),
                "_benchmark": None,
                "_benchmark_weights": None,
                "_benchmark_name": None,
                "_name": name,
                "_periods_per_year": check_periods_per_year(periods_per_year),
            }
        )
        if benchmark is not None:
            self.__dict__.update(self._checked_benchmark(benchmark, "benchmark"))

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A pickle or a deep copy forgets that its arrays must not be written to.
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        self.__dict__.update(state)

    def __setattr__(self, attribute: str, value: Any) -> None:
        raise AttributeError(
            f"A Portfolio is immutable, {attribute!r} cannot be set: relative_to() and replace() give a new one."
        )

    def __delattr__(self, attribute: str) -> None:
        raise AttributeError(f"A Portfolio is immutable, {attribute!r} cannot be deleted.")

    def _with(self, **changes: Any) -> Self:
        other = object.__new__(type(self))
        other.__setstate__({k: v for k, v in self.__dict__.items() if k.startswith("_")} | changes)
        return other

    def replace(self, *, name: str | None = _KEEP, periods_per_year: float | None = _KEEP) -> Self:
        """Return the same portfolio with another name or number of periods a year."""
        changes: dict[str, Any] = {} if name is _KEEP else {"_name": name}
        if periods_per_year is not _KEEP:
            changes["_periods_per_year"] = check_periods_per_year(periods_per_year)
        return self._with(**changes)

    def relative_to(self, y: npt.ArrayLike | None = None, *, benchmark_weights: Any = None) -> Self:
        """Return the same portfolio measured against a benchmark.

        Parameters
        ----------
        y : array-like of shape (n_periods,), optional
            Simple returns per period of the benchmark. By default `X @ benchmark_weights`.
        benchmark_weights : array-like of shape (n_assets,), dict or Series by name, optional
            Weights of the benchmark, one for every asset of X; gives the active share.

        Returns
        -------
        Portfolio
            A new one, which knows its benchmark.

        Raises
        ------
        ValueError
            If neither is given, names or dates differ from those of X, or a value is not finite.
        """
        w = None
        if benchmark_weights is not None:
            w = finite_per_asset(benchmark_weights, self._names, "benchmark_weights")
        if y is not None:
            benchmark = self._checked_benchmark(y, "y")
        elif w is not None:
            benchmark = {"_benchmark": times(self._X, w), "_benchmark_name": None}
        else:
            raise ValueError(
                "relative_to needs a benchmark: its returns (y) or its weights "
                "(benchmark_weights=). It is never guessed."
            )
        return self._with(**benchmark, _benchmark_weights=w)

    def _checked_benchmark(self, y: Any, what: str) -> dict[str, Any]:
        y = y.returns if isinstance(y, Portfolio) and y.dates is not None else y
        dated = None if self._dates is None else self.returns
        values = benchmark_returns(y, dated, len(self), what)
        name = getattr(y, "name", None)
        return {"_benchmark": values, "_benchmark_name": None if name is None else str(name)}

    @property
    def name(self) -> str | None:
        """Name of the portfolio, or None."""
        return self._name

    @property
    def weights(self) -> pd.Series:
        """Weights by asset name, as a new Series of shape (n_assets,)."""
        return pd.Series(self._weights, index=self._names, name="weight", copy=True)

    @property
    def dates(self) -> pd.Index | None:
        """Labels of the periods, if X came with any."""
        return self._dates

    @property
    def returns(self) -> pd.Series:
        """Simple returns per period, as a new Series of shape (n_periods,)."""
        return self._dated(self._returns, self._name or "portfolio")

    @property
    def benchmark(self) -> pd.Series | None:
        """Simple returns per period of the benchmark, or None."""
        if self._benchmark is None:
            return None
        return self._dated(self._benchmark, self._benchmark_name or "benchmark")

    @property
    def benchmark_weights(self) -> pd.Series | None:
        """Weights of the benchmark by asset name, or None."""
        if self._benchmark_weights is None:
            return None
        return pd.Series(self._benchmark_weights, index=self._names, name="weight", copy=True)

    @cached_property
    def periods_per_year(self) -> float | None:
        """Periods a year, given or inferred from the dates; None where they do not tell."""
        return self._periods_per_year or infer_periods_per_year(self._dates)

    @property
    def active_returns(self) -> pd.Series:
        """Returns of the portfolio minus those of the benchmark."""
        benchmark, returns = self._pair()
        return self._dated(returns - benchmark, "active")

    def cumulative_returns(self, *, compounded: bool = False) -> pd.Series:
        """Sum of the simple returns up to each period, or the compounded return."""
        return self._dated(cumulated(self._returns, compounded=compounded), self._name or "portfolio")

    def drawdowns(self, *, compounded: bool = False) -> pd.Series:
        """Loss since the running maximum (which starts at 0) at each period, positive.

        Of the cumulated simple returns; or, compounded, as a share of the greatest wealth.
        """
        return self._dated(drawdowns(self._returns, compounded=compounded), self._name or "portfolio")

    def max_drawdown(self, *, compounded: bool = False) -> float:
        """Greatest of the `drawdowns`, positive."""
        return float(drawdowns(self._returns, compounded=compounded).max())

    def mean_return(self, *, annualised: bool = False) -> float:
        """Arithmetic mean of the returns, per period or × m."""
        return float(self._returns.mean()) * (self._m(annualised) or 1.0)

    def volatility(self, *, annualised: bool = False) -> float:
        """Sample standard deviation of the returns, per period or × sqrt(m)."""
        return StandardDeviation().value(self._returns) * math.sqrt(self._m(annualised) or 1.0)

    def sharpe_ratio(self, risk_free_rate: float = 0.0, *, annualised: bool = False) -> float:
        """(mean - risk-free rate per period) / volatility, per period or × sqrt(m)."""
        cash = np.full(self.shape, risk_free_rate)
        return metrics.information_ratio(cash, self._returns, periods_per_year=self._m(annualised))

    def compounded_return(self, *, annualised: bool = False) -> float:
        """Return with everything reinvested, over all periods or per year."""
        return metrics.tracking_difference(np.zeros(self.shape), self._returns, periods_per_year=self._m(annualised))

    def tracking_rmse(self, *, annualised: bool = False) -> float:
        """Root mean square of the active return, the mean included."""
        return metrics.tracking_rmse(*self._pair(), periods_per_year=self._m(annualised))

    def tracking_error(self, *, annualised: bool = False) -> float:
        """Sample standard deviation of the active return."""
        return metrics.tracking_error(*self._pair(), periods_per_year=self._m(annualised))

    def mean_active_return(self, *, annualised: bool = False) -> float:
        """Arithmetic mean of the active return."""
        return metrics.mean_active_return(*self._pair(), periods_per_year=self._m(annualised))

    def tracking_difference(self, *, annualised: bool = False) -> float:
        """Compounded return minus the benchmark's, over all periods or per year."""
        return metrics.tracking_difference(*self._pair(), periods_per_year=self._m(annualised))

    def information_ratio(self, *, annualised: bool = False) -> float:
        """Mean active return per unit of tracking error."""
        return metrics.information_ratio(*self._pair(), periods_per_year=self._m(annualised))

    def alpha(self, *, annualised: bool = False) -> float:
        """Mean return beyond what beta explains."""
        return metrics.alpha(*self._pair(), periods_per_year=self._m(annualised))

    def beta(self) -> float:
        """Slope of the returns on those of the benchmark."""
        return metrics.beta(*self._pair())

    def squared_correlation(self) -> float:
        """Squared correlation with the benchmark (not R²)."""
        return metrics.squared_correlation(*self._pair())

    def active_share(self) -> float:
        """Half the sum of absolute active weights; needs the benchmark's weights."""
        return metrics.active_share(self._weights, self._known_benchmark_weights("active share"))

    def ex_ante_tracking_error(self, covariance: Any, *, annualised: bool = False) -> float:
        r"""Tracking error that a covariance implies, :math:`\sqrt{d'\Sigma d}`, d = w - w_b.

        Parameters
        ----------
        covariance : array-like or DataFrame of shape (n_assets, n_assets)
            Covariance of the returns per period; a DataFrame is taken by name.
        annualised : bool, default=False
            Multiply by sqrt(m).

        Returns
        -------
        float
            In units of returns, per period or annualised.
        """
        benchmark_weights = self._known_benchmark_weights("ex-ante tracking error")
        pair: tuple[Any, Any] = (self._weights, benchmark_weights)
        if isinstance(covariance, pd.DataFrame):
            pair = (self.weights, self.benchmark_weights)
        return metrics.ex_ante_tracking_error(*pair, covariance, periods_per_year=self._m(annualised))

    def risk(self, risk: Risk, *, active: bool = False) -> float:
        """Any risk of the returns per period, or of the active returns: see :mod:`trackfolio.risks`."""
        return risk.value(self.active_returns.to_numpy() if active else self._returns)

    def ratio(self, risk: Risk, risk_free_rate: float = 0.0, *, active: bool = False) -> float:
        """(mean - risk-free rate) / risk, per period: with `CVaR` the CVaR ratio; nan where the risk is 0."""
        returns = self.active_returns.to_numpy() if active else self._returns
        return metrics.return_ratio(returns, risk.value(returns), risk_free_rate)

    def summary(self) -> pd.DataFrame:
        """Return all measures: a row each, in columns "per period", "annualised" and "overall".

        Measures relative to the benchmark are there if it is, the active share if its weights
        are. nan stands where a measure has no such form, is not defined, or cannot be annualised
        because the number of periods a year is unknown. Ratios have risk-free rate 0.
        """
        return summary_table(self)

    def to_shares(self, prices: Any, value: float, *, lot_size: Any = 1) -> Shares:
        """Return the whole shares that are nearest to the weights, what is traded, and what rounding costs.

        Parameters
        ----------
        prices : array-like of shape (n_assets,), dict or Series by asset name
            Price of a share of each asset, in one currency; needed of those with a weight, nan or left out elsewhere.
        value : float
            Amount to invest, cash included, in the money of the prices.
        lot_size : int, array-like of shape (n_assets,), dict or Series by asset name, default=1
            Shares that are traded together, 1 where a name is left out.

        Returns
        -------
        Shares
            Of a portfolio of a backtest: those of its last weights.
        """
        targets = Targets(self.weights, self._X, self._dates, self.periods_per_year)
        return whole_shares(targets, prices, value, lot_size)

    def _pair(self) -> tuple[Array, Array]:
        if self._benchmark is None:
            raise ValueError(
                "This portfolio has no benchmark to be measured against: use "
                "portfolio.relative_to(y), or relative_to(benchmark_weights=...)."
            )
        return self._benchmark, self._returns

    def _known_benchmark_weights(self, measure: str) -> Array:
        if self._benchmark_weights is None:
            raise ValueError(
                f"The {measure} needs the benchmark's weights: use portfolio.relative_to(y, benchmark_weights=...)."
            )
        return self._benchmark_weights

    def _m(self, annualised: bool) -> float | None:
        if annualised and self.periods_per_year is None:
            raise ValueError(
                "The number of periods a year cannot be told from the dates: give it, for example "
                "portfolio.replace(periods_per_year=252)."
            )
        return self.periods_per_year if annualised else None

    def _dated(self, values: Array, name: str) -> pd.Series:
        return pd.Series(values, index=self._dates, name=name, copy=True)

    def __repr__(self) -> str:
        name = "" if self._name is None else f" {self._name!r}"
        held = f"holds {held_assets(self._weights)} of {len(self._weights)} assets"
        rival = "" if self._benchmark is None else f", against {self._benchmark_name or 'benchmark'}"
        return f"<Portfolio{name}: {period_text(self._dates, len(self))}, {held}{rival}>"

    def _repr_html_(self) -> str:
        return portfolio_html(self)
