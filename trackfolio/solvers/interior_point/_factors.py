r"""Factorisations of Newton's matrix, whose large block, that of the weights, is positive definite.

.. math:: K = \begin{pmatrix} H & B' \\ B & C \end{pmatrix}, \qquad H = LL', \quad Y = L^{-1}B', \quad S = C - Y'Y:

half of the work of a factorisation that looks for pivots, as few unknowns are not weights.
"""

from typing import Protocol

import numpy as np
import scipy.linalg

from trackfolio._validation import Array


class Factors(Protocol):
    """Factors of a symmetric matrix, of which the first unknowns are the weights."""

    def __init__(self, matrix: Array, shift: Array, n_assets: int) -> None:
        """Factors of the matrix with a shifted diagonal, or `numpy.linalg.LinAlgError` where there are none."""

    def solve(self, right: Array) -> Array:
        """Solution for one right-hand side."""


class Bordered:
    """Cholesky factors of the block of the weights, and pivoted ones of what is left for all others."""

    def __init__(self, matrix: Array, shift: Array, n_assets: int) -> None:
        self.n = n = n_assets
        self.L, info = scipy.linalg.lapack.dpotrf(_shifted(matrix[:n, :n], shift[:n]), lower=1, clean=0, overwrite_a=1)
        if info != 0:
            raise np.linalg.LinAlgError("the block of the weights is not positive definite")
        self.Y = self._forward(matrix[n:, :n].T)
        self.rest = Pivoted(matrix[n:, n:] - self.Y.T @ self.Y, shift[n:], 0)

    def _forward(self, right: Array, trans: int = 0) -> Array:
        return np.asarray(scipy.linalg.lapack.dtrtrs(self.L, right, lower=1, trans=trans)[0])

    def solve(self, right: Array) -> Array:
        """Solution for one right-hand side."""
        u = self._forward(right[: self.n])
        v = self.rest.solve(right[self.n :] - u @ self.Y)
        return np.concatenate([self._forward(u - self.Y @ v, trans=1), v])


class Pivoted:
    """LU factors."""

    def __init__(self, matrix: Array, shift: Array, n_assets: int) -> None:
        *self.factors, info = scipy.linalg.lapack.dgetrf(_shifted(matrix, shift), overwrite_a=1)
        if info != 0:
            raise np.linalg.LinAlgError("the matrix is singular")

    def solve(self, right: Array) -> Array:
        """Solution for one right-hand side."""
        return np.asarray(scipy.linalg.lapack.dgetrs(*self.factors, right)[0])


def _shifted(matrix: Array, shift: Array) -> Array:
    """A copy in the order that LAPACK wants, with a shifted diagonal; the matrix is symmetric."""
    copy = np.array(matrix.T, order="F")
    copy[np.diag_indices(len(copy))] += shift
    return copy
