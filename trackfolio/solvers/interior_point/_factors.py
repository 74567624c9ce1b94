r"""Factorisations of Newton's matrix, whose large block, that of the weights, is positive definite.

.. math:: K = \begin{pmatrix} H & B' \\ B & C \end{pmatrix}, \qquad Z = H^{-1}B', \quad S = C - BZ:

half of the work of a factorisation that looks for pivots, as few unknowns are not weights.
"""

from typing import Protocol

import numpy as np
import scipy.linalg

from trackfolio._validation import Array


class Inverse(Protocol):
    """Factors of a matrix."""

    def solve(self, right: Array) -> Array:
        """Solution for one right-hand side, or for several, a column each."""


class Cholesky:
    """LL' = H + diag(shift)."""

    def __init__(self, matrix: Array, shift: Array) -> None:
        self.L, info = scipy.linalg.lapack.dpotrf(_shifted(matrix, shift), lower=1, clean=0, overwrite_a=1)
        if info != 0:
            raise np.linalg.LinAlgError("the block of the weights is not positive definite")

    def solve(self, right: Array) -> Array:
        """Solution for one right-hand side, or for several, a column each."""
        return np.asarray(scipy.linalg.lapack.dpotrs(self.L, right, lower=1)[0])


class Woodbury:
    """Inverse of diag(d) + U' diag(s) U."""

    def __init__(self, d: Array, U: Array, s: Array) -> None:
        if not (d > 0).all():
            raise np.linalg.LinAlgError("the diagonal is not positive")
        kept = s > 0
        self.root = np.sqrt(d)[:, None]
        self.scaled = (U if kept.all() else U[kept]) / self.root[:, 0]
        # Of one matrix and its transpose, BLAS computes one triangle only.
        self.inner = Cholesky(self.scaled @ self.scaled.T, 1 / s[kept]) if kept.any() else None

    def solve(self, right: Array) -> Array:
        """Solution for one right-hand side, or for several, a column each."""
        b = right.reshape(len(right), -1) / self.root
        x = b if self.inner is None else b - self.scaled.T @ self.inner.solve(self.scaled @ b)
        return np.asarray((x / self.root).reshape(right.shape))


class Pivoted:
    """LU factors; of no unknowns, none."""

    def __init__(self, matrix: Array, shift: Array) -> None:
        self.factors: list[Array] = []
        if not len(matrix):
            return
        *self.factors, info = scipy.linalg.lapack.dgetrf(_shifted(matrix, shift), overwrite_a=1)
        if info != 0:
            raise np.linalg.LinAlgError("the matrix is singular")

    def solve(self, right: Array) -> Array:
        """Solution for one right-hand side."""
        return np.asarray(scipy.linalg.lapack.dgetrs(*self.factors, right)[0]) if self.factors else right


class Bordered:
    """Factors of H, and pivoted ones of what is left for all other unknowns; the strip is (B, C)."""

    def __init__(self, block: Inverse, strip: Array, shift: Array) -> None:
        n = strip.shape[1] - len(strip)
        self.n, self.block, self.B = n, block, strip[:, :n]
        self.Z = block.solve(self.B.T)
        self.rest = Pivoted(strip[:, n:] - self.B @ self.Z, shift)

    def solve(self, right: Array) -> Array:
        """Solution for one right-hand side."""
        x = self.block.solve(right[: self.n])
        v = self.rest.solve(right[self.n :] - self.B @ x)
        return np.concatenate([x - self.Z @ v, v])


def _shifted(matrix: Array, shift: Array) -> Array:
    """A copy in the order that LAPACK wants, with a shifted diagonal; the matrix is symmetric."""
    copy = np.array(matrix.T, order="F")
    np.einsum("ii->i", copy)[:] += shift
    return copy
