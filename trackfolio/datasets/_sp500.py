"""The embedded prices of the S&P 500 and of twenty of its constituents."""

from datetime import date
from importlib.resources import files
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from trackfolio.datasets._prices import prices_to_returns

Date = str | date | np.datetime64

_DATA = files("trackfolio.datasets").joinpath("data")


@overload
def load_sp500(*, start: Date | None = ..., end: Date | None = ..., return_X_y: Literal[False] = ...) -> Bunch: ...
@overload
def load_sp500(
    *, start: Date | None = ..., end: Date | None = ..., return_X_y: Literal[True]
) -> tuple[pd.DataFrame, pd.Series]: ...
@overload
def load_sp500(
    *, start: Date | None = ..., end: Date | None = ..., return_X_y: bool
) -> Bunch | tuple[pd.DataFrame, pd.Series]: ...
def load_sp500(
    *, start: Date | None = None, end: Date | None = None, return_X_y: bool = False
) -> Bunch | tuple[pd.DataFrame, pd.Series]:
    """Load daily prices of 20 stocks of the S&P 500 and of the index, 1990 to 2022.

    The stocks' closing prices are adjusted for splits and dividends; the index is the published
    price index, without dividends. `DESCR` tells more, and what follows from it.

    Parameters
    ----------
    start, end : str, date, Timestamp or datetime64, default=None
        First and last date of the prices, both included; None for all there are. A string may
        name a whole period: `end="2014"` runs to the last trading day of 2014.
    return_X_y : bool, default=False
        Return simple returns instead of prices. The first return is the one from the first chosen
        price to the second.

    Returns
    -------
    data : Bunch
        With the attributes

        prices : DataFrame of shape (8313, 20) if no dates are given
            Closing prices in US dollars; the index is a DatetimeIndex named "Date".
        index : Series of length 8313, named "SP500"
            Closing level of the S&P 500 in points, on the same dates.
        DESCR : str
            Description, source and licence.
    (X, y) : tuple of DataFrame and Series
        If `return_X_y`: simple returns per day of the stocks and of the index.

    Raises
    ------
    TypeError
        If `start` or `end` is no date (a number, say: 2014 is not "2014").
    ValueError
        If `start` or `end` cannot be read, has a time zone, or no price lies between the two.

    Notes
    -----
    The figures are those of the data files inside the wheel of skfolio 1.12.2, published under the
    BSD-3-Clause licence, unchanged; both stand in `trackfolio/datasets/data`.

    Examples
    --------
    >>> from trackfolio.datasets import load_sp500
    >>> data = load_sp500(start="2014-01-01", end="2014-06")
    >>> data.prices.shape
    (124, 20)
    >>> float(data.index.iloc[0])
    1831.98
    >>> X, y = load_sp500(start="2014-01-01", return_X_y=True)
    >>> X.shape, y.shape
    ((2263, 20), (2263,))
    """
    prices = _read("sp500_dataset.csv.gz")
    index = _read("sp500_index.csv.gz")["SP500"]
    least = 2 if return_X_y else 1
    rows = _between(pd.DatetimeIndex(prices.index), start, end, least)
    prices, index = prices.iloc[rows], index.iloc[rows]
    if return_X_y:
        return prices_to_returns(prices, index)
    description = _DATA.joinpath("README.md").read_text(encoding="utf-8")
    return Bunch(prices=prices, index=index, DESCR=description)


def _read(name: str) -> pd.DataFrame:
    with _DATA.joinpath(name).open("rb") as file:
        return pd.read_csv(file, compression="gzip", index_col="Date", parse_dates=["Date"])


def _between(dates: pd.DatetimeIndex, start: Date | None, end: Date | None, least: int) -> slice:
    """Rows from `start` to `end`, both included; an error if there are fewer than `least`."""
    first = 0 if start is None else _bound(dates, "start", start)
    last = len(dates) if end is None else _bound(dates, "end", end)
    if last - first < least:
        raise ValueError(
            f"start={start!r} and end={end!r} select {max(last - first, 0)} days, {least} needed: "
            f"choose dates from {dates[0].date()} to {dates[-1].date()}, start before end."
        )
    return slice(first, last)


def _bound(dates: pd.DatetimeIndex, name: str, value: Date) -> int:
    # pandas would read the number 2014 as nanoseconds after 1970.
    if not isinstance(value, str | date | np.datetime64):
        raise TypeError(
            f"{name}={value!r} is of type {type(value).__name__}, not a date: give a string such "
            f"as '2014-01-31', a Timestamp or a datetime.date."
        )
    try:
        stamp: Any = pd.Timestamp(value)
        if stamp is pd.NaT:
            raise ValueError("not a time")
        # A string stays one: pandas knows that "2014" is a year, and where it begins and ends.
        label = value if isinstance(value, str) else stamp
        return int(dates.get_slice_bound(label, "left" if name == "start" else "right"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{name}={value!r} is not a date to select by ({error}): write it as '2014-01-31'.") from error
