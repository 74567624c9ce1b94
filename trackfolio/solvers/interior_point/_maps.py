"""Linear maps from the weights to the arguments of pieces, each with the products that Newton's method needs.

A map S has ``apply(w)`` = Sw, ``adjoint(v)`` = S'v and ``gram(d)`` = S' diag(d) S.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._validation import Array

# Rows of a tall matrix that are scaled at a time: large enough for BLAS, and small beside the matrix.
_CHUNK = 8192


@dataclass(eq=False)
class Rows:
    """Rows of a dense matrix, such as returns, times a factor."""

    matrix: Array
    factor: float = 1.0

    @property
    def size(self) -> int:
        """Number of arguments."""
        return len(self.matrix)

    def apply(self, w: Array) -> Array:
        """Sw."""
        product: Array = self.factor * (self.matrix @ w)
        return product

    def adjoint(self, v: Array) -> Array:
        """S'v."""
        product: Array = (self.factor * v) @ self.matrix
        return product

    @cached_property
    def single(self) -> npt.NDArray[np.float32]:
        """The matrix in single precision."""
        return self.matrix.astype(np.float32)

    def gram(self, d: Array, *, roughly: bool = False) -> Array:
        """S' diag(d) S, for d >= 0: by roots, so that BLAS computes one triangle only; in single precision if roughly.

        In half of the time, at six digits: enough for the direction of a step that is far from the solution.
        """
        root = self.factor * np.sqrt(d)
        matrix: Any = self.matrix
        if roughly:
            matrix, root = self.single, root.astype(np.float32)
        total = np.zeros((matrix.shape[1],) * 2)
        for start in range(0, len(root), _CHUNK):
            part = matrix[start : start + _CHUNK] * root[start : start + _CHUNK, None]
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

    def gram(self, d: Array, *, roughly: bool = False) -> Array:
        """S' diag(d) S."""
        return np.asarray((self.matrix.T @ sp.diags_array(d) @ self.matrix).toarray())


@dataclass(frozen=True, eq=False)
class Chosen:
    """Weights of some assets, times a factor each."""

    index: npt.NDArray[np.intp]
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
