"""Moments of returns that come in parts: all that a quadratic risk needs to know of them."""

from dataclasses import dataclass
from functools import reduce
from typing import Any, Self

import numpy as np

from trackfolio._products import chunks
from trackfolio._validation import Array, refuse_non_finite


@dataclass(frozen=True, eq=False)
class Moments:
    """Weight, mean and co-moment of rows z, the returns of the assets and, last, of the benchmark if there is one.

    Parts are joined by the formulas of Chan, Golub & LeVeque (1983), which lose no digits to large means.

    Attributes
    ----------
    total : float
        Σ s_t, the number of rows, repetitions counted.
    mean : ndarray of shape (n_columns,)
        Σ s_t z_t / Σ s_t.
    comoment : ndarray of shape (n_columns, n_columns)
        Σ s_t (z_t - mean)(z_t - mean)'.
    """

    total: float
    mean: Array
    comoment: Array

    @classmethod
    def of(cls, X: Array, y: Array | None = None, sample_weight: Array | None = None) -> Self:
        """Moments of rows that are there, read a chunk at a time."""
        parts = (
            cls._of_chunk(
                rows if y is None else np.column_stack([rows, y[part]]),
                None if sample_weight is None else sample_weight[part],
            )
            for part, rows in chunks(X)
        )
        return reduce(lambda before, part: before.joined(part), parts)

    @classmethod
    def _of_chunk(cls, rows: Array, s: Array | None) -> Self:
        total = float(len(rows)) if s is None else float(s.sum())
        if total == 0:
            return cls(0.0, np.zeros(rows.shape[1]), np.zeros((rows.shape[1],) * 2))
        mean = rows.sum(axis=0) / total if s is None else s @ rows / total
        deviations = rows - mean
        weighted = deviations if s is None else s[:, None] * deviations
        return cls(total, mean, weighted.T @ deviations)

    def joined(self, other: Self) -> Self:
        """Moments of both parts."""
        total = self.total + other.total
        if total == 0:
            return self
        step = other.mean - self.mean
        outer = np.outer(step, step) * (self.total * other.total / total)
        return type(self)(total, self.mean + step * (other.total / total), self.comoment + other.comoment + outer)

    def faded(self, factor: float) -> Self:
        """The same rows, each with a weight that is multiplied by a factor."""
        return type(self)(self.total * factor, self.mean, self.comoment * factor)

    def with_combination(self, weights: Array) -> Self:
        """Moments with a further column, the sum of the others times weights."""
        pull = self.comoment @ weights
        comoment = np.block([[self.comoment, pull[:, None]], [pull, weights @ pull]])
        return type(self)(self.total, np.append(self.mean, self.mean @ weights), comoment)

    def of_first(self, n_columns: int) -> Self:
        """Moments of the first columns alone."""
        return type(self)(self.total, self.mean[:n_columns], self.comoment[:n_columns, :n_columns])

    @property
    def second(self) -> Array:
        """Σ s_t z_t z_t' / Σ s_t."""
        return self.comoment / self.total + np.outer(self.mean, self.mean)


def is_dask_array(X: Any) -> bool:
    """Whether X is an array of Dask, without an import of Dask."""
    return hasattr(X, "__dask_graph__") and hasattr(X, "to_delayed") and hasattr(X, "rechunk")


def moments_of_blocks(X: Any, y: Any, sample_weight: Any) -> Moments:
    """Moments of an array of Dask, computed where its blocks of rows lie and joined two by two."""
    import dask.array as da
    from dask.delayed import delayed

    X = X.rechunk({1: -1})
    as_array: Any = da.asarray
    columns = [None if v is None else as_array(v).rechunk((X.chunks[0],)) for v in (y, sample_weight)]
    series = [[None] * X.numblocks[0] if v is None else list(v.to_delayed(optimize_graph=False)) for v in columns]
    checked = delayed(_checked_moments, pure=True)
    join = delayed(Moments.joined, pure=True)
    # Optimised, old versions lose the blocks that lie on a cluster.
    starts = np.concatenate([[0], np.cumsum(X.chunks[0])[:-1]]).tolist()
    parts = [checked(*part) for part in zip(X.to_delayed(optimize_graph=False).ravel(), *series, starts, strict=True)]
    while len(parts) > 1:
        pairs = [join(*parts[k : k + 2]) for k in range(0, len(parts) - 1, 2)]
        parts = [*pairs, *parts[2 * len(pairs) :]]
    found: Moments = parts[0].compute()
    return found


def _checked_moments(X: Any, y: Any, sample_weight: Any, first_row: int) -> Moments:
    for values, what in ((X, "X"), (y, "y"), (sample_weight, "sample_weight")):
        if values is not None:
            refuse_non_finite(values, f"{what} (rows from {first_row} on)")
    if sample_weight is not None and (sample_weight < 0).any():
        raise ValueError(f"sample_weight has negative numbers in the rows from {first_row} on: they are repetitions.")
    return Moments.of(np.asarray(X), y, sample_weight)
