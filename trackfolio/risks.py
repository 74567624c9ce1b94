"""Risk measures, one class each: objective, limit, value on realised returns, and report all come from it.

A risk is a function of a series of returns, of the portfolio or of its difference to a benchmark. ``value`` is its
definition in numpy, ``expression`` the same for cvxpy. To add your own, write ``expression`` alone: ``value`` then
evaluates it on numbers.
"""

import inspect
from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._position import Position
from trackfolio._quadratic import Quadratic, mean_diagonal
from trackfolio._terms import Term, offers
from trackfolio._validation import Array, degrees_of_freedom

__all__ = ["Risk", "RootMeanSquare", "StandardDeviation", "Variance"]


class Risk(Term):
    """Base of all risk measures: a convex function of a series of returns, in units per period.

    Subclasses give ``expression(returns, sample_weight=None)``. Optional, for proofs and for speed:

    * ``value(returns, sample_weight=None)``, the definition in numpy;
    * ``gradient(returns, sample_weight=None)``, with respect to the returns: with it, every solution carries a proven
      lower bound (any subgradient makes it true; where the risk has kinks, it may be a weak one);
    * ``quadratic(position)``, the risk as a quadratic form of the weights (its square, if ``is_root``), for quadratic
      solvers.

    Examples
    --------
    A risk of one's own, half of the largest loss:

    >>> import cvxpy as cp
    >>> from trackfolio.risks import Risk
    >>> class HalfWorst(Risk):
    ...     def expression(self, returns, sample_weight=None):
    ...         return cp.max(-returns) / 2
    >>> float(HalfWorst().value([0.01, -0.04, 0.02]))
    0.02
    """

    #: The risk is the square root of `quadratic`, not the form itself.
    is_root = False
    #: No value of the risk is below this one.
    least_value = -np.inf

    @abstractmethod
    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Risk of a cvxpy expression of shape (n_periods,), as a convex cvxpy expression."""

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Risk of realised returns.

        Parameters
        ----------
        returns : array-like of shape (n_periods,)
            Simple returns per period.
        sample_weight : array-like of shape (n_periods,), optional
            Repetitions of each period: weight 2 is the period twice.

        Returns
        -------
        float
            Risk per period.
        """
        import cvxpy as cp

        constant = cp.Constant(np.asarray(returns, dtype=np.float64))
        return float(call_weighted(self.expression, constant, _weights(sample_weight)).value)

    # What solvers and certificates see: the risk of a position, as a function of the weights.

    def at(self, position: Position, w: Array) -> float:
        """Risk of a position at given weights."""
        return float(call_weighted(self.value, position.returns(w), position.sample_weight))

    @property
    def has_gradient(self) -> bool:
        """Whether `gradient_at` can be called, by the risk's own gradient or its quadratic form."""
        return offers(self, "gradient") or offers(self, "quadratic")

    def gradient_at(self, position: Position, w: Array) -> Array:
        """Subgradient of the risk of a position with respect to the weights."""
        if not offers(self, "quadratic"):
            own = self.gradient  # optional: see has_gradient
            return position.pull_back(call_weighted(own, position.returns(w), position.sample_weight))
        gradient: Array = self.quadratic(position).gradient(w)
        if not self.is_root:
            return gradient
        value = self.at(position, w)
        # Where the root of a form is 0 it has a kink, and 0 is a subgradient.
        return gradient / (2 * value) if value > 0 else np.zeros(position.n_assets)

    def expression_at(self, position: Position, w: Any) -> Any:
        """Risk of a position as a cvxpy expression of the weights."""
        return call_weighted(self.expression, position.expression(w), position.sample_weight)

    def scale(self, position: Position, size: float = 1.0) -> float:
        """Size of typical values, by which problems are scaled and gaps are measured: the risk at equal weights.

        `size` is the sum of these weights.
        """
        return abs(self.at(position, np.full(position.n_assets, size / position.n_assets)))


def call_weighted(method: Any, returns: Any, sample_weight: Array | None) -> Any:
    """Call a method of a risk, with sample weights only if there are any, and refuse them by name if it takes none."""
    if sample_weight is None:
        return method(returns)
    if "sample_weight" not in inspect.signature(method).parameters:
        raise ValueError(
            f"sample_weight was given, but {type(method.__self__).__name__}.{method.__name__} does not take it."
        )
    return method(returns, sample_weight=sample_weight)


def _weights(sample_weight: npt.ArrayLike | None) -> Array | None:
    return None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)


class _QuadraticRisk(Risk):
    """A quadratic form of the weights, or its root; subclasses say which in `quadratic`."""

    least_value = 0.0

    @abstractmethod
    def quadratic(self, position: Position) -> Quadratic:
        """Quadratic form of the weights that is the risk, or the square of the risk if `is_root`."""

    def expression_at(self, position: Position, w: Any) -> Any:
        """Risk of a position as a cvxpy expression: a cone of N + 1 rows, however many periods there are."""
        import cvxpy as cp

        R, r = self.quadratic(position).root()
        return cp.norm(R @ w - r) if self.is_root else cp.sum_squares(R @ w - r)

    def scale(self, position: Position, size: float = 1.0) -> float:
        """Mean over the assets of the risk of each asset alone, from the squares (an optimum of 0 is no trouble)."""
        s = mean_diagonal(self.quadratic(position), size)
        return float(np.sqrt(s)) if self.is_root else s


class RootMeanSquare(_QuadraticRisk):
    r"""Root of the mean of squared returns; of the active return it is the tracking RMSE.

    .. math:: \sqrt{\frac{\sum_t s_t r_t^2}{\sum_t s_t}}

    The mean is part of it: a constant lag of the portfolio behind its benchmark counts (it does not in
    `StandardDeviation`). Per period, in units of returns. It equals :func:`sklearn.metrics.root_mean_squared_error`.

    Examples
    --------
    >>> from trackfolio.risks import RootMeanSquare
    >>> RootMeanSquare().value([0.03, -0.04, 0.0, 0.0])
    0.025
    """

    is_root = True

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Root mean square of returns, per period."""
        r = np.asarray(returns, dtype=np.float64)
        return float(np.sqrt(np.average(r * r, weights=_weights(sample_weight))))

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Root mean square as a cvxpy expression."""
        import cvxpy as cp

        s = np.ones(returns.shape[0]) if sample_weight is None else sample_weight
        return cp.norm(cp.multiply(np.sqrt(s / s.sum()), returns))

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
                f"got {self.covariance!r}. To give a matrix, use covariance='precomputed' and fit(Sigma)."
            )
        return position.covariance(self.covariance)

    def at(self, position: Position, w: Array) -> float:
        """Risk of a position at given weights, ex ante if there is a covariance."""
        if self.covariance is None:
            return super().at(position, w)
        variance = float(self._estimated(position).value(w))
        return float(np.sqrt(variance)) if self.is_root else variance


def sample_variance(returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Variance of a sample, with denominator Σs - 1; an error where that is not positive."""
    r, s = np.asarray(returns, dtype=np.float64), _weights(sample_weight)
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

    Examples
    --------
    >>> from trackfolio.risks import Variance
    >>> Variance().value([1.0, 2.0, 3.0])
    1.0
    """

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
        As in `Variance`.

    Examples
    --------
    >>> from trackfolio.risks import StandardDeviation
    >>> StandardDeviation().value([1.0, 2.0, 3.0])
    1.0
    """

    is_root = True

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
