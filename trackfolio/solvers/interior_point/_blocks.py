r"""The block of the weights in Newton's matrix, H = P + Σ E'DE + Σ V'W⁻²V: dense, or in factor form.

Where all that the problem knows of the assets is a diagonal and few rows (factors of a covariance, few periods), H
is :math:`\operatorname{diag}(d) + U'\operatorname{diag}(s)U`, and systems with it are solved in O(N k²) for k rows:

.. math:: H^{-1} = \Delta - \Delta U'(\operatorname{diag}(1/s) + U\Delta U')^{-1}U\Delta, \qquad
    \Delta = \operatorname{diag}(1/d).
"""

from typing import Protocol

import numpy as np

from trackfolio._validation import Array
from trackfolio.solvers.interior_point._cone import Cone
from trackfolio.solvers.interior_point._factored import Factored
from trackfolio.solvers.interior_point._factors import Cholesky, Inverse, Woodbury
from trackfolio.solvers.interior_point._maps import Chosen, Map, Pairs
from trackfolio.solvers.interior_point._program import Program

# From so many assets on, factor form is used, for at most so many rows an asset.
_MANY, _ROWS = 300, 0.55


class Block(Protocol):
    """The block of the weights, to which terms are added one by one; the strip is what is below it in K."""

    strip: Array

    def add_matrix(self, P: Array | Factored) -> None:
        """Add the matrix of the objective."""

    def add_gram(self, own: Map, d: Array, *, roughly: bool) -> None:
        """Add S' diag(d) S of a map S."""

    def add_cone(self, cone: Cone, weight: float) -> None:
        """Add the weighted R'R of a cone."""

    def times(self, x: Array) -> Array:
        """Hx."""

    def diagonal(self) -> Array:
        """Diagonal of H."""

    def dense(self) -> Array:
        """H."""

    def complete(self) -> None:
        """Take note that all has been added."""

    def bordered(self) -> Array:
        """K."""

    def bordered_times(self, x: Array) -> Array:
        """Kx."""

    def inverse(self, shift: Array) -> Inverse:
        """Factors of H with a shifted diagonal, or `numpy.linalg.LinAlgError` where there are none."""


def block_of(program: Program, size: int) -> Block:
    """In factor form where all terms allow it, and where that pays; for a matrix K of the given size."""
    return (Thin if _is_thin(program) else Dense)(program.n_assets, size)


def _is_thin(program: Program) -> bool:
    if program.n_assets < _MANY or program.groups or isinstance(program.quadratic, np.ndarray):
        return False
    counted: dict[int, int] = {0: 0 if program.quadratic is None else len(program.quadratic.factors)}
    for p in program.pieces:
        if isinstance(p.map, Pairs):
            return False
        if p.map is not None and not isinstance(p.map, Chosen):
            counted[id(p.map.matrix)] = p.map.size
    for cone in program.cones:
        rows = cone.matrix.factors if isinstance(cone.matrix, Factored) else cone.matrix
        counted[id(rows if cone.returns is None else cone.returns[0])] = len(rows)
    return sum(counted.values()) <= _ROWS * program.n_assets


class Dense:
    """All entries."""

    def __init__(self, n_assets: int, size: int) -> None:
        self.whole = np.zeros((size, size))
        self.matrix, self.strip = self.whole[:n_assets, :n_assets], self.whole[n_assets:]
        self._is_empty = True

    def add_matrix(self, P: Array | Factored) -> None:
        """Add the matrix of the objective."""
        self._add(P.dense if isinstance(P, Factored) else P, 1.0)

    def _add(self, P: Array, weight: float) -> None:
        if self._is_empty:  # without a product in memory of its own
            np.multiply(P, weight, out=self.matrix)
        else:
            self.matrix += weight * P
        self._is_empty = False

    def add_gram(self, own: Map, d: Array, *, roughly: bool) -> None:
        """Add S' diag(d) S of a map S."""
        if isinstance(own, Chosen):
            self.matrix[own.index, own.index] += own.factor**2 * d
            self._is_empty = False
        else:
            self.matrix += own.gram(d, roughly=roughly)
            self._is_empty = False

    def add_cone(self, cone: Cone, weight: float) -> None:
        """Add the weighted R'R of a cone."""
        self._add(cone.gram, weight)

    def times(self, x: Array) -> Array:
        """Hx."""
        return np.asarray(self.matrix @ x)

    def diagonal(self) -> Array:
        """Diagonal of H."""
        return np.diagonal(self.matrix)

    def dense(self) -> Array:
        """H."""
        return self.matrix

    def complete(self) -> None:
        """Mirror the strip."""
        n = len(self.matrix)
        self.whole[:n, n:] = self.strip[:, :n].T

    def bordered(self) -> Array:
        """K."""
        return self.whole

    def bordered_times(self, x: Array) -> Array:
        """Kx."""
        return np.asarray(self.whole @ x)

    def inverse(self, shift: Array) -> Inverse:
        """Cholesky factors of H with a shifted diagonal."""
        return Cholesky(self.matrix, shift)


class Thin:
    """A diagonal, and few rows with a weight each."""

    def __init__(self, n_assets: int, size: int) -> None:
        self.d, self.strip = np.zeros(n_assets), np.zeros((size - n_assets, size))
        self._rows: list[Array] = []
        self._weights: list[Array] = []

    def add_matrix(self, P: Array | Factored) -> None:
        """Add the matrix of the objective."""
        assert isinstance(P, Factored), "a dense matrix is no part of a thin block"
        self._add(P.factors, np.ones(len(P.factors)))
        self.d += P.diagonal

    def add_gram(self, own: Map, d: Array, *, roughly: bool) -> None:
        """Add S' diag(d) S of a map S."""
        if isinstance(own, Chosen):
            self.d[own.index] += own.factor**2 * d
        else:
            assert not isinstance(own, Pairs), "pairs are no part of a thin block"
            rows, factor = own.few_rows()
            self._add(rows, factor**2 * d)

    def add_cone(self, cone: Cone, weight: float) -> None:
        """Add the weighted R'R of a cone."""
        if isinstance(cone.matrix, Factored):
            self._add(cone.matrix.factors, np.full(len(cone.matrix.factors), weight))
            self.d += weight * cone.matrix.diagonal
        else:
            rows, factor = (cone.matrix, 1.0) if cone.returns is None else cone.returns
            self._add(rows, np.full(len(rows), weight * factor**2))

    def _add(self, rows: Array, weights: Array) -> None:
        for i, others in enumerate(self._rows):
            if others is rows:
                self._weights[i] = self._weights[i] + weights
                return
        self._rows.append(rows)
        self._weights.append(weights)

    @property
    def _all_rows(self) -> tuple[Array, Array]:
        if len(self._rows) != 1:
            self._rows = [np.vstack([np.zeros((0, len(self.d))), *self._rows])]
            self._weights = [np.concatenate([np.zeros(0), *self._weights])]
        return self._rows[0], self._weights[0]

    def times(self, x: Array) -> Array:
        """Hx."""
        U, s = self._all_rows
        return np.asarray(self.d * x + (s * (U @ x)) @ U)

    def diagonal(self) -> Array:
        """Diagonal of H."""
        U, s = self._all_rows
        return np.asarray(self.d + s @ U**2)

    def dense(self) -> Array:
        """H."""
        U, s = self._all_rows
        H: Array = (U.T * s) @ U
        H[np.diag_indices(len(H))] += self.d
        return H

    def complete(self) -> None:
        """Nothing is mirrored."""

    def bordered(self) -> Array:
        """K."""
        return np.block([[self.dense(), self.strip[:, : len(self.d)].T], [self.strip]])

    def bordered_times(self, x: Array) -> Array:
        """Kx."""
        n = len(self.d)
        return np.concatenate([self.times(x[:n]) + x[n:] @ self.strip[:, :n], self.strip @ x])

    def inverse(self, shift: Array) -> Inverse:
        """H⁻¹ by the formula of Woodbury, with a shifted diagonal."""
        return Woodbury(self.d + shift, *self._all_rows)
