"""Errors as sentences, with the exit codes of the command line."""

import re

import click

from trackfolio.exceptions import OptimizationError

CANNOT_BE_SOLVED = 1
BAD_INPUT = 2  # click's own for wrong options
STOPPED = 3
INTERRUPTED = 130  # 128 + SIGINT, as in a shell

# How the library calls what an option of the command line says.
_OPTIONS = {
    "max_weights": "--max-weight",
    "min_weights": "--min-weight",
    "min_position": "--min-position",
    "cardinality": "--cardinality",
    "maxturnover": "--max-turnover",
    "MaxTurnover.limit": "--max-turnover",
    "groupbounds": "--max-group",
    "GroupBounds.upper": "--max-group",
    "max_tracking_error": "the tracking RMSE",
    "previous_weights": "--previous",
    "initial_weights": "--previous",
    "train_size": "--train",
    "transaction_costs": "--cost",
    "management_fee": "--fee",
    "freq": "--rebalance",
    "test_size": "--rebalance",
}


class InputError(click.ClickException):
    """Something in the files or options that were given."""

    exit_code = BAD_INPUT


class CannotSolveError(click.ClickException):
    """The problem was understood, and has no answer."""

    exit_code = CANNOT_BE_SOLVED


def understandable(error: Exception) -> click.ClickException:
    """The error of the command line for any error from within."""
    message = in_words_of_options(str(error))
    if isinstance(error, OptimizationError):
        return CannotSolveError(message)
    if isinstance(error, ModuleNotFoundError):
        return InputError(f"A package is missing: {message}. Install it with pip.")
    if isinstance(error, ValueError | TypeError | OSError):
        return InputError(message)
    if isinstance(error, MemoryError):
        return CannotSolveError("The memory is not enough for this problem.")
    return CannotSolveError(f"{type(error).__name__}: {message} (--debug shows where)")


def in_words_of_options(message: str) -> str:
    """Replace names of parameters by those of options; the budget is always 1 here, and no option."""
    known = "|".join(re.escape(name) for name in _OPTIONS)
    message = re.sub(rf"(?<![\w.-])({known})(?!\w|\.\w)", lambda match: _OPTIONS[match[1]], message)
    message = message.replace(" or lower budget", "").replace(" or raise budget", "")
    message = _without_budget(message)
    message = message.replace("below the budget of 1", "below 1")
    message = re.sub(r"\bbudget is at (?:least|most) 1\b", "the weights must add up to 1", message)
    return re.sub(r"(?<=: )budget(?=[,.])|(?<=, )budget(?=[,.])", "a sum of 1", message)


# A change of the budget among those that would be enough, and the sentence before them.
_OF_BUDGET = r"(?:raise|lower) budget from 1 to at (?:least|most) [-\d.e]*\d"
_ENOUGH = r"(?:This|Any one of these changes) is enough: "


def _without_budget(message: str) -> str:
    """Suggestions without those of another budget."""
    message = re.sub(rf"; {_OF_BUDGET}|(?<=enough: ){_OF_BUDGET}; ", "", message)
    message = re.sub(rf" {_ENOUGH}{_OF_BUDGET}\.", "", message)
    return re.sub(rf"{_ENOUGH}(?=[^;]*$)", "This is enough: ", message)
