"""stdout for tables alone: what libraries below Python print there, as HiGHS does at times, goes to stderr."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

_OUT, _ERR = 1, 2


@contextlib.contextmanager
def stdout_for_tables() -> Iterator[None]:
    """While a command runs, `sys.stdout` is a duplicate of what file descriptor 1 was, and 1 is stderr."""
    before: Any = sys.stdout
    if not _is_descriptor(before):  # closed, or caught by a test
        yield
        return
    before.flush()
    buffering = 1 if before.line_buffering else -1
    with open(os.dup(_OUT), "w", buffering, encoding=before.encoding, errors=before.errors) as tables:
        _redirect()
        sys.stdout = tables
        try:
            yield
        finally:
            sys.stdout = before
            _flush_c()  # else what lies in its buffer would follow the table
            os.dup2(tables.fileno(), _OUT)


def _is_descriptor(stream: Any) -> bool:
    try:
        return bool(stream.fileno() == _OUT)
    except (AttributeError, OSError, ValueError):
        return False


def _redirect() -> None:
    try:
        os.dup2(_ERR, _OUT)
    except OSError:  # stderr is closed
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _OUT)
        os.close(nowhere)


def _flush_c() -> None:
    # Not at the top: help is to appear at once.
    import ctypes

    with contextlib.suppress(OSError, TypeError, AttributeError):  # where C's library has no such name
        ctypes.CDLL(None).fflush(None)
