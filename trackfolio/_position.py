"""What a risk is taken of: the portfolio itself, or the portfolio less its benchmark."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from trackfolio._moments import is_noise, slope_on, slopes
from trackfolio._products import column_means, root_mean_square, times, transposed_times
from trackfolio._quadratic import FactorQuadratic, MatrixQuadratic, Quadratic, RowsQuadratic
from trackfolio._running import Moments
from trackfolio._validation import Array, degrees_of_freedom


@dataclass(frozen=True)
class CvxpyWeights:
    """The weights in cvxpy, of about which sum they are, and the portfolio's returns, where several terms share them.

    The matrix of returns is dense: to write it down once for all risks halves the time with two of them.
    """

    w: Any
    size: float = 1.0
    returns: Any = None


class Position:
    """Returns and covariances of ``X @ w`` (no benchmark), of ``X @ w - y``, or of holdings ``w - benchmark_weights``.

    Parameters
    ----------
    X : ndarray of shape (n_periods, n_assets) or None
        Asset returns; None where only a covariance is known.
    y : ndarray of shape (n_periods,) or None
        Benchmark returns.
    benchmark_weights : ndarray of shape (n_assets,) or None
        Weights of the benchmark, where it is given by weights rather than by returns: covariances are then taken of
        the assets and `w - benchmark_weights`, otherwise of the joint matrix of `[X, y]`.
    sample_weight : ndarray of shape (n_periods,) or None
        Repetitions of each period.
    covariance : ndarray of shape (n_assets, n_assets) or None
        Given in place of X.
    moments : Moments or None
        Given in place of X and y: of the assets' returns and, against a benchmark, of its returns as the last column.
    is_active : bool
        Whether the moments have that column.
    """

    def __init__(
        self,
        X: Array | None,
        y: Array | None = None,
        *,
        benchmark_weights: Array | None = None,
        sample_weight: Array | None = None,
        covariance: Array | None = None,
        moments: Moments | None = None,
        is_active: bool = False,
    ) -> None:
        self.X, self.y, self.benchmark_weights = X, y, benchmark_weights
        self.sample_weight, self._covariance, self.moments = sample_weight, covariance, moments
        given = next(
            data for data in (X, covariance, None if moments is None else moments.comoment) if data is not None
        )
        self.n_assets = given.shape[1] - is_active
        self._estimated: list[tuple[Any, MatrixQuadratic | FactorQuadratic]] = []

    @property
    def total_weight(self) -> float:
        """Number of periods, repetitions counted."""
        if self.moments is not None:
            return self.moments.total
        if self.sample_weight is not None:
            return float(self.sample_weight.sum())
        return float(len(self.rows))

    @property
    def has_means(self) -> bool:
        """Whether the data tell the mean of each asset's returns."""
        return self.X is not None or self.moments is not None

    @property
    def rows(self) -> Array:
        """Asset returns, of shape (n_periods, n_assets), in the precision in which they are kept (see `_products`)."""
        if self.moments is not None:
            raise ValueError(
                "Only the moments of the returns are kept (partial_fit, Dask arrays), but a term needs the returns "
                "period by period: use RootMeanSquare, StandardDeviation or Variance of the sample, and limits on "
                "weights."
            )
        if self.X is None:
            raise ValueError(
                "Only a covariance was given (covariance='precomputed'), but a term needs returns period by period. "
                "Fit on returns X, or use a risk and constraints that need the covariance alone."
            )
        return self.X

    @property
    def double_rows(self) -> Array:
        """Asset returns in double precision: a copy where they are kept in single precision."""
        return np.asarray(self.rows, dtype=np.float64)

    def returns(self, w: Array) -> Array:
        """Returns at given weights, of shape (n_periods,)."""
        portfolio = times(self.rows, w)
        return portfolio if self.y is None else portfolio - self.y

    def expression(self, weights: "CvxpyWeights", unit: float = 1.0) -> Any:
        """Returns, divided by `unit`, as a cvxpy expression of the weights."""
        if weights.returns is not None:
            portfolio = weights.returns / unit
        else:
            rows = self.double_rows
            portfolio = (rows if unit == 1 else rows / unit) @ weights.w
        return portfolio if self.y is None else portfolio - self.y / unit

    @cached_property
    def mean_returns(self) -> Array:
        """Sample mean of each asset's returns."""
        if self.moments is not None:
            return self.moments.mean[: self.n_assets]
        return column_means(self.rows, self.sample_weight)

    @property
    def mean_benchmark_return(self) -> float:
        """Sample mean of the benchmark's returns."""
        if self.moments is not None:
            return float(self.moments.mean[self.n_assets])
        assert self.y is not None, "only asked of positions against a benchmark by returns"
        return float(np.average(self.y, weights=self.sample_weight))

    @cached_property
    def return_size(self) -> float:
        """Typical size of the returns, the root mean square of those of all assets."""
        if self.moments is not None:
            return float(np.sqrt(np.mean(np.diagonal(self.moments.second)[: self.n_assets])))
        size = root_mean_square(self.rows)
        if size == 0 and self.rows.any():
            raise ValueError(
                f"The returns are too small to be squared, the largest is {np.abs(self.rows).max():.3g}: give them in "
                "another unit."
            )
        return size

    @property
    def return_unit(self) -> float:
        """Typical size of the returns; 1 where all are zero."""
        return self.return_size or 1.0

    def typical_return(self, size: float) -> float:
        """Typical size of the returns of weights that sum to `size`, and of the benchmark's; 1 where all are zero."""
        of_benchmark = 0.0 if self.y is None else root_mean_square(self.y)
        if self.moments is not None and len(self.moments.mean) > self.n_assets:
            of_benchmark = float(np.sqrt(self.moments.second[-1, -1]))
        return max(self.return_size * size, of_benchmark) or 1.0

    @property
    def betas(self) -> Array | None:
        """Slope of each asset's returns on those of the benchmark; None where these are constant or not there."""
        if self.moments is not None:
            *covariances, variance = self.moments.comoment[self.n_assets] / self.moments.total
            mean = np.abs(self.moments.mean)
            if is_noise(np.sqrt(variance), mean[-1:]):
                return None
            betas: Array = slopes(np.array(covariances), float(variance), mean[:-1])
            return betas
        return None if self.y is None else slope_on(self.y, self.double_rows, self.sample_weight)

    def pull_back(self, gradient: Array) -> Array:
        """Turn a gradient with respect to the returns into one with respect to the weights: X' g."""
        return transposed_times(self.rows, gradient)

    @cached_property
    def second_moment(self) -> Quadratic:
        """Mean of squared returns, as a quadratic of the weights."""
        if self.moments is not None:
            return self._of_matrix(self.moments.second)
        return RowsQuadratic(self.rows, self.y, self.sample_weight, self.total_weight, centered=False)

    @cached_property
    def variance(self) -> Quadratic:
        """Sample variance of the returns (denominator: number of periods - 1), as a quadratic of the weights."""
        divisor = degrees_of_freedom(self.total_weight)
        if self.moments is not None:
            return self._of_matrix(self.moments.comoment / divisor)
        return RowsQuadratic(self.rows, self.y, self.sample_weight, divisor, centered=True)

    def _of_matrix(self, matrix: Array) -> MatrixQuadratic:
        """Quadratic form of the weights and, against a benchmark, of -1 for it."""
        reference = np.zeros(len(matrix))
        reference[self.n_assets :] = 1.0
        return MatrixQuadratic(matrix, reference, self.n_assets)

    def covariance(self, estimator: Any) -> MatrixQuadratic | FactorQuadratic:
        """Ex-ante variance by a covariance estimator, fitted here on a clone, or by the given matrix."""
        for known, form in self._estimated:
            if known is estimator:
                return form
        form = self._estimate(estimator)
        self._estimated.append((estimator, form))
        return form

    def _estimate(self, estimator: Any) -> MatrixQuadratic | FactorQuadratic:
        n = self.n_assets
        reference = np.zeros(n) if self.benchmark_weights is None else self.benchmark_weights
        if isinstance(estimator, str):
            if self._covariance is None:
                raise ValueError("covariance='precomputed' needs fit(Sigma) with a covariance matrix; got returns.")
            return MatrixQuadratic(self._covariance, reference, n)
        if self._covariance is not None:
            raise ValueError("A covariance matrix was given, so covariance must be 'precomputed'.")
        data = self.double_rows
        if self.benchmark_weights is None and self.y is not None:
            data, reference = np.column_stack([data, self.y]), np.append(np.zeros(n), 1.0)
        return _form(fitted_clone(estimator, data, self.sample_weight), reference, n)


def fitted_clone(estimator: Any, data: Array, sample_weight: Array | None) -> Any:
    """Clone of an estimator, fitted with sample weights if there are any and it takes them."""
    name = type(estimator).__name__
    if sample_weight is None:
        return clone(estimator).fit(data)
    if not has_fit_parameter(estimator, "sample_weight"):
        raise ValueError(
            f"sample_weight was given, but {name}.fit does not take it. "
            "Leave the weights out, or use an estimator that takes them."
        )
    return clone(estimator).fit(data, sample_weight=sample_weight)


def _form(fitted: Any, reference: Array, n_assets: int) -> MatrixQuadratic | FactorQuadratic:
    """Covariance of a fitted estimator, as factors where it has them."""
    name, n = type(fitted).__name__, len(reference)
    loadings, specific = (np.asarray(getattr(fitted, part, np.nan)) for part in ("components_", "noise_variance_"))
    if loadings.ndim == 2 and loadings.shape[1] == n and specific.shape == (n,):
        return FactorQuadratic(loadings, specific, reference, n_assets)
    if hasattr(fitted, "covariance_"):
        matrix = fitted.covariance_
    elif hasattr(fitted, "get_covariance"):
        matrix = fitted.get_covariance()
    else:
        raise TypeError(
            f"covariance={name}() has neither covariance_ nor get_covariance() after fit; see sklearn.covariance."
        )
    matrix = check_covariance(np.array(matrix, dtype=np.float64), f"the covariance of {name}")
    if len(matrix) != n:
        raise ValueError(f"The covariance of {name} has shape {matrix.shape}; expected ({n}, {n}).")
    return MatrixQuadratic(matrix, reference, n_assets)


def check_covariance(matrix: Array, what: str) -> Array:
    """Refuse what is no covariance matrix: not square, not symmetric, or with a negative eigenvalue."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{what} must be square, got shape {matrix.shape}.")
    if not np.isfinite(matrix).all():
        i, j = np.argwhere(~np.isfinite(matrix))[0]
        raise ValueError(f"{what} contains NaN or infinity: first at row {i}, column {j}.")
    scale = max(float(np.mean(np.abs(np.diagonal(matrix)))), np.finfo(float).tiny)
    if np.max(np.abs(matrix - matrix.T)) > 1e-8 * scale:
        i, j = np.unravel_index(np.argmax(np.abs(matrix - matrix.T)), matrix.shape)
        raise ValueError(
            f"{what} must be symmetric, but entry ({i}, {j}) is {matrix[i, j]:.6g} and ({j}, {i}) is "
            f"{matrix[j, i]:.6g}."
        )
    matrix = (matrix + matrix.T) / 2
    try:  # a Cholesky factorisation is the cheap test; eigenvalues are only computed for the message
        np.linalg.cholesky(matrix + 1e-10 * scale * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        smallest = float(np.linalg.eigvalsh(matrix)[0])
        if smallest < -1e-10 * scale:
            raise ValueError(
                f"{what} is not positive semidefinite: its smallest eigenvalue is {smallest:.3g}. "
                "Repair it first (shrink it, or cut negative eigenvalues); nothing is repaired in silence."
            ) from None
    return matrix
