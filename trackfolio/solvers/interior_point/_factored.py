"""Matrices in factor form, P = U'U + diag(d), and their roots: the rows of U above those of diag(√d)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array


@dataclass(eq=False)
class Factored:
    """Few factors and a diagonal."""

    factors: Array
    diagonal: Array

    @cached_property
    def dense(self) -> Array:
        """P."""
        matrix: Array = self.factors.T @ self.factors
        matrix[np.diag_indices(len(matrix))] += self.diagonal
        return matrix

    @cached_property
    def _roots(self) -> Array:
        return np.sqrt(self.diagonal)

    def __matmul__(self, x: Array) -> Array:
        """Px."""
        return np.asarray((self.factors @ x) @ self.factors + self.diagonal * x)

    def columns(self, kept: npt.NDArray[np.bool_]) -> "Factored":
        """The same of some assets."""
        return Factored(self.factors[:, kept], self.diagonal[kept])

    def root_times(self, x: Array) -> Array:
        """Rx, with P = R'R."""
        return np.concatenate([self.factors @ x, self._roots * x])

    def root_transposed(self, z: Array) -> Array:
        """R'z."""
        k = len(self.factors)
        return np.asarray(z[:k] @ self.factors + self._roots * z[k:])


def scaled(P: Array | Factored, c: float) -> Array | Factored:
    """The product cP."""
    return Factored(np.sqrt(c) * P.factors, c * P.diagonal) if isinstance(P, Factored) else c * P


def added(P: Array | Factored, Q: Array | Factored) -> Array | Factored:
    """P + Q, in factor form where both are."""
    if isinstance(P, Factored) and isinstance(Q, Factored):
        return Factored(np.vstack([P.factors, Q.factors]), P.diagonal + Q.diagonal)
    first, second = (part.dense if isinstance(part, Factored) else part for part in (P, Q))
    return np.asarray(first + second)
