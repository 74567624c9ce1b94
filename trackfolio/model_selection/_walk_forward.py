"""Folds that walk forward in time, by numbers of rows or by the calendar."""

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils.validation import _num_samples

__all__ = ["WalkForward"]

# Weekdays that may be missing at the beginning of a whole period.
_MISSING_DAYS = 2

Rows = npt.NDArray[np.intp]


class WalkForward(BaseCrossValidator):
    """Train on the past, test on what follows, step forward by what was tested.

    A splitter of scikit-learn: for `backtest`, `cross_validate`, `GridSearchCV` and whatever else takes `cv`. Test sets
    follow one another without a break; each training set lies before its test set.

    Parameters
    ----------
    train_size : int, str, timedelta or pandas.DateOffset
        Length of each training set: a number of rows or, with `freq`, of calendar periods; with `freq` also a span of
        time, such as "365D" or ``pandas.DateOffset(years=1)``. A calendar period that the data begin within does not
        count, unless at most two weekdays of it are missing. With `expanding`, that of the first one.
    test_size : int, default=1
        Length of each test set: a number of rows or, with `freq`, of calendar periods.
    freq : str or pandas.DateOffset, default=None
        Calendar by which periods end: "ME" (months), "QE" (quarters), "W-WED" (weeks that end on Wednesdays),
        "WOM-3FRI" (third Fridays). A period's last row is the last one on or before that date: decisions are taken
        at its close. With frequencies of beginnings ("MS", "QS") and of fixed length ("30D") a period begins on that
        date. The rows of `X` must
        then have dates.
    expanding : bool, default=False
        Keep all rows from the first one in the training set.
    gap : int, default=0
        Number of rows before each test set that are in neither set. By the calendar they are taken from the end of the
        training set.
    keep_partial : bool, default=True
        Keep a last test set that is shorter than the others. By the calendar, a last period counts as shorter when its
        last date is not reached.

    Raises
    ------
    ValueError
        From `split`, for sizes that are none, for `freq` without dates, for dates out of order, and for data too short
        for a single fold.

    See Also
    --------
    trackfolio.model_selection.backtest : Trade at the beginning of each test set.
    sklearn.model_selection.TimeSeriesSplit : A given number of folds.

    Examples
    --------
    A year of days to learn from, and the quarter after it to be judged by:

    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.model_selection import WalkForward
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> for train, test in WalkForward("365D", freq="QE").split(X):
    ...     print(len(train), "days to", X.index[train[-1]].date(), "then", len(test))
    253 days to 2022-03-31 then 62
    252 days to 2022-06-30 then 64
    252 days to 2022-09-30 then 61
    """

    def __init__(
        self,
        train_size: Any,
        test_size: int = 1,
        *,
        freq: Any = None,
        expanding: bool = False,
        gap: int = 0,
        keep_partial: bool = True,
    ) -> None:
        self.train_size = train_size
        self.test_size = test_size
        self.freq = freq
        self.expanding = expanding
        self.gap = gap
        self.keep_partial = keep_partial

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Rows, Rows]]:
        """Generate the rows of each training set and of its test set.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Rows in the order of time; with `freq`, with dates as their index.
        y : object, optional
            Ignored, for scikit-learn's convention.
        groups : object, optional
            Ignored, for scikit-learn's convention.

        Yields
        ------
        train, test : ndarray of int
            Places of rows.
        """
        rows = np.arange(_num_samples(X))
        dates = ordered_dates(X)
        folds = self._by_count(len(rows)) if self.freq is None else self._by_calendar(dates)
        none = True
        for start, end, test_end in folds:
            none = False
            yield rows[start : end - self.gap], rows[end:test_end]
        if none:
            unit = "rows" if self.freq is None else f"periods of {self.freq!r}"
            raise ValueError(
                f"No fold in {len(rows)} rows: a training set (train_size={self.train_size!r}), the gap of {self.gap} "
                f"rows and a test set (test_size={self.test_size} {unit}) must fit in. Give more rows, or smaller "
                "sizes."
            )

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds, for which X is needed.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            As in `split`.
        y : object, optional
            Ignored, for scikit-learn's convention.
        groups : object, optional
            Ignored, for scikit-learn's convention.

        Returns
        -------
        int
            Number of folds.
        """
        if X is None:
            raise ValueError("The number of folds of WalkForward follows from the data: give X.")
        return sum(1 for _ in self.split(X))

    def _by_count(self, n_rows: int) -> Iterator[tuple[int, int, int]]:
        """First row of each training set, first of its test set, and the one after the last."""
        size, step, gap = self._whole("train_size", 1), self._whole("test_size", 1), self._whole("gap", 0)
        for end in range(size + gap, n_rows, step):
            if end + step <= n_rows or self.keep_partial:
                yield 0 if self.expanding else end - gap - size, end, min(end + step, n_rows)

    def _by_calendar(self, dates: pd.DatetimeIndex | None) -> Iterator[tuple[int, int, int]]:
        if dates is None:
            raise ValueError(f"freq={self.freq!r} needs dates: give X as a DataFrame with a DatetimeIndex.")
        step, gap = self._whole("test_size", 1), self._whole("gap", 0)
        bounds, is_complete = self._bounds(dates)
        for first in range(self._first_test(dates, bounds), len(bounds) - 1, step):
            last = first + step
            if last >= len(bounds) or (last == len(bounds) - 1 and not is_complete):
                if not self.keep_partial:
                    continue
                last = min(last, len(bounds) - 1)
            start, end = self._training_start(dates, bounds, first), int(bounds[first])
            if end - gap <= start:
                raise ValueError(
                    f"A gap of {gap} rows leaves nothing to train on before {dates[end]:%Y-%m-%d}: of "
                    f"train_size={self.train_size!r} there are {end - start} rows. Give a longer train_size."
                )
            yield start, end, int(bounds[last])

    def _bounds(self, dates: pd.DatetimeIndex) -> tuple[Rows, bool]:
        """First row of each period and the row after the last, and whether the last period is complete."""
        if not len(dates):
            return np.zeros(1, dtype=np.intp), False
        try:
            offset = pd.tseries.frequencies.to_offset(self.freq)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"freq must be a frequency of pandas such as 'ME' or 'W-WED', got {self.freq!r}."
            ) from error
        is_fixed = isinstance(offset, pd.offsets.Tick | pd.offsets.Day) or type(offset) is pd.DateOffset
        is_within_days = isinstance(offset, pd.offsets.Tick) and pd.Timedelta(offset) < pd.Timedelta(days=1)
        days = dates if is_within_days else dates.normalize()
        begins = is_fixed or "Begin" in type(offset).__name__
        anchors = pd.date_range(days[0], days[-1], freq=offset)
        inner = np.unique(days.searchsorted(anchors, side="left" if begins else "right"))
        inner = inner[(inner > 0) & (inner < len(dates))]
        bounds = np.concatenate(
            [[0] if is_fixed or _begins_whole(days[0], offset, begins) else [], inner, [len(dates)]]
        )
        following = pd.date_range(days[0], periods=len(anchors) + 1, freq=offset)
        ends = following[-1] - pd.Timedelta(days=1) if begins else following[following >= days[-1]][0]
        return bounds.astype(np.intp), bool(days[-1] >= ends) and not is_within_days

    @property
    def _counts_periods(self) -> bool:
        return isinstance(self.train_size, int | np.integer) and not isinstance(self.train_size, np.timedelta64)

    def _first_test(self, dates: pd.DatetimeIndex, bounds: Rows) -> int:
        """First period that can be tested."""
        if self._counts_periods:
            return self._whole("train_size", 1)
        # The first decision for which the data reach back far enough.
        starts = bounds[(bounds > 0) & (bounds < len(dates))]
        enough = [self._reach(dates[row - 1]) >= dates[0] for row in starts]
        return len(bounds) - 1 - len(starts) + enough.index(True) if any(enough) else len(bounds)

    def _training_start(self, dates: pd.DatetimeIndex, bounds: Rows, first: int) -> int:
        if self.expanding:
            return 0
        if self._counts_periods:
            return int(bounds[first - int(self.train_size)])
        return int(dates.searchsorted(self._reach(dates[bounds[first] - 1]), side="right"))

    def _reach(self, decision: pd.Timestamp) -> Any:
        """Time up to which rows are too old for a decision."""
        span = self.train_size
        try:
            span = pd.tseries.frequencies.to_offset(span) if isinstance(span, str) else span
        except ValueError:
            span = None
        if not isinstance(span, pd.offsets.BaseOffset | datetime.timedelta | np.timedelta64):
            raise ValueError(
                f"train_size must be a whole number, or a span of time such as '365D', got {self.train_size!r}."
            )
        return decision - span

    def _whole(self, name: str, least: int) -> int:
        value = getattr(self, name)
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)
        if not is_whole or value < least:
            is_span = isinstance(value, str | datetime.timedelta | np.timedelta64 | pd.offsets.BaseOffset)
            hint = " (a span of time needs freq)" if is_span else ""
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}{hint}.")
        return int(value)


def _begins_whole(first: pd.Timestamp, offset: Any, begins: bool) -> bool:
    """Whether the data begin with a period, but for a holiday and the day whose price has no return."""
    before = pd.date_range(end=first, periods=2, freq=offset)
    start = before[-1] if begins else before[before < first][-1] + pd.Timedelta(days=1)
    return bool(np.busday_count(start.date(), first.date()) <= _MISSING_DAYS)


def ordered_dates(X: Any) -> pd.DatetimeIndex | None:
    """Dates of the rows, without a time zone, or an error where they are not in order; None where there are none."""
    index = getattr(X, "index", None)
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if not isinstance(index, pd.DatetimeIndex):
        return None
    if not index.is_monotonic_increasing:
        place = int(np.flatnonzero(np.diff(index.asi8) < 0)[0]) + 1
        raise ValueError(
            f"The dates of X are not in order: {index[place]:%Y-%m-%d} in row {place} comes after "
            f"{index[place - 1]:%Y-%m-%d}. Sort X and y by date first."
        )
    return index.tz_localize(None)
