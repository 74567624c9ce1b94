"""Bytes of a file, never more than the limit, whatever kind of file it is; sizes in words."""

import io
import sys
from pathlib import Path
from typing import IO

from trackfolio.cli._errors import InputError
from trackfolio.cli._places import STDOUT

HINT = "give --max-size if the memory is enough (about four times the size), or fewer dates and columns"
_CHUNK = 1 << 20


def read_bytes(name: str, where: str, most: int) -> bytes:
    """All of a file that is not too large."""
    if name == STDOUT:
        data = _at_most(sys.stdin.buffer, most + 1)
    else:
        # Known before anything is read; pipes and devices have no size.
        size = Path(name).stat().st_size
        if size > most:
            raise InputError(f"{where} has {in_words(size)}, the limit is {in_words(most)}: {HINT}.")
        with open(name, "rb") as file:
            data = _at_most(file, most + 1)
    if len(data) > most:
        raise InputError(f"{where} has more than {in_words(most)}: {HINT}.")
    if not data:
        raise InputError(f"{where} is empty.")
    return data


def in_words(size: int) -> str:
    """Bytes in a unit that fits."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


def _at_most(file: IO[bytes], most: int) -> bytes:
    """Read piece by piece: `read(most)` would set aside as many bytes at once."""
    data = io.BytesIO()
    while data.tell() < most and (chunk := file.read(min(_CHUNK, most - data.tell()))):
        data.write(chunk)
    return data.getvalue()
