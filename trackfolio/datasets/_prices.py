"""Prices to simple returns: the one place of the library that joins two sets of dates."""

from collections.abc import Sequence
from typing import Any, overload

import numpy.typing as npt
import pandas as pd

from trackfolio.datasets._price_checks import (
    Array,
    Labels,
    check_labels,
    check_prices,
    numbers_of_array,
    numbers_of_frame,
)

_ArrayLike = npt.NDArray[Any] | Sequence[Any]


@overload
def prices_to_returns(prices: pd.DataFrame, index: None = ...) -> pd.DataFrame: ...
@overload
def prices_to_returns(prices: pd.Series, index: None = ...) -> pd.Series: ...
@overload
def prices_to_returns(prices: pd.DataFrame, index: pd.Series) -> tuple[pd.DataFrame, pd.Series]: ...
@overload
def prices_to_returns(prices: pd.Series, index: pd.Series) -> tuple[pd.Series, pd.Series]: ...
@overload
def prices_to_returns(prices: _ArrayLike, index: None = ...) -> Array: ...
@overload
def prices_to_returns(prices: _ArrayLike, index: _ArrayLike) -> tuple[Array, Array]: ...
def prices_to_returns(prices: Any, index: Any = None) -> Any:
    """Turn prices into simple returns, `P[t] / P[t-1] - 1`, on the dates common to both inputs.

    Parameters
    ----------
    prices : DataFrame, Series or array-like of shape (n_dates, n_assets) or (n_dates,)
        Prices, one column per asset, in any currency; dates ascending.
    index : Series or array-like of shape (n_dates,), default=None
        Levels of the benchmark. A Series goes with pandas prices, an array with an array of as
        many rows.

    Returns
    -------
    X : DataFrame, Series or ndarray of shape (n_returns, n_assets) or (n_returns,)
        Simple returns per period (0.01 is one percent), of the kind of `prices`, float64. Each
        stands on the later of its two dates; names are kept.
    y : Series or ndarray of shape (n_returns,)
        Returns of the index on the same dates; only if `index` is given.

    Raises
    ------
    TypeError
        If one of the inputs has dates and the other has none, or a column does not hold numbers.
    ValueError
        If dates or names of assets are duplicated, dates are not ascending, fewer than two dates
        are common, or a price on a common date is missing, infinite or not positive.

    Notes
    -----
    Dates that only one of the inputs has are left out *before* the returns are computed: a return
    across a date that was left out covers both periods, for the assets and for the index alike, so
    that the two stay comparable and nothing is lost when they are compounded.

    Missing prices are refused, with the names of the assets and their first missing dates; nothing
    is filled or dropped. Whether a gap is a holiday (fill it forward: `prices.ffill()`), an asset
    that was not yet listed (start later, or drop it) or an error in the data cannot be seen from
    the prices. Filling makes a return of zero followed by a larger one, and lowers the measured
    correlation with the index. What stands on dates that are left out is not looked at.

    Examples
    --------
    >>> import pandas as pd
    >>> from trackfolio.datasets import prices_to_returns
    >>> days = pd.date_range("2024-01-01", periods=4, name="Date")
    >>> prices = pd.DataFrame({"A": [10.0, 11.0, 12.0, 12.1]}, index=days)
    >>> index = pd.Series([100.0, 110.0, 99.0], index=days[[0, 1, 3]], name="I")
    >>> X, y = prices_to_returns(prices, index)
    >>> X.join(y).round(4)
                  A    I
    Date
    2024-01-02  0.1  0.1
    2024-01-04  0.1 -0.1
    """
    if isinstance(prices, pd.DataFrame | pd.Series):
        return _from_pandas(prices, index)
    return _from_arrays(prices, index)


def _from_pandas(prices: pd.DataFrame | pd.Series, index: Any) -> Any:
    frame = prices if isinstance(prices, pd.DataFrame) else _as_frame(prices, "prices")
    check_labels(frame, "prices")
    if index is None:
        returns = _returns_of_frame(frame, "prices")
        return returns if isinstance(prices, pd.DataFrame) else _as_series(returns, prices.name)
    if not isinstance(index, pd.Series):
        squeeze = isinstance(index, pd.DataFrame) and index.shape[1] == 1
        remedy = "index.squeeze('columns')" if squeeze else "pd.Series(index, index=prices.index)"
        raise TypeError(
            f"index must be a Series with dates, as prices have dates, but is a {type(index).__name__}: pass {remedy}."
        )
    level = _as_frame(index, "index")
    check_labels(level, "index")
    frame, level = _join(frame, level)
    X, y = _returns_of_frame(frame, "prices"), _returns_of_frame(level, "index")
    X_out = X if isinstance(prices, pd.DataFrame) else _as_series(X, prices.name)
    return X_out, _as_series(y, index.name)


def _as_frame(series: pd.Series, what: str) -> pd.DataFrame:
    return series.to_frame(what if series.name is None else series.name)


def _as_series(frame: pd.DataFrame, name: Any) -> pd.Series:
    return frame.iloc[:, 0].rename(name)


def _join(frame: pd.DataFrame, level: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of both on their common dates, with the very same index."""
    common = frame.index.intersection(level.index).rename(frame.index.name)
    if len(common) < 2:
        raise ValueError(
            f"{len(common)} date(s) are common to prices and index, a return needs 2. The dates of "
            f"prices are {_span(frame.index)}, those of index {_span(level.index)}: compare their "
            f"ranges, times of day, time zones and types."
        )
    return frame.loc[common], level.loc[common].set_axis(common)


def _span(dates: pd.Index) -> str:
    ends = f"{dates[0]} to {dates[-1]}" if len(dates) else "none"
    return f"{ends} (dtype {dates.dtype})"


def _returns_of_frame(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    values = numbers_of_frame(frame, what)
    check_prices(values, Labels(what, frame.columns, frame.index))
    return pd.DataFrame(values[1:] / values[:-1] - 1.0, index=frame.index[1:], columns=frame.columns)


def _from_arrays(prices: Any, index: Any) -> Any:
    if isinstance(index, pd.Series | pd.DataFrame):
        raise TypeError(
            f"index has dates, but prices are a {type(prices).__name__} without dates: pass both "
            f"with dates, or index.to_numpy()."
        )
    values = numbers_of_array(prices, "prices", ndims=(1, 2))
    X = _returns_of_array(values, "prices")
    if index is None:
        return X
    level = numbers_of_array(index, "index", ndims=(1,))
    if len(level) != len(values):
        raise ValueError(
            f"there are {len(values)} rows of prices and {len(level)} of index, and arrays carry "
            f"no dates to join on: pass a DataFrame and a Series, or arrays of the same length."
        )
    return X, _returns_of_array(level, "index")


def _returns_of_array(values: Array, what: str) -> Array:
    check_prices(values if values.ndim == 2 else values[:, None], Labels(what, None, None))
    returns: Array = values[1:] / values[:-1] - 1.0
    return returns
