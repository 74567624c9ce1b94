"""Risks that are quadratic forms of the weights, or roots of such forms."""

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._position import Position
from trackfolio._quadratic import Quadratic, mean_diagonal
from trackfolio._validation import Array, degrees_of_freedom
from trackfolio.risks._base import Risk
from trackfolio.risks._calls import as_weights

# Share of the returns' size below which no scale is.
_SMALLEST = 1e-6


class _QuadraticRisk(Risk):
    """A quadratic form of the weights, or its root; subclasses say which in `quadratic`."""

    least_value = 0.0

    @abstractmethod
    def quadratic(self, position: Position) -> Quadratic:
        """Quadratic form of the weights that is the risk, or the square of the risk if `is_root`.

        Parameters
        ----------
        position : Position
            Whose returns: the portfolio's own, or those against its benchmark.

        Returns
        -------
        Quadratic
            Form ``w'Qw - 2h'w + c``, as a matrix or as a root of few rows.
        """

    def at(self, position: Position, w: Array) -> float:
        """Risk of a position at given weights; from the moments, where these are all that is known."""
        if position.moments is None:
            return super().at(position, w)
        q = float(self.quadratic(position).value(w))  # type: ignore[attr-defined]  # moments give a matrix
        return float(np.sqrt(q)) if self.is_root else q

    def scale(self, position: Position, size: float = 1.0) -> float:
        """Mean over the assets of the risk of each asset alone, from the squares (an optimum of 0 is no trouble)."""
        s = mean_diagonal(self.quadratic(position), size)
        # Where the returns of each asset are constant, the squares of their deviations are rounding.
        return max(float(np.sqrt(s)) if self.is_root else s, self._of_returns(_SMALLEST, position, size))


class RootMeanSquare(_QuadraticRisk):
    r"""Root of the mean of squared returns; of the active return it is the tracking RMSE.

    .. math:: \sqrt{\frac{\sum_t s_t r_t^2}{\sum_t s_t}}

    The mean is part of it: a constant lag of the portfolio behind its benchmark counts (it does not in
    `StandardDeviation`). Per period, in units of returns. It equals :func:`sklearn.metrics.root_mean_squared_error`.

    References
    ----------
    Beasley, Meade & Chang (2003), An evolutionary heuristic for the index tracking problem, European Journal of
    Operational Research 148: their measure with exponent 2, up to a factor that depends on the number of periods alone.

    Examples
    --------
    >>> from trackfolio.risks import RootMeanSquare
    >>> RootMeanSquare().value([0.03, -0.04, 0.0, 0.0])
    0.025
    """

    is_root = True
    degree = 1.0

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Root mean square of returns, per period."""
        r = np.asarray(returns, dtype=np.float64)
        return float(np.sqrt(np.average(r * r, weights=as_weights(sample_weight))))

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Root mean square as a cvxpy expression."""
        import cvxpy as cp

        if sample_weight is None:
            return cp.norm(returns) / np.sqrt(returns.shape[0])
        return cp.norm(cp.multiply(np.sqrt(sample_weight / sample_weight.sum()), returns))

    def quadratic(self, position: Position) -> Quadratic:
        """Mean of squares, as a quadratic form of the weights."""
        return position.second_moment


class MeanSquare(_QuadraticRisk):
    """Mean of squared returns, the square of `RootMeanSquare`: what `tracking_penalty` prices."""

    degree = 2.0

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Mean square of returns, per period."""
        return RootMeanSquare().value(returns, sample_weight) ** 2

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Mean square as a cvxpy expression."""
        import cvxpy as cp

        return cp.square(RootMeanSquare().expression(returns, sample_weight))

    def quadratic(self, position: Position) -> Quadratic:
        """Mean of squares, as a quadratic form of the weights."""
        return position.second_moment


class _DispersionRisk(_QuadraticRisk):
    """Variance or its root, of the sample or by a covariance estimator."""

    def __init__(self, covariance: Any = None) -> None:
        self.covariance = covariance

    def quadratic(self, position: Position) -> Quadratic:
        """Variance, as a quadratic form of the weights."""
        return position.variance if self.covariance is None else self._estimated(position)

    def _estimated(self, position: Position) -> Any:
        if isinstance(self.covariance, str) and self.covariance != "precomputed":
            raise ValueError(f"covariance must be None, 'precomputed' or an estimator, got {self.covariance!r}.")
        if isinstance(self.covariance, type) or not (
            isinstance(self.covariance, str) or hasattr(self.covariance, "fit")
        ):
            raise TypeError(
                f"covariance must be None, 'precomputed' or an estimator such as sklearn.covariance.LedoitWolf(), "
                f"got {_described(self.covariance)}. To give a matrix, use covariance='precomputed' and fit(Sigma)."
            )
        return position.covariance(self.covariance)

    def at(self, position: Position, w: Array) -> float:
        """Risk of a position at given weights, ex ante if there is a covariance."""
        if self.covariance is None:
            return super().at(position, w)
        variance = float(self._estimated(position).value(w))
        return float(np.sqrt(variance)) if self.is_root else variance


def _described(value: Any) -> str:
    """A value in a message; of a table, its kind and shape."""
    shape = getattr(value, "shape", None)
    return repr(value) if shape is None else f"a {type(value).__name__} of shape {shape}"


def sample_variance(returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Variance of a sample, with denominator Σs - 1; an error where that is not positive."""
    r, s = np.asarray(returns, dtype=np.float64), as_weights(sample_weight)
    divisor = degrees_of_freedom(float(r.size if s is None else s.sum()))
    deviation = r - np.average(r, weights=s)
    return float(np.sum(deviation**2 if s is None else s * deviation**2) / divisor)


class Variance(_DispersionRisk):
    r"""Variance of the returns; of the active return, the square of the tracking error.

    .. math:: \frac{\sum_t s_t (r_t - \bar r)^2}{\sum_t s_t - 1} \qquad\text{or ex ante}\qquad
        (w - w_b)' \Sigma (w - w_b)

    Per period, in units of squared returns.

    Parameters
    ----------
    covariance : estimator, "precomputed" or None, default=None
        None: the sample variance of the returns. An estimator with `covariance_` or `get_covariance()` after `fit` (all
        of :mod:`sklearn.covariance`, :class:`sklearn.decomposition.FactorAnalysis`, ...): fitted on a clone and used
        exactly as estimated, a factor estimator in factor form; on the joint matrix of `[X, y]` where the benchmark
        is given by returns, on `X` with `w - w_b` where by weights. "precomputed": the matrix given as `fit(Sigma)`.

    Raises
    ------
    ValueError
        From `value` and `fit`, for a single period, or another text than "precomputed".
    TypeError
        From `fit`, for a covariance that is no estimator: a matrix is given to `fit` itself.

    References
    ----------
    Markowitz (1952), Portfolio selection, Journal of Finance 7.

    Examples
    --------
    >>> from trackfolio.risks import Variance
    >>> Variance().value([1.0, 2.0, 3.0])
    1.0
    """

    degree = 2.0

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Sample variance of realised returns, per period."""
        return sample_variance(returns, sample_weight)

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Sample variance as a cvxpy expression."""
        import cvxpy as cp

        return cp.sum_squares(_scaled_deviations(returns, sample_weight))


class StandardDeviation(_DispersionRisk):
    r"""Standard deviation of the returns; of the active return it is the tracking error.

    .. math:: \sqrt{\frac{\sum_t s_t (r_t - \bar r)^2}{\sum_t s_t - 1}} \qquad\text{or ex ante}\qquad
        \sqrt{(w - w_b)' \Sigma (w - w_b)}

    Per period, in units of returns.

    Parameters
    ----------
    covariance : estimator, "precomputed" or None, default=None
        None: the standard deviation of the sample. Else ex ante, from the covariance :math:`\Sigma` of an estimator or
        of `fit(Sigma)`, as in `Variance`.

    Raises
    ------
    ValueError
        From `value` and `fit`, for a single period, or another text than "precomputed".
    TypeError
        From `fit`, for a covariance that is no estimator: a matrix is given to `fit` itself.

    References
    ----------
    Roll (1992), A mean/variance analysis of tracking error, Journal of Portfolio Management 18; ex ante, of the active
    return: Grinold & Kahn (2000), Active Portfolio Management, where it is called active risk.

    Examples
    --------
    >>> from trackfolio.risks import StandardDeviation
    >>> StandardDeviation().value([1.0, 2.0, 3.0])
    1.0
    """

    is_root = True
    degree = 1.0

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Sample standard deviation of realised returns, per period."""
        return float(np.sqrt(sample_variance(returns, sample_weight)))

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Sample standard deviation as a cvxpy expression."""
        import cvxpy as cp

        return cp.norm(_scaled_deviations(returns, sample_weight))


def _scaled_deviations(returns: Any, sample_weight: Array | None) -> Any:
    """Deviations from the mean whose sum of squares is the variance, as a cvxpy expression."""
    import cvxpy as cp

    s = np.ones(returns.shape[0]) if sample_weight is None else sample_weight
    return cp.multiply(np.sqrt(s / degrees_of_freedom(s.sum())), returns - s @ returns / s.sum())
