"""Tables out: CSV, Parquet or JSON, into a file or to stdout."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from trackfolio.cli._errors import InputError
from trackfolio.cli._places import STDOUT, format_of
from trackfolio.cli._speech import forget_the_pipe, say

_NOTHING = 1e-9
NEEDS_PYARROW = "Parquet needs pyarrow: pip install 'trackfolio[parquet]'."


def write_table(table: pd.DataFrame, name: str, what: str, *, force: bool, given: str | None = None) -> None:
    """Write all columns of a table, without its index."""
    kind = format_of(name, given)
    data = _encoded(table, kind)
    if name in (STDOUT, "/dev/stdout"):  # the device is stderr by now
        if kind == "parquet" and sys.stdout.isatty():
            raise InputError("Parquet is not for a terminal: give --out FILE, or a pipe.")
        try:
            # The stream of bytes, so that no platform changes the ends of lines.
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            forget_the_pipe()
        return
    try:
        # "x" refuses what has come to be since it was looked for; devices are always there.
        with open(name, "wb" if force or Path(name).is_char_device() else "xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise InputError(f"{name} exists: give another name, or --force to overwrite it.") from error
    say(f"{what} written to {name}.")


def _encoded(table: pd.DataFrame, kind: str) -> bytes:
    if kind == "csv":
        return table.to_csv(index=False, lineterminator="\n").encode()
    if kind == "json":
        return _json(table).encode()
    buffer = io.BytesIO()
    try:
        table.to_parquet(buffer, index=False)
    except ImportError as error:
        raise InputError(NEEDS_PYARROW) from error
    return buffer.getvalue()


def _json(table: pd.DataFrame) -> str:
    """A list of rows; dates as text, without a time of day where all are midnights."""
    plain = table.copy()
    for name in plain.columns[[pd.api.types.is_datetime64_any_dtype(kind) for kind in plain.dtypes]]:
        whole: Any = (plain[name] == plain[name].dt.normalize()).all()
        plain[name] = plain[name].dt.strftime("%Y-%m-%d" if whole else "%Y-%m-%dT%H:%M:%S")
    rows = plain.astype(object).where(plain.notna(), None).to_dict("records")
    return json.dumps(rows, indent=2, allow_nan=False) + "\n"


def weights_table(weights: pd.Series) -> pd.DataFrame:
    """Names and weights of what is held, the largest first; less than a billionth is what a solver leaves of 0."""
    held = weights[weights.abs() > _NOTHING].sort_values(ascending=False, kind="stable")
    return held.rename_axis("asset").rename("weight").reset_index()
