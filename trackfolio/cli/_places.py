"""Whether output can go where it is to go: looked at before anything is computed."""

import os
from collections.abc import Iterable
from pathlib import Path

from trackfolio.cli._errors import InputError

STDOUT = "-"
_FORMATS = {".csv": "csv", ".parquet": "parquet", ".json": "json"}


def check_places(outputs: Iterable[str | None], inputs: Iterable[str | None], *, force: bool) -> None:
    """Refuse to overwrite, to write into folders that are not there, and to write two things to one place."""
    read = {Path(name).resolve() for name in inputs if name and name != STDOUT and Path(name).exists()}
    written: set[Path] = set()
    for name in outputs:
        if not name or name == STDOUT:
            continue
        path = Path(name)
        place = path.resolve()
        if place in read:
            raise InputError(f"{name} is read by this command: write to another file.")
        if place in written:
            raise InputError(f"{name} is the place for two tables: write them to two files.")
        if not path.parent.is_dir():
            raise InputError(f"{name}: there is no folder {path.parent}: make it first.")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise InputError(f"{name} cannot be written: you may not write there.")
        if path.exists() and not path.is_char_device() and not force:
            raise InputError(f"{name} exists: give another name, or --force to overwrite it.")
        written.add(place)


def format_of(name: str, given: str | None = None) -> str:
    """Format of a table by its option, or by the end of its name."""
    if given is not None:
        return given
    if name == STDOUT:
        return "csv"
    suffix = Path(name).suffix.lower()
    if suffix not in _FORMATS:
        raise InputError(f"{name} ends with none of {', '.join(_FORMATS)}: name it so, or give --format for --out.")
    return _FORMATS[suffix]
