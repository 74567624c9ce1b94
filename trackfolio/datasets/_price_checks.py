"""Refusals of prices that cannot be turned into returns, each naming the asset and the date."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from trackfolio._validation import date_text

Array = npt.NDArray[np.float64]

_MOST_NAMED = 5


@dataclass(frozen=True)
class Labels:
    """Names of the columns and rows of a table of prices, for messages; None: their numbers."""

    what: str
    assets: pd.Index | None
    dates: pd.Index | None

    def asset(self, column: int) -> str:
        return f"column {column}" if self.assets is None else repr(self.assets[column])

    def date(self, row: int) -> str:
        return f"row {row}" if self.dates is None else date_text(self.dates[row])

    def place(self, row: int, column: int) -> str:
        return f"{self.what}: {self.asset(column)}, {self.date(row)}"


def check_labels(frame: pd.DataFrame, what: str) -> None:
    """Refuse duplicated assets and dates, missing dates, and dates that are not ascending."""
    dates, assets = frame.index, frame.columns
    if assets.has_duplicates:
        twice = assets[assets.duplicated()][0]
        raise ValueError(f"{what}: more than one column is named {twice!r}: keep or rename one.")
    if dates.hasnans:
        row = int(np.flatnonzero(dates.isna())[0])
        raise ValueError(f"{what}: row {row} has no date: drop the row, or give it a date.")
    if dates.has_duplicates:
        raise ValueError(
            f"{what}: more than one row is dated {date_text(dates[dates.duplicated()][0])}: keep "
            f"one, for instance by {what}[~{what}.index.duplicated(keep='last')]."
        )
    if not dates.is_monotonic_increasing:
        pairs = (dates[i - 1 : i + 1] for i in range(1, len(dates)))
        before, after = next(pair for pair in pairs if not pair.is_monotonic_increasing)
        raise ValueError(
            f"the dates of {what} are not ascending: {date_text(after)} comes after "
            f"{date_text(before)}. Sort them with {what}.sort_index()."
        )


def numbers_of_frame(frame: pd.DataFrame, what: str) -> Array:
    """Values as float64 with NaN where one is missing; text and other types are refused."""
    for name, dtype in frame.dtypes.items():
        number = pd.api.types.is_any_real_numeric_dtype(dtype)
        if not number:
            raise TypeError(
                f"column {name!r} of {what} has dtype {dtype}, not numbers: make dates the index "
                f"({what}.set_index(...)), drop the column, or convert it with pd.to_numeric."
            )
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)


def numbers_of_array(values: Any, what: str, ndims: tuple[int, ...]) -> Array:
    """Array of float64 of one of the given dimensions."""
    array = np.asarray(values)
    if array.ndim not in ndims:
        raise ValueError(
            f"the shape of {what} is {array.shape}: pass an array of "
            f"{' or '.join(str(n) for n in ndims)} dimension(s), the dates along the first."
        )
    if array.dtype.kind not in "fiu":
        raise TypeError(f"the dtype of {what} is {array.dtype}, not numbers: convert with astype(float).")
    return array.astype(np.float64)


def check_prices(values: Array, labels: Labels) -> None:
    """Refuse a table of prices that is too small, or holds what cannot be a price."""
    n_dates, n_assets = values.shape
    if n_assets == 0:
        raise ValueError(f"there are no columns in {labels.what}: pass at least one asset.")
    if n_dates < 2:
        raise ValueError(f"a return needs 2 dates, but the number of rows of {labels.what} is {n_dates}.")
    # Signs first: the output of pct_change begins with a row of NaN, and is to hear of its signs.
    _refuse_not_positive(values, labels)
    _refuse_infinite(values, labels)
    _refuse_missing(values, labels)


def _refuse_not_positive(values: Array, labels: Labels) -> None:
    bad = values <= 0.0
    if not bad.any():
        return
    row, column = np.argwhere(bad)[0]
    hint = (
        " There are negative values: these look like returns already, which need no conversion."
        if (values < 0.0).any()
        else ""
    )
    raise ValueError(
        f"a price must be positive, but {labels.place(row, column)} is {values[row, column]:g} "
        f"({bad.sum()} of {bad.size} values are not positive): correct it, or drop the asset or "
        f"the dates.{hint}"
    )


def _refuse_infinite(values: Array, labels: Labels) -> None:
    bad = np.isinf(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"a price must be finite, but {labels.place(row, column)} is {values[row, column]} "
            f"({bad.sum()} of {bad.size} values are infinite): correct it, or drop the asset or "
            f"the dates."
        )


def _refuse_missing(values: Array, labels: Labels) -> None:
    missing = np.isnan(values)
    columns = np.flatnonzero(missing.any(axis=0))
    if columns.size == 0:
        return
    firsts = missing.argmax(axis=0)  # rows of the first True
    named = [
        f"{labels.asset(j)} ({missing[:, j].sum()}, first on {labels.date(int(firsts[j]))})"
        for j in columns[:_MOST_NAMED]
    ]
    more = f" and {columns.size - _MOST_NAMED} more" if columns.size > _MOST_NAMED else ""
    raise ValueError(
        f"{labels.what}: values are missing in {columns.size} of {values.shape[1]} column(s): "
        f"{', '.join(named)}{more}. Nothing is filled or dropped here: drop these columns, "
        f"restrict the dates, or fill the gaps yourself (.ffill() repeats the last price)."
    )
