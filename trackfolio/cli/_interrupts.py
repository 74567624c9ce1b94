"""One interrupt ends a command, even within a search that would return the best portfolio so far."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import click


class _Interrupt(BaseException):
    """Not a KeyboardInterrupt: a search within one of many fits would take that as an order to end this fit alone."""


@contextlib.contextmanager
def one_ends_all() -> Iterator[None]:
    """End with the first interrupt."""
    if threading.current_thread() is not threading.main_thread():  # handlers of signals belong to the main thread
        yield
        return
    before = signal.signal(signal.SIGINT, _raise)
    try:
        yield
    except _Interrupt as interrupt:
        raise click.Abort from interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def _raise(*signal_and_frame: Any) -> None:
    raise _Interrupt
