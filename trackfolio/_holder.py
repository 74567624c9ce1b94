"""What all fitted portfolios share: assets by name, and weights that are held over returns."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from trackfolio._products import with_precision
from trackfolio._tooltips import TooltipsMixin
from trackfolio._universe import Universe, with_cut_parameters
from trackfolio._validation import (
    NEEDS_BENCHMARK,
    Array,
    asset_names,
    finite_per_asset,
    per_asset,
    refuse_non_finite,
    warn_if_prices,
)
from trackfolio.portfolio import Portfolio


class PortfolioHolder(TooltipsMixin, BaseEstimator):
    """An estimator whose fit ends with weights."""

    #: Parameters with one value for each asset: see `Term.by_asset`.
    by_asset: ClassVar[tuple[str, ...]] = ("min_weights", "max_weights", "min_position", "expected_returns")

    benchmark_weights: Any

    def restricted_to(self, universe: Universe) -> Self:
        """The estimator for the assets that can be traded: unfitted, its parameters cut to them.

        The benchmark's weights lose the assets of weight 0 alone: with the others, it would be another benchmark.

        Parameters
        ----------
        universe : Universe
            Which assets can be traded, and the dates of the rows.

        Returns
        -------
        estimator
            A clone.
        """
        new: Self = with_cut_parameters(self, universe)
        weights = self.benchmark_weights
        if isinstance(weights, pd.DataFrame):
            weights = last_known(weights, universe.dates)
        elif weights is not None and not isinstance(weights, pd.Series | Mapping):
            weights = dict(
                zip(universe.names, finite_per_asset(weights, universe.names, "benchmark_weights"), strict=True)
            )
        if weights is not None:
            outside = universe.outside
            for name, w in weights.items():
                if w != 0 and str(name) in outside:
                    raise ValueError(
                        f"{str(name)!r} cannot be bought (there are no returns of it in all rows), but has a weight of "
                        f"{w:.6g} in benchmark_weights: give it 0, leave it out of X, or give y in their place."
                    )
            weights = {name: w for name, w in weights.items() if str(name) not in outside}
        new.benchmark_weights = weights
        return new

    def predict(self, X: Any) -> Portfolio:
        """Hold the fitted weights over the periods of X.

        The weights are held constant, that is rebalanced every period; for drifting holdings see the backtest.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets, per period.

        Returns
        -------
        Portfolio
            Array-like: its own returns. Knows its benchmark where `benchmark_weights` is given.

        Raises
        ------
        ValueError
            If the assets are not those of `fit`, in the same order, or a return is not finite.
        """
        check_is_fitted(self)
        values = self._validated(X, reset=False)
        names = self._names(X)
        warn_if_prices(values, names)
        portfolio = Portfolio(X if hasattr(X, "columns") else values, self.weights_)
        weights = self.benchmark_weights_
        return portfolio if weights is None else portfolio.relative_to(benchmark_weights=weights)

    def _validated(self, X: Any, *, reset: bool, **y: Any) -> Any:
        """Validation by scikit-learn, with the place of a NaN or infinity."""
        if reset:
            _refuse_repeated_columns(X)
        if "y" in y and y["y"] is None and get_tags(self).target_tags.required:
            raise ValueError(f"This {type(self).__name__} {NEEDS_BENCHMARK}")
        numeric = {"y_numeric": True} if y.get("y") is not None else {}
        try:
            with np.errstate(invalid="ignore"):  # a sum over both infinities, on the way to their refusal
                checked = validate_data(self, X, dtype=[np.float64, np.float32], reset=reset, **y, **numeric)
        except ValueError:
            refuse_non_finite(X)
            if y.get("y") is not None:
                refuse_non_finite(y["y"], "y")
            raise
        self._check_names(X, reset)
        if y.get("y") is None:
            return with_precision(checked)
        values, target = checked
        return with_precision(values), np.asarray(target, dtype=np.float64)

    def _check_names(self, X: Any, reset: bool) -> None:
        """Compare the names of columns with those of the fit; scikit-learn compares only names that are strings."""
        known = None if reset else getattr(self, "_column_names", None)
        if hasattr(X, "columns") and known not in (None, asset_names(X.columns, len(X.columns))):
            raise ValueError(f"The columns of X are not those of fit, in the same order: {known[:5]}, ...")

    def _names(self, X: Any) -> list[str]:
        names = getattr(self, "feature_names_in_", None)
        return asset_names(getattr(X, "columns", None) if names is None else names, self.n_features_in_)

    def _given_weights(self, X: Any) -> Any:
        """Weights of the benchmark as they were given, or the row of a table that the dates of X point to."""
        weights = self.benchmark_weights
        return last_known(weights, getattr(X, "index", None)) if isinstance(weights, pd.DataFrame) else weights

    def _checked_weights(self, weights: Any, names: list[str]) -> Array | None:
        return None if weights is None else finite_per_asset(weights, names, "benchmark_weights")

    def _hold(self, weights: Array, benchmark_weights: Array | None, X: Any) -> Self:
        """Keep plain arrays."""
        self.weights_, self.benchmark_weights_ = weights, benchmark_weights
        self._column_names = self._names(X) if hasattr(X, "columns") else None
        return self


def _refuse_repeated_columns(X: Any) -> None:
    columns = getattr(X, "columns", None)
    if isinstance(columns, pd.Index) and not columns.is_unique:
        name = columns[columns.duplicated()][0]
        raise ValueError(f"X has two columns with the name {name!r}; names must tell assets apart.")


def refuse_dates(X: Any) -> None:
    """Refuse a column of dates, which scikit-learn only says has no common type with numbers."""
    for name, kind in getattr(X, "dtypes", pd.Series(dtype=object)).items() if isinstance(X, pd.DataFrame) else ():
        if pd.api.types.is_datetime64_any_dtype(kind):
            raise ValueError(f"Column {name!r} of X holds dates: make it the index, X.set_index({name!r}).")


def last_known(table: pd.DataFrame, dates: Any) -> pd.Series:
    """Row of a date-indexed table on or before the last date of X."""
    if not isinstance(dates, pd.DatetimeIndex) or not isinstance(table.index, pd.DatetimeIndex):
        raise ValueError(
            "benchmark_weights as a DataFrame needs dates as its index, and dates as the index of X; or "
            "give one row of it."
        )
    last = dates.max()
    if (table.index.tz is None) != (dates.tz is None):
        raise ValueError("The dates of benchmark_weights and of X must both have a time zone, or both have none.")
    if table.empty or not table.index.is_unique:
        raise ValueError("benchmark_weights as a DataFrame needs rows, and one row a date.")
    known = table.loc[table.index <= last]
    if known.empty:
        raise ValueError(
            f"benchmark_weights begins at {table.index.min():%Y-%m-%d}, after the last date of X, {last:%Y-%m-%d}."
        )
    row: pd.Series = known.loc[known.index.max()]
    return row


def checked_bound(bound: Any, names: list[str], what: str, *, usual: float, none: float) -> Array:
    """Bound of each weight: an asset that a dict leaves out has the usual one, and `None` is no bound at all."""
    return per_asset(bound, names, what, default=none if bound is None else usual)
