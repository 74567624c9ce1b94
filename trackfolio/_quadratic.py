"""Quadratic forms of the weights, kept in the form in which they come: rows of returns, a matrix, or factors.

Every form offers two views of the same q(w):

* ``gram()``: ``(M, h, c)`` with ``q(w) = w'Mw - 2h'w + c``, for methods that work on N x N matrices;
* ``root()``: ``(R, r)`` with ``q(w) = ||Rw - r||²`` and few rows, for cones.

``gradient`` is computed from differences: it is exact where M has lost digits, and an optimum of 0 is 0.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import scipy.linalg

from trackfolio._products import chunks, column_means, times, transposed_times
from trackfolio._validation import Array

Gram = tuple[Array, Array, float]
Root = tuple[Array, Array]
Factors = tuple[Array, Array, Array]


class Quadratic(Protocol):
    """A convex quadratic function of the weights."""

    def gradient(self, w: Array) -> Array:
        """Gradient of q at w."""

    def gram(self) -> Gram:
        """(M, h, c) with q(w) = w'Mw - 2h'w + c."""

    def root(self) -> Root:
        """(R, r) with q(w) = ||Rw - r||²."""


def factors_of(quadratic: Quadratic) -> Factors | None:
    """(U, d, r) with R = (U; diag(√d)), where the form has few factors; None where it has none."""
    return quadratic.factored() if isinstance(quadratic, _Factored) else None


def has_factors(quadratic: Quadratic) -> bool:
    """Whether a form, or each summand of one, has few factors."""
    if isinstance(quadratic, SumQuadratic):
        return all(has_factors(q) for _, q in quadratic.summands)
    return factors_of(quadratic) is not None


def rows_of(quadratic: Quadratic) -> tuple[Array, float] | None:
    """(X, c) where the rows of the root are those of the returns, times c; None where they are others."""
    if not isinstance(quadratic, RowsQuadratic) or not quadratic.is_wide:
        return None
    changed = quadratic.centered or quadratic.sample_weight is not None
    return None if changed else (quadratic.X, 1 / np.sqrt(quadratic.divisor))


def parts_of(quadratic: Quadratic) -> tuple[Array, Array] | None:
    """(U, d) with M = U'U + diag(d): factors and what each asset has of its own; None where a form has no such parts.

    Of a sum, those without factors are taken by their rows.
    """
    if isinstance(quadratic, SumQuadratic):
        parts = [(c, parts_of(q) or (q.root()[0], np.zeros(len(quadratic.slope)))) for c, q in quadratic.summands]
        return np.vstack([np.sqrt(c) * U for c, (U, _) in parts]), np.sum([c * d for c, (_, d) in parts], axis=0)
    factors = factors_of(quadratic)
    return None if factors is None else factors[:2]


def root_of(quadratic: Quadratic) -> Array:
    """R with M = R'R, to full precision where the form comes as rows or factors."""
    parts = parts_of(quadratic)
    if parts is not None:
        return np.vstack([parts[0], np.diag(np.sqrt(parts[1]))])
    if isinstance(quadratic, GramQuadratic):
        eigenvalues, vectors = np.linalg.eigh(quadratic.matrix)
        return np.asarray(np.sqrt(np.maximum(eigenvalues, 0.0))[:, None] * vectors.T)
    return quadratic.root()[0]


def mean_diagonal(quadratic: Quadratic, size: float = 1.0) -> float:
    """Mean over the assets of q(size·e_i): what each asset alone would cost. It is the scale s of DESIGN.md."""
    parts = factors_of(quadratic)
    if isinstance(quadratic, RowsQuadratic) and quadratic.is_wide:
        diagonal, linear, constant = quadratic.diagonal()
    elif parts is None:
        matrix, linear, constant = quadratic.gram()
        diagonal = np.diagonal(matrix)
    else:
        U, d, r = parts
        diagonal, linear, constant = np.sum(U**2, axis=0) + d, _pull(U, d, r), float(r @ r)
    squares = size**2 * float(np.mean(diagonal))
    # Where every asset is the benchmark but for rounding, differences are no unit to measure a gap in.
    rounding = 1e4 * np.finfo(float).eps * (squares + constant)
    return max(squares - 2 * size * float(np.mean(linear)) + constant, rounding)


@dataclass(frozen=True)
class RowsQuadratic:
    """q(w) = Σ s_t (a_t - m)² / divisor with a = Xw - y, and m the weighted mean of a (`centered`) or 0."""

    X: Array
    y: Array | None
    sample_weight: Array | None
    divisor: float
    centered: bool

    @property
    def is_wide(self) -> bool:
        """Whether there are no more periods than assets: rows are then a root as they are, of a singular matrix."""
        return bool(len(self.X) <= self.X.shape[1])

    def gradient(self, w: Array) -> Array:
        """Gradient of q at w, in two passes over X."""
        a = times(self.X, w) if self.y is None else times(self.X, w) - self.y
        if self.centered:
            a -= np.average(a, weights=self.sample_weight)
        if self.sample_weight is not None:
            a *= self.sample_weight
        return transposed_times(self.X, 2 / self.divisor * a)

    def _rows(self) -> Iterator[tuple[Array, Array]]:
        """Chunks of rows (D, d) with q(w) = ||Dw - d||² / divisor in all; copies only of rows that change."""
        y, s = np.zeros(len(self.X)) if self.y is None else self.y, self.sample_weight
        if self.centered:
            mean, y = column_means(self.X, s), y - np.average(y, weights=s)
        for part, rows in chunks(self.X):
            D, d = rows - mean if self.centered else rows, y[part]
            if s is not None:
                D, d = D * np.sqrt(s[part])[:, None], d * np.sqrt(s[part])
            yield D, d

    @cached_property
    def _gram(self) -> Gram:
        n = self.X.shape[1]
        matrix, linear, constant = np.zeros((n, n)), np.zeros(n), 0.0
        for D, d in self._rows():
            matrix += D.T @ D
            linear += d @ D
            constant += float(d @ d)
        return matrix / self.divisor, linear / self.divisor, constant / self.divisor

    def gram(self) -> Gram:
        """(M, h, c) with q(w) = w'Mw - 2h'w + c."""
        return self._gram

    def diagonal(self) -> Gram:
        """The same with the diagonal of M in place of M, for which M is not needed."""
        n = self.X.shape[1]
        squares, linear, constant = np.zeros(n), np.zeros(n), 0.0
        for D, d in self._rows():
            squares += np.einsum("ti,ti->i", D, D)
            linear += d @ D
            constant += float(d @ d)
        return squares / self.divisor, linear / self.divisor, constant / self.divisor

    def root(self) -> Root:
        """(R, r) with q(w) = ||Rw - r||²: N + 1 rows at most.

        They are Cholesky factors of the second moments of [X, y], unless these are so nearly singular that digits would
        be lost: then a QR of [X, y] keeps its full precision.
        """
        return self._root

    @cached_property
    def _root(self) -> Root:
        root = None if self.is_wide else _cholesky_root(self._gram)
        if root is None:
            rows = np.vstack([np.column_stack(part) for part in self._rows()]) / np.sqrt(self.divisor)
            if len(rows) > rows.shape[1]:
                rows = scipy.linalg.qr(rows, mode="r", check_finite=False, overwrite_a=True)[0][: rows.shape[1]]
            root = rows[:, :-1], rows[:, -1]
        return root


# Pivots of a Cholesky factorisation, as a share of the diagonal entry, from which on at most six digits are lost.
_SAFE_PIVOT = 1e-6


def _cholesky_root(gram: Gram) -> Root | None:
    """(R, r) from (M, h, c), or None where rounding would be seen in it."""
    matrix, linear, constant = gram
    alone = constant == 0  # no benchmark: r is 0
    joint = matrix if alone else np.block([[matrix, linear[:, None]], [linear, constant]])
    if not (np.diagonal(joint) > 0).all():
        return None
    root, info = scipy.linalg.lapack.dpotrf(joint.T, lower=0)
    if info != 0 or (np.diagonal(root) ** 2 < _SAFE_PIVOT * np.diagonal(joint)).any():
        return None
    return (root, np.zeros(len(root))) if alone else (root[:, :-1], root[:, -1])


def _difference(w: Array, reference: Array) -> Array:
    """Weights, 0 for the benchmark, less the reference."""
    z = -reference
    z[: len(w)] += w
    return z


@dataclass(frozen=True)
class MatrixQuadratic:
    """q(w) = z'Sz with z = (w, 0) - reference: S may have a benchmark as its last asset."""

    matrix: Array
    reference: Array
    n_assets: int

    def value(self, w: Array) -> float:
        """q(w)."""
        z = _difference(w, self.reference)
        return max(float(z @ self.matrix @ z), 0.0)

    def gradient(self, w: Array) -> Array:
        """Gradient of q at w."""
        return (2 * (self.matrix @ _difference(w, self.reference)))[: self.n_assets]

    def gram(self) -> Gram:
        """(M, h, c) with q(w) = w'Mw - 2h'w + c."""
        n, pull = self.n_assets, self.matrix @ self.reference
        return self.matrix[:n, :n], pull[:n], float(self.reference @ pull)

    def root(self) -> Root:
        """(R, r) with q(w) = ||Rw - r||², by eigenvectors, so that a singular S is no trouble."""
        eigenvalues, vectors = np.linalg.eigh(self.matrix)
        root = vectors.T * np.sqrt(np.maximum(eigenvalues, 0.0))[:, None]
        return root[:, : self.n_assets], root @ self.reference


def _pull(U: Array, d: Array, r: Array) -> Array:
    """R'r for R = (U; diag(√d))."""
    k = len(U)
    return np.asarray(r[:k] @ U + np.sqrt(d) * r[k:])


class _Factored(ABC):
    """A form with factors, of which gram and root follow."""

    @abstractmethod
    def factored(self) -> Factors:
        """(U, d, r) with R = (U; diag(√d))."""

    def gram(self) -> Gram:
        """(M, h, c) with q(w) = w'Mw - 2h'w + c."""
        U, d, r = self.factored()
        matrix = U.T @ U
        matrix[np.diag_indices(len(d))] += d
        return matrix, _pull(U, d, r), float(r @ r)

    def root(self) -> Root:
        """(R, r) with q(w) = ||Rw - r||²: one row a factor and one an asset."""
        U, d, r = self.factored()
        return np.vstack([U, np.diag(np.sqrt(d))]), r


@dataclass(frozen=True)
class FactorQuadratic(_Factored):
    """q(w) = ||Lz||² + Σ d_i z_i² with z = (w, 0) - reference: K factors, specific variances d."""

    loadings: Array
    specific: Array
    reference: Array
    n_assets: int

    def value(self, w: Array) -> float:
        """q(w)."""
        z = _difference(w, self.reference)
        return float(np.sum((self.loadings @ z) ** 2) + np.sum(self.specific * z**2))

    def gradient(self, w: Array) -> Array:
        """Gradient of q at w."""
        z = _difference(w, self.reference)
        return (2 * (self.loadings.T @ (self.loadings @ z) + self.specific * z))[: self.n_assets]

    def factored(self) -> Factors:
        """(U, d, r) with R = (U; diag(√d)); what a benchmark has of its own is a row of zeros."""
        n, k = self.n_assets, len(self.reference) - self.n_assets
        own = np.sqrt(self.specific) * self.reference
        U = np.vstack([self.loadings[:, :n], np.zeros((k, n))])
        return U, self.specific[:n], np.concatenate([self.loadings @ self.reference, own[n:], own[:n]])


@dataclass(frozen=True)
class DiagonalQuadratic(_Factored):
    """q(w) = Σ c_i (w_i - m_i)²."""

    coefficients: Array
    centre: Array

    def gradient(self, w: Array) -> Array:
        """Gradient of q at w."""
        return 2 * self.coefficients * (w - self.centre)

    def factored(self) -> Factors:
        """(U, d, r) with R = (U; diag(√d)): no factors."""
        return np.zeros((0, len(self.centre))), self.coefficients, np.sqrt(self.coefficients) * self.centre


@dataclass(frozen=True)
class GramQuadratic:
    """q(w) = w'Mw - 2h'w + c, as given."""

    matrix: Array
    linear: Array
    constant: float = 0.0

    def gradient(self, w: Array) -> Array:
        """Gradient of q at w."""
        return np.asarray(2 * (self.matrix @ w - self.linear))

    def gram(self) -> Gram:
        """(M, h, c) with q(w) = w'Mw - 2h'w + c."""
        return self.matrix, self.linear, self.constant

    def root(self) -> Root:
        """Refused: it need not be a sum of squares."""
        raise TypeError("A quadratic form with a slope has no root.")


@dataclass(frozen=True)
class SumQuadratic:
    """q(w) = Σ c_k q_k(w) + slope'w."""

    summands: list[tuple[float, Quadratic]]
    slope: Array

    def gradient(self, w: Array) -> Array:
        """Gradient of q at w."""
        return np.asarray(sum((c * q.gradient(w) for c, q in self.summands), self.slope))

    @cached_property
    def _gram(self) -> Gram:
        n = len(self.slope)
        matrix, linear, constant = np.zeros((n, n)), -self.slope / 2, 0.0
        for c, q in self.summands:
            m, h, k = q.gram()
            matrix, linear, constant = matrix + c * m, linear + c * h, constant + c * k
        return matrix, linear, constant

    def gram(self) -> Gram:
        """(M, h, c) with q(w) = w'Mw - 2h'w + c."""
        return self._gram

    def root(self) -> Root:
        """Refused: with a slope it need not be a sum of squares."""
        raise TypeError("A sum of quadratic forms with a slope has no root.")
