"""What a portfolio is made of, checked: the matrix of returns and the benchmark's returns."""

from typing import Any

import numpy as np

from trackfolio._products import with_precision
from trackfolio._validation import Array, check_same_index, refuse_non_finite


def returns_matrix(X: Any) -> Array:
    """Finite returns as a view of shape (n_periods, n_assets), without a copy where X allows."""
    values = _numbers(X, "X")
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            "X must be a matrix of returns, a row per period and a column per asset, at least one "
            f"of each: got shape {values.shape}."
        )
    _refuse_non_finite(values, X, "X")
    return values.view()


def benchmark_returns(y: Any, dated: Any, n_periods: int, what: str) -> Array:
    """Copy of a benchmark's finite returns, on the dates of `dated` if both have dates."""
    if dated is not None:
        check_same_index(dated, y, "X", what)
    values = np.array(_numbers(y, what), dtype=np.float64)
    if values.shape != (n_periods,):
        raise ValueError(
            f"{what} must be one series of returns, of shape ({n_periods},) like the rows of X: "
            f"got shape {values.shape}."
        )
    _refuse_non_finite(values, y, what)
    return values


def _numbers(values: Any, what: str) -> Array:
    try:
        plain = values.to_numpy() if hasattr(values, "to_numpy") else values
        return with_precision(np.asarray(plain))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{what} must be numbers, the returns per period, got {type(values).__name__}: {error}."
        ) from error


def _refuse_non_finite(values: Array, labelled: Any, what: str) -> None:
    # A sum over both infinities would warn before the message says where they are.
    with np.errstate(invalid="ignore", over="ignore"):
        if not np.isfinite(values.sum()):
            refuse_non_finite(labelled, what)
