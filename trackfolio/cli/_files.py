"""Files in: price tables from CSV or Parquet, with the line of each row; tables of names."""

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from trackfolio.cli._dates import read_dates
from trackfolio.cli._errors import InputError
from trackfolio.cli._options import Source
from trackfolio.cli._parquet import any_table, number_table
from trackfolio.cli._places import STDOUT
from trackfolio.cli._sizes import read_bytes
from trackfolio.cli._speech import say
from trackfolio.cli._text import check_numbers, decoded, name_table, shown, text_table


@dataclasses.dataclass(frozen=True)
class Table:
    """Numbers by date and name, in the order of dates."""

    frame: pd.DataFrame
    lines: Any
    where: str
    unit: str = "line"

    def take(self, rows: Any) -> "Table":
        """Some rows."""
        return dataclasses.replace(self, frame=self.frame.iloc[rows], lines=self.lines[rows])

    def only(self, columns: list[str]) -> "Table":
        """Some columns."""
        return dataclasses.replace(self, frame=self.frame[columns])


def read_table(name: str, source: Source, exclude: tuple[str, ...] = ()) -> Table:
    """A table of prices or returns, its first column dates; columns to exclude may hold anything."""
    where = "standard input" if name == STDOUT else name
    data = read_bytes(name, where, source.max_size)
    if data[:4] == b"PAR1":
        frame, lines, unit = number_table(data, where, source.max_size, exclude), None, "row"
        texts = frame.iloc[:, 0]
    else:
        frame, lines = text_table(decoded(data, where), where, source.sep, source.decimal)
        texts, unit = frame.iloc[:, 0], "line"
    lines = np.arange(1, len(frame) + 1) if lines is None else lines
    if pd.api.types.is_datetime64_any_dtype(texts.dtype):
        dates = pd.DatetimeIndex(texts, name="date").tz_localize(None)
    else:
        dates = read_dates(texts.astype("str").where(texts.notna(), ""), lines, where, source.date_format)
    frame = frame.iloc[:, 1:].set_axis(dates)
    for column in exclude:
        if column not in frame.columns:
            raise InputError(f"--exclude {column!r} is no column of {where}.{closest(column, frame.columns)}")
    frame = frame.drop(columns=list(exclude))
    check_numbers(frame, lines, where)
    if frame.shape[1] == 0:
        raise InputError(f"{where} has dates, but no column of numbers.")
    return _sorted(Table(frame, lines, where, unit))


def read_names(name: str, what: str, source: Source) -> list[tuple[str, str]]:
    """Pairs of an asset's name and something of it, from a file of two columns (or more, by their names)."""
    data = read_bytes(name, name, source.max_size)
    if data[:4] == b"PAR1":
        frame = any_table(data, name, source.max_size)
        header, rows = [str(c) for c in frame.columns], frame.astype("str").to_numpy().tolist()
    else:
        header, rows = name_table(decoded(data, name), name, source.sep)
    lowered = [field.lower() for field in header]
    places = (0, 1) if len(header) == 2 else None
    if "asset" in lowered and what in lowered:
        places = (lowered.index("asset"), lowered.index(what))
    if places is None:
        raise InputError(f"{name} must have two columns, or columns named asset and {what}; it has: {header}.")
    short = next((k for k, row in enumerate(rows) if len(row) <= max(places)), None)
    if short is not None:
        raise InputError(f"{name}, row {short + 1}: there are fewer fields than in the header.")
    pairs = [(row[places[0]], row[places[1]]) for row in rows]
    known: set[str] = set()
    for asset, _ in pairs:
        if asset in known:
            raise InputError(f"{name} names {shown(asset)} twice.")
        known.add(asset)
    return pairs


def closest(name: str, known: Iterable[str]) -> str:
    """A question with the closest known name, or nothing; whatever the case of its letters."""
    by_lower = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.4)
    return f" Did you mean {by_lower[close[0]]!r}?" if close else ""


def _sorted(table: Table) -> Table:
    dates = table.frame.index
    if dates.hasnans:
        raise InputError(f"{table.where}, {table.unit} {table.lines[int(dates.isna().argmax())]}: there is no date.")
    if dates.has_duplicates:
        row = int(dates.duplicated().argmax())
        before = int((dates == dates[row]).argmax())
        raise InputError(
            f"{table.where}, {table.unit} {table.lines[row]}: the date {dates[row]:%Y-%m-%d} is in {table.unit} "
            f"{table.lines[before]} already: keep one of them."
        )
    if dates.is_monotonic_increasing:
        return table
    say(f"The dates of {table.where} do not ascend: the rows are sorted by date.")
    return table.take(np.argsort(dates.to_numpy(), kind="stable"))
