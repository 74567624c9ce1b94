"""Dates of a column of text: recognised where all of it can be read in one way only, never guessed."""

import re
from typing import Any

import pandas as pd

from trackfolio.cli._errors import InputError
from trackfolio.cli._text import shown

_TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_ZONE = re.compile(r"(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?) ?(?:Z|UTC|[+-]\d{2}:?\d{2})$")
_REMEDY = "say their form with --date-format, as in --date-format %d.%m.%Y"

# Forms of dates, and the formats that each may have.
_FORMS = [
    (re.compile(rf"\d{{4}}-\d{{1,2}}-\d{{1,2}}{_TIME}"), ("ISO8601",)),
    (re.compile(r"\d{4}/\d{1,2}/\d{1,2}"), ("%Y/%m/%d",)),
    (re.compile(r"\d{8}"), ("%Y%m%d",)),
    *((re.compile(rf"\d{{1,2}}{re.escape(mark)}\d{{1,2}}{re.escape(mark)}\d{{4}}"),
       (f"%d{mark}%m{mark}%Y", f"%m{mark}%d{mark}%Y")) for mark in "./-"),
]  # fmt: skip


def read_dates(texts: pd.Series, lines: Any, where: str, given: str | None) -> pd.DatetimeIndex:
    """Read all dates, or raise an error that names the first line that cannot be read.

    Times of day stay as they are written; time zones are left out, so that a day stays the day it is at its exchange.
    """
    texts = texts.fillna("").str.strip()
    if (texts == "").any():
        raise InputError(f"{where}, line {lines[int((texts == '').argmax())]}: there is no date.")
    if given is not None and "%" not in given:
        raise InputError(f"--date-format {given!r} has none of %d, %m, %Y; an example is %d.%m.%Y.")
    if given is not None:
        return _by_formats(texts, lines, where, (given,))
    if _ZONE.search(texts.iloc[0]):
        texts = texts.str.replace(_ZONE, r"\1", regex=True)
    first = texts.iloc[0]
    form = next((form for form in _FORMS if form[0].fullmatch(first)), None)
    if form is None:
        raise InputError(
            f"{where}, line {lines[0]}: {shown(first)} in the first column is not a date that is recognised "
            f"(2020-12-31, 31.12.2020, 12/31/2020, 20201231); the first column holds the dates: {_REMEDY}."
        )
    pattern, formats = form
    fits = texts.str.fullmatch(pattern.pattern)
    if not fits.all():
        row = int((~fits).argmax())
        raise InputError(
            f"{where}, line {lines[row]}: {shown(texts.iloc[row])} is not a date of the same form as "
            f"{shown(first)} in line {lines[0]}."
        )
    return _by_formats(texts, lines, where, formats)


def _by_formats(texts: pd.Series, lines: Any, where: str, formats: tuple[str, ...]) -> pd.DatetimeIndex:
    readings = {form: _parsed(texts, form) for form in formats}
    complete = [reading for reading in readings.values() if not reading.isna().any()]
    if not complete:
        # The reading that gets furthest shows the line that is wrong.
        form, best = max(readings.items(), key=lambda pair: int(pair[1].notna().sum()))
        row = int(best.isna().to_numpy().argmax())
        known = "" if form == "ISO8601" else f" in the form {form}"
        raise InputError(
            f"{where}, line {lines[row]}: {shown(texts.iloc[row])} is not a date{known} "
            f"({int(best.isna().sum())} of {len(texts)} dates cannot be read)."
        )
    if any(not complete[0].equals(other) for other in complete[1:]):
        row = int((complete[0] != complete[1]).to_numpy().argmax())
        raise InputError(
            f"{where}: the dates can be read with the day first and with the month first, as "
            f"{shown(texts.iloc[row])} in line {lines[row]}: {_REMEDY} for the day first, or "
            f"{formats[1]} for the month first."
        )
    return pd.DatetimeIndex(complete[0], name="date")


def _parsed(texts: pd.Series, form: str) -> pd.Series:
    try:
        return pd.to_datetime(texts, format=form, errors="coerce")
    except ValueError as error:
        raise InputError(f"--date-format {form!r} cannot be used ({error}); an example is %d.%m.%Y.") from error
