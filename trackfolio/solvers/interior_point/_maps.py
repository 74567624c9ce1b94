"""Linear maps from the weights to the arguments of pieces, each with the products that Newton's method needs.

A map S has ``apply(w)`` = Sw, ``adjoint(v)`` = S'v and ``gram(d)`` = S' diag(d) S.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._products import CHUNK, times, transposed_times
from trackfolio._validation import Array

Index = npt.NDArray[np.intp]

# Matrices of fewer numbers than this are copied freely; of larger ones, what is at most this share.
_COPIED, _SMALL_SHARE = 10_000_000, 0.25


@dataclass(eq=False)
class Rows:
    """Rows of a dense matrix, such as returns, times a factor: all of them, or those of an index."""

    matrix: Array
    factor: float = 1.0
    index: Index | None = None

    @property
    def size(self) -> int:
        """Number of arguments."""
        return len(self.matrix if self.index is None else self.index)

    def apply(self, w: Array) -> Array:
        """Sw."""
        product = self.factor * times(self.matrix, w)
        return product if self.index is None else product[self.index]

    def adjoint(self, v: Array) -> Array:
        """S'v."""
        v = self.factor * v
        if self.index is not None:
            spread = np.zeros(len(self.matrix))
            spread[self.index] = v
            v = spread
        return transposed_times(self.matrix, v)

    def chosen(self, which: Index | slice) -> "Rows":
        """Some of the rows: a copy where it is small, in itself or beside the matrix."""
        if isinstance(which, slice) and self.index is None:
            return Rows(self.matrix[which], self.factor)
        index = (np.arange(len(self.matrix)) if self.index is None else self.index)[which]
        if len(index) * self.matrix.shape[1] > _COPIED and len(index) > _SMALL_SHARE * len(self.matrix):
            return Rows(self.matrix, self.factor, index)
        return Rows(np.asarray(self.matrix[index], dtype=np.float64), self.factor)

    def few_rows(self) -> tuple[Array, float]:
        """The rows as a matrix, where they are few, and their factor."""
        return (self.matrix if self.index is None else self.matrix[self.index]), self.factor

    def columns(self, kept: npt.NDArray[np.bool_]) -> "Rows":
        """The same of some columns."""
        rows = slice(None) if self.index is None else self.index[:, None]
        part = self.matrix[rows, np.flatnonzero(kept)]
        return Rows(np.ascontiguousarray(part, dtype=np.float64), self.factor)

    @cached_property
    def _single(self) -> npt.NDArray[np.float32]:
        return self.matrix.astype(np.float32)

    def gram(self, d: Array, *, roughly: bool = False) -> Array:
        """S' diag(d) S, for d >= 0: by roots, so that BLAS computes one triangle only; in single precision if roughly.

        In half of the time, at six digits: enough for the direction of a step that is far from the solution.
        """
        root = self.factor * np.sqrt(d)
        matrix: Any = self.matrix
        if roughly:
            # Kept from one iteration to the next where that fills little memory.
            matrix, root = self._single if matrix.size <= _COPIED else matrix, root.astype(np.float32)
        if self.index is None and len(root) <= CHUNK:
            part = np.multiply(matrix, root[:, None], dtype=root.dtype, casting="same_kind")
            return np.asarray(part.T @ part)
        total = np.zeros((matrix.shape[1],) * 2)
        for start in range(0, len(root), CHUNK):
            rows = slice(start, start + CHUNK) if self.index is None else self.index[start : start + CHUNK]
            part = np.multiply(matrix[rows], root[start : start + CHUNK, None], dtype=root.dtype, casting="same_kind")
            total += part.T @ part
        return total


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows of a sparse matrix."""

    matrix: Any

    @property
    def size(self) -> int:
        """Number of arguments."""
        return int(self.matrix.shape[0])

    def apply(self, w: Array) -> Array:
        """Sw."""
        return np.asarray(self.matrix @ w)

    def adjoint(self, v: Array) -> Array:
        """S'v."""
        return np.asarray(self.matrix.T @ v)

    def few_rows(self) -> tuple[Array, float]:
        """The rows as a dense matrix, where they are few, and their factor."""
        return self.matrix.toarray(), 1.0

    def gram(self, d: Array, *, roughly: bool = False) -> Array:
        """S' diag(d) S."""
        return np.asarray((self.matrix.T @ sp.diags_array(d) @ self.matrix).toarray())


@dataclass(frozen=True, eq=False)
class Chosen:
    """Weights of some assets, times a factor each."""

    index: Index
    factor: Array
    n_assets: int

    @property
    def size(self) -> int:
        """Number of arguments."""
        return len(self.index)

    def apply(self, w: Array) -> Array:
        """Sw."""
        return self.factor * w[self.index]

    def adjoint(self, v: Array) -> Array:
        """S'v."""
        total = np.zeros(self.n_assets)
        total[self.index] = self.factor * v
        return total

    def few_rows(self) -> tuple[Array, float]:
        """The rows as a dense matrix, where they are few, and their factor."""
        rows = np.zeros((len(self.index), self.n_assets))
        rows[np.arange(len(self.index)), self.index] = self.factor
        return rows, 1.0

    def gram(self, d: Array, *, roughly: bool = False) -> Array:
        """S' diag(d) S."""
        return np.diag(self.adjoint(self.factor * d))


class Pairs:
    """Differences of pairs of rows of a dense matrix; the matrix of differences is never written down.

    With D the symmetric matrix of the d's, S' diag(d) S = X'(diag(D1) - D)X: T x T entries in place of T²/2 rows.
    """

    def __init__(self, matrix: Array, factor: float, keep: npt.NDArray[np.bool_]) -> None:
        self.matrix, self.factor = matrix, factor
        self.first, self.second = (index[keep] for index in np.triu_indices(len(matrix), 1))

    @property
    def size(self) -> int:
        """Number of arguments."""
        return len(self.first)

    def of_series(self, returns: Array) -> Array:
        """Differences of all pairs of a series."""
        return np.asarray(returns[self.first] - returns[self.second])

    def to_series(self, v: Array) -> Array:
        """The transpose: what each member of the series gets from its pairs."""
        n = len(self.matrix)
        series: Array = np.bincount(self.first, v, n).astype(float) - np.bincount(self.second, v, n)
        return series

    def apply(self, w: Array) -> Array:
        """Sw."""
        return self.of_series(self.factor * (self.matrix @ w))

    def adjoint(self, v: Array) -> Array:
        """S'v."""
        return np.asarray((self.factor * self.to_series(v)) @ self.matrix)

    def gram(self, d: Array, *, roughly: bool = False) -> Array:
        """S' diag(d) S."""
        n = len(self.matrix)
        laplacian = np.zeros((n, n))
        laplacian[self.first, self.second] = -d
        laplacian += laplacian.T
        laplacian[np.diag_indices(n)] = -laplacian.sum(axis=0)
        return np.asarray(self.factor**2 * (self.matrix.T @ (laplacian @ self.matrix)))


Map = Rows | SparseRows | Chosen | Pairs
