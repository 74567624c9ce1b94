"""What is said on stderr: progress, remarks and warnings, a line each. stdout belongs to tables."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import click

from trackfolio.cli._errors import in_words_of_options
from trackfolio.exceptions import SearchStoppedWarning

_MOST_NAMED = 20


def say(sentence: str) -> None:
    """Say a sentence, unless --quiet."""
    context = click.get_current_context(silent=True)
    if context is None or not context.meta.get("trackfolio.quiet"):
        click.echo(sentence, err=True)


def named(names: list[str]) -> str:
    """Names in a row; of very many, the first ones and how many more there are."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def counted(number: int, thing: str) -> str:
    """1 asset, 2 assets."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def forget_the_pipe() -> None:
    """Whoever reads has had enough, as `head`: what is left goes nowhere, without complaint at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())


@contextlib.contextmanager
def one_line_warnings() -> Iterator[None]:
    """Show each warning as one line, without the line of code that Python would add."""
    with warnings.catch_warnings():
        warnings.showwarning = _show
        warnings.simplefilter("ignore", SearchStoppedWarning)  # what was found says so itself
        yield


def _show(message: Warning | str, *place: Any, **more: Any) -> None:
    text = " ".join(in_words_of_options(str(message)).split())
    click.echo(f"Warning: {text}", err=True)
