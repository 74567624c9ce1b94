"""What metrics of returns take, and what they give where they are not defined."""

import contextlib
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_array, check_consistent_length

from trackfolio._validation import Array, check_same_index

_nan_says_it: ContextVar[bool] = ContextVar("_nan_says_it", default=False)


def active_returns(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None
) -> tuple[Array, Array, Array, Array | None]:
    """Validate; active return, return of the benchmark, of the portfolio, and sample weights."""
    check_same_index(_dated(y_true), _dated(y_pred), "y_true", "y_pred")
    check_consistent_length(y_true, y_pred, sample_weight)
    benchmark, portfolio = _series(y_true, "y_true"), _series(y_pred, "y_pred")
    s = None if sample_weight is None else _series(sample_weight, "sample_weight")
    if s is not None and (s.min() < 0 or s.sum() == 0):
        raise ValueError(
            "sample_weight must be 0 or more, and not all 0: they are repetitions of the periods; "
            f"the least is {s.min():g}, the sum {s.sum():g}."
        )
    return portfolio - benchmark, benchmark, portfolio, s


def _series(values: npt.ArrayLike, what: str) -> Array:
    array: Array = check_array(values, ensure_2d=False, dtype=np.float64, input_name=what)
    if array.ndim != 1:
        raise ValueError(
            f"{what} must be one series of shape (n_periods,), got shape {array.shape}: pass one column at a time."
        )
    return array


def _dated(values: Any) -> Any:
    """Object that carries the dates: the returns of a Portfolio, or the values themselves."""
    return values if getattr(values, "dates", None) is None else values.returns


@contextlib.contextmanager
def nan_says_it() -> Iterator[None]:
    """Within it, measures that are not defined are nan without a warning; a filter would be that of all threads."""
    token = _nan_says_it.set(True)
    try:
        yield
    finally:
        _nan_says_it.reset(token)


def undefined(measure: str, why: str) -> float:
    """Give nan, and say why, at the line that called the metric."""
    if not _nan_says_it.get():
        warnings.warn(
            f"The {measure} is not defined: {why}. It is set to nan.",
            UndefinedMetricWarning,
            stacklevel=3,
        )
    return float("nan")
