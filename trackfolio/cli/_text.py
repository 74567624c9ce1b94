"""Text files to tables of numbers: encoding, separators, decimal marks, each refusal with its line and column."""

import csv
import io
import re
import warnings
from typing import Any

import numpy as np
import pandas as pd

from trackfolio.cli._errors import InputError

_SEPARATORS = (";", "\t", ",", "|")
_SAMPLE = 5
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([.,' \u00a0\u202f])\d{3}(\1\d{3})*([.,]\d*)?")
_COMMAS = " Are there thousands separators or decimal commas? See --sep and --decimal."
_LONGEST_SHOWN = 60
# Holds what goes beyond the header, so that no line is cut off in silence.
_BEYOND = "\0beyond"


def decoded(data: bytes, where: str) -> str:
    """Text of a file in UTF-8, without its mark."""
    if not data.strip():
        raise InputError(f"{where} is empty.")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:1000]:
        raise InputError(
            f"{where} is not a text in UTF-8, but in UTF-16 or no text at all: save it as CSV UTF-8, or name it "
            ".parquet if it is."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{where}, line {line}: the text is not in UTF-8 (byte 0x{data[error.start]:02x}): save it as CSV UTF-8, "
            "or convert it with: iconv -f latin1 -t utf-8"
        ) from error


def text_table(text: str, where: str, sep: str | None, decimal: str | None) -> tuple[pd.DataFrame, Any]:
    """Columns of numbers, the first one as text, and the line of each row."""
    skipped = len(text) - len(text.lstrip("\r\n"))
    head = text[:skipped].count("\n")
    sep = _separator(text, where, sep)
    names = _header(text, where, sep)
    decimal = decimal or _decimal_mark(text, where, sep)
    if decimal == sep:
        raise InputError(f"{where}: {sep!r} is the separator already, it cannot be the decimal mark.")
    frame = _parsed(text, where, names, sep, decimal, head + 1)
    lines = np.arange(len(frame)) + head + 2
    filled = frame.notna().any(axis="columns").to_numpy()  # lines that are blank do not count
    frame, lines = frame[filled].reset_index(drop=True), lines[filled]
    if frame[_BEYOND].notna().any():
        row = int(frame[_BEYOND].notna().to_numpy().argmax())
        raise InputError(
            f"{where}, line {lines[row]}: there are more fields than the {len(names)} of the header.{_COMMAS}"
        )
    frame = _without_unnamed(frame.drop(columns=_BEYOND), where)
    if frame.empty:
        raise InputError(f"{where} has a header, but no rows.")
    return frame, lines


def name_table(text: str, where: str, sep: str | None) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of names and something else, as text: holdings, groups."""
    sep = _separator(text, where, sep)
    rows = [[field.strip() for field in row] for row in csv.reader(io.StringIO(text), delimiter=sep)]
    rows = [row for row in rows if any(row)]
    return rows[0], rows[1:]


def shown(value: str) -> str:
    """A value in quotes; of a long one, where it begins."""
    return repr(value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}...")


def _fields(line: str, sep: str) -> list[str]:
    return next(csv.reader([line], delimiter=sep), [])


def _separator(text: str, where: str, given: str | None) -> str:
    """The separator of which the header and the first lines have equally many, more than none."""
    if given is not None:
        sep = {"tab": "\t", "\\t": "\t"}.get(given, given)
        if len(sep) != 1:
            raise InputError(f"--sep {given!r} is not one character, nor tab.")
        return sep
    lines = [line for line in text[:1_000_000].splitlines() if line.strip()][: _SAMPLE + 1]
    counts = {sep: [len(_fields(line, sep)) for line in lines] for sep in _SEPARATORS}
    even = [sep for sep, numbers in counts.items() if numbers[0] > 1 and len(set(numbers)) == 1]
    if even:
        return even[0]
    sep = max(counts, key=lambda sep: counts[sep][0])
    if counts[sep][0] < 2:
        raise InputError(
            f"{where}: line 1 has one field only: {shown(lines[0])}. A first column with dates and a column per asset "
            "are needed; if the separator is none of ; , tab and |, give --sep."
        )
    return sep


def _header(text: str, where: str, sep: str) -> list[str]:
    names = [name.strip() for name in _fields(text.lstrip("\r\n").splitlines()[0], sep)]
    if len(names) < 2:
        raise InputError(f"{where}: the header has one field only, if columns are separated by {sep!r}: see --sep.")
    if len(names) > 1 and all(re.fullmatch(r"[+-]?[\d.,eE+-]*\d", name) for name in names[1:]):
        raise InputError(
            f"{where}: line 1 holds numbers, where names are expected: {shown(sep.join(names[:3]))}. Give the "
            "file a header with a name for each column."
        )
    twice = [name for name in dict.fromkeys(names[1:]) if name and names[1:].count(name) > 1]
    if twice:
        raise InputError(f"{where}: more than one column is named {twice[0]!r}: keep or rename one.")
    # The first column may have no name, or that of an asset.
    return ["\0date", *(name or f"\0{place}" for place, name in enumerate(names[1:], 2))]


def _decimal_mark(text: str, where: str, sep: str) -> str:
    """Comma where it can be nothing else; a comma that could stand for thousands as well is not guessed at."""
    if sep == ",":
        return "."
    body = text[text.lstrip("\r\n").find("\n") :]
    cell = rf'{re.escape(sep)}\s*"?[+-]?'
    end = rf'"?\s*(?:{re.escape(sep)}|[\r\n]|$)'
    if not re.search(rf"{cell}\d+,\d", body):
        return "."
    if re.search(rf"{cell}(?:\d+,(?:\d{{1,2}}|\d{{4,}})|0,\d+|\d{{4,}},\d+){end}", body):
        return ","
    if re.search(rf"{cell}(?:\d+\.\d+|[\d,]+\.\d+|\d{{1,3}}(?:,\d{{3}}){{2,}}){end}", body):
        return "."
    raise InputError(
        f"{where}: the comma of {re.search(rf'{cell}([0-9]+,[0-9]+)', body)[1]!r} can be a decimal mark, or stand "  # type: ignore[index]
        "between thousands: give --decimal , for a decimal mark; thousands must be written without one."
    )


def _parsed(text: str, where: str, names: list[str], sep: str, decimal: str, skip: int) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # it would cut off fields, with a warning only
            return pd.read_csv(
                io.StringIO(text), sep=sep, decimal=decimal, header=None, names=[*names, _BEYOND], skiprows=skip,
                dtype={names[0]: str}, index_col=False, skip_blank_lines=False, low_memory=False, skipinitialspace=True,
            )  # fmt: skip
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{where} has a header, but no rows.") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        found = re.search(r"in line (\d+), saw (\d+)", str(error))
        if not found and isinstance(error, pd.errors.ParserError):
            raise InputError(f"{where} cannot be read as CSV: {error}") from error
        line = f"line {found[1]}" if found else f"line {skip + 1}"
        raise InputError(
            f"{where}, {line}: there are more fields than the {len(names)} of the header.{_COMMAS}"
        ) from error


def _without_unnamed(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Columns that have a name; exports often end each line with a separator."""
    for name in frame.columns[1:]:
        if name.startswith("\0"):
            if frame[name].notna().any():
                raise InputError(f"{where}: column {name[1:]} has numbers, but no name in the header.")
            frame = frame.drop(columns=name)
    return frame


def check_numbers(frame: pd.DataFrame, lines: Any, where: str) -> None:
    """Refuse a column with something that is no number, naming the first of it."""
    for name, kind in frame.dtypes.items():
        column = frame[name]
        if pd.api.types.is_any_real_numeric_dtype(kind):
            infinite = np.isinf(column.to_numpy(dtype=float, na_value=np.nan))
            if infinite.any():
                raise InputError(f"{where}, line {lines[int(infinite.argmax())]}, column {name!r}: inf is no number.")
            continue
        wrong = (pd.to_numeric(column, errors="coerce").isna() | pd.api.types.is_bool_dtype(kind)) & column.notna()
        row = int(wrong.to_numpy().argmax())
        value = str(column.iloc[row])
        if _THOUSANDS.fullmatch(value.strip()):
            hint = " Thousands separators are not read: export numbers without them; see --decimal for decimal commas."
        else:
            hint = " If it is not an asset, leave the column out with --exclude."
        raise InputError(f"{where}, line {lines[row]}, column {name!r}: {shown(value)} is no number.{hint}")
