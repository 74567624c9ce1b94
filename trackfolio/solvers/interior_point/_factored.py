"""Matrices in factor form, P = U'U + diag(d), and their roots: the rows of U above those of diag(√d)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array
from trackfolio.solvers.interior_point._maps import Index


@dataclass(eq=False)
class Factored:
    """Few factors and a diagonal.

    A root has one row an asset below its factors. Without some of the assets it keeps their rows, which have an offset:
    `places` are then those of the others.
    """

    factors: Array
    diagonal: Array
    places: Index | None = None
    n_rows: int = 0

    def __post_init__(self) -> None:
        """Number of rows of the root's diagonal part."""
        self.n_rows = self.n_rows or len(self.diagonal)

    @cached_property
    def dense(self) -> Array:
        """P."""
        matrix: Array = self.factors.T @ self.factors
        matrix[np.diag_indices(len(matrix))] += self.diagonal
        return matrix

    @cached_property
    def _roots(self) -> Array:
        return np.sqrt(self.diagonal)

    @property
    def root(self) -> Array:
        """R, with P = R'R."""
        return np.array([self.root_times(e) for e in np.eye(len(self.diagonal))]).T

    def __matmul__(self, x: Array) -> Array:
        """Px."""
        return np.asarray((self.factors @ x) @ self.factors + self.diagonal * x)

    def columns(self, kept: npt.NDArray[np.bool_]) -> "Factored":
        """The same of some assets."""
        places = np.flatnonzero(kept) if self.places is None else self.places[kept]
        return Factored(self.factors[:, kept], self.diagonal[kept], places, self.n_rows)

    def root_times(self, x: Array) -> Array:
        """Rx, with P = R'R."""
        below = np.zeros(self.n_rows)
        below[slice(None) if self.places is None else self.places] = self._roots * x
        return np.concatenate([self.factors @ x, below])

    def root_transposed(self, z: Array) -> Array:
        """R'z."""
        k = len(self.factors)
        below = z[k:] if self.places is None else z[k:][self.places]
        return np.asarray(z[:k] @ self.factors + self._roots * below)


def scaled(P: Array | Factored, c: float) -> Array | Factored:
    """The product cP."""
    return Factored(np.sqrt(c) * P.factors, c * P.diagonal) if isinstance(P, Factored) else c * P


def added(P: Array | Factored, Q: Array | Factored) -> Array | Factored:
    """P + Q, in factor form where both are."""
    if isinstance(P, Factored) and isinstance(Q, Factored):
        return Factored(np.vstack([P.factors, Q.factors]), P.diagonal + Q.diagonal)
    first, second = (part.dense if isinstance(part, Factored) else part for part in (P, Q))
    return np.asarray(first + second)
