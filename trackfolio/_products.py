"""Products with tall matrices of returns, in double precision whatever theirs, without a copy of them.

Returns in single precision that would fill much memory as doubles are kept as they are, and read a chunk of rows at a
time: the numbers are the same, since each single is a double.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from trackfolio._validation import Array

# Rows that are read at a time: enough for BLAS, and few beside a tall matrix. Fewer numbers are converted at once.
CHUNK, _LARGE = 8192, 10_000_000


def with_precision(X: Any) -> Array:
    """The matrix in double precision, or as it is where it is large and in single precision."""
    if X.dtype == np.float32 and X.size >= _LARGE:
        kept: Array = X
        return kept
    return np.asarray(X, dtype=np.float64)


def chunks(X: Array) -> Iterator[tuple[slice, Array]]:
    """Rows in double precision, some at a time, and which they are."""
    for start in range(0, len(X), CHUNK):
        part = slice(start, start + CHUNK)
        yield part, np.asarray(X[part], dtype=np.float64)


def times(X: Array, w: Array) -> Array:
    """Xw."""
    if X.dtype == np.float64:
        return np.asarray(X @ w)
    return np.concatenate([rows @ w for _, rows in chunks(X)])


def transposed_times(X: Array, v: Array) -> Array:
    """X'v."""
    if X.dtype == np.float64:
        return np.asarray(v @ X)
    return np.asarray(sum(v[part] @ rows for part, rows in chunks(X)))


def column_means(X: Array, weights: Array | None) -> Array:
    """Mean of each column, weighted or not."""
    v = np.ones(len(X)) if weights is None else weights
    return np.asarray(transposed_times(X, v) / v.sum())


def root_mean_square(X: Array) -> float:
    """Root of the mean of all squares."""
    # A norm needs no copy, as squares would.
    return float(np.sqrt(sum(np.linalg.norm(rows) ** 2 for _, rows in chunks(X)) / X.size))
