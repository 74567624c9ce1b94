"""Risks of deviations, from the mean or from a target, most of them on one side."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from trackfolio._shape import Shape
from trackfolio._validation import Array, degrees_of_freedom
from trackfolio.risks._base import Risk
from trackfolio.risks._sample import finite, per_share, sample, shares, total


def _shortfalls(returns: Any, share: Array, target: float | None) -> tuple[Any, list[Any], Any]:
    """What cvxpy returns fall short of a target, or of their mean; constraints, and that on all returns.

    The mean is a variable of its own: written into every deviation it would fill the matrix of all.
    """
    import cvxpy as cp

    shortfall = cp.Variable(returns.shape[0], nonneg=True)
    mean = cp.Variable() if target is None else target
    link = shortfall - mean >= -returns
    return shortfall, [link, *([mean == share @ returns] if target is None else [])], link


def _repeated(shortfall: Any, sample_weight: Array | None) -> Any:
    """Shortfalls times the roots of their weights: where there are none, solvers are spared a copy."""
    import cvxpy as cp

    return shortfall if sample_weight is None else cp.multiply(np.sqrt(sample_weight), shortfall)


class _BelowTarget(Risk):
    """Squares of what returns fall short of a target, or their root."""

    least_value = 0.0
    #: Power by which the risk grows with returns and target.
    _power: ClassVar[float]

    def __init__(self, target: float | None = None) -> None:
        self.target = target

    @property
    def degree(self) -> float | None:  # type: ignore[override]  # it depends on the target
        """The power, for deviations from the mean."""
        return self._power if self.target is None else None

    @property
    def _target(self) -> float | None:
        return None if self.target is None else finite(self.target, f"{type(self).__name__}.target")

    def in_unit(self, unit: float) -> tuple[Risk, float]:
        """The same below the target in that unit."""
        scaled = self if self._target is None else clone(self).set_params(target=self._target / unit)
        return scaled, unit**self._power

    def _mean_square(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None) -> float:
        r, s = sample(returns, sample_weight)
        target = np.average(r, weights=s) if self._target is None else self._target
        return float(s @ np.minimum(r - target, 0) ** 2 / degrees_of_freedom(float(s.sum())))

    def _roots(self, returns: Any, sample_weight: Array | None) -> tuple[float, Any, list[Any], Any]:
        """Factor of the sum of squares, shortfalls to be squared, and their constraints."""
        n = returns.shape[0]
        size = total(n, sample_weight)
        shortfall, constraints, link = _shortfalls(returns, shares(n, sample_weight), self._target)
        return 1 / degrees_of_freedom(size), _repeated(shortfall, sample_weight), constraints, link

    def _prices(self, pull: Array, sample_weight: Array | None) -> tuple[Array, Array]:
        """What a unit of shortfall of each period costs, at least 0; and the shares of the periods."""
        share = shares(len(pull), sample_weight)
        if self.target is not None:
            return np.where(share > 0, np.maximum(-pull, 0.0), 0.0), share
        # Prices g give the slope share·Σg - g. As no price is negative, and that of the best period is 0:
        sum_of_prices = float(np.max(per_share(pull, share)[share > 0]))
        return np.maximum(share * sum_of_prices - pull, 0.0) * (share > 0), share

    def _shape(self, n_periods: int, sample_weight: Array | None, *, is_root: bool) -> Shape:
        """Squares of shortfalls."""
        share = shares(n_periods, sample_weight)
        size = total(n_periods, sample_weight)
        squares = share * size / degrees_of_freedom(size)
        return Shape(
            np.zeros(n_periods),
            np.where(share > 0, np.inf, 0.0),
            per_share(np.full(n_periods, 0.5), squares),
            offset=0.0 if self._target is None else -self._target,
            centre=share if self._target is None else None,
            is_root=is_root,
        )

    def _affine(self, prices: Array, share: Array) -> tuple[Array, float]:
        """Slope and constant of Σ prices·(target - returns)."""
        if self.target is not None:
            return -prices, float(prices.sum() * self.target)
        return share * prices.sum() - prices, 0.0


class SemiVariance(_BelowTarget):
    r"""Semi-variance: squares of what returns fall short of their mean, or of a target.

    .. math:: \frac{\sum_t s_t \min(r_t - target, 0)^2}{\sum_t s_t - 1}

    Per period, in units of squared returns. The denominator is the same for a given target.

    Parameters
    ----------
    target : float or None, default=None
        Return per period; None for the mean.

    Raises
    ------
    ValueError
        From `value` and `fit`, for a target that is not finite, or a single period.

    References
    ----------
    Markowitz (1959), Portfolio selection, chapter 9.

    Examples
    --------
    >>> from trackfolio.risks import SemiVariance
    >>> SemiVariance().value([1.0, 2.0, 3.0])
    0.5
    """

    _power = 2.0

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Semi-variance of realised returns, per period."""
        return self._mean_square(returns, sample_weight)

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Semi-variance as a cvxpy expression."""
        import cvxpy as cp

        factor, roots, constraints, link = self._roots(returns, sample_weight)
        return factor * cp.sum_squares(roots), constraints, link

    def support(self, pull: Array, sample_weight: Array | None = None) -> tuple[Array, float]:
        """The tangent c·x² >= v·x - v²/4c for each shortfall x."""
        prices, share = self._prices(pull, sample_weight)
        size = total(len(pull), sample_weight)
        slope, constant = self._affine(prices, share)
        of_squares = per_share(prices**2, share * size / degrees_of_freedom(size))
        return slope, constant - float(of_squares.sum()) / 4

    def shape(self, n_periods: int, sample_weight: Array | None = None) -> Shape:
        """Squares of shortfalls."""
        return self._shape(n_periods, sample_weight, is_root=False)


class SemiDeviation(_BelowTarget):
    r"""Semi-deviation, the root of the semi-variance.

    .. math:: \sqrt{\frac{\sum_t s_t \min(r_t - target, 0)^2}{\sum_t s_t - 1}}

    Per period, in units of returns.

    Parameters
    ----------
    target : float or None, default=None
        Return per period; None for the mean.

    Raises
    ------
    ValueError
        From `value` and `fit`, for a target that is not finite, or a single period.

    References
    ----------
    Markowitz (1959), Portfolio selection, chapter 9.

    Examples
    --------
    >>> from trackfolio.risks import SemiDeviation
    >>> round(SemiDeviation().value([1.0, 2.0, 3.0]), 6)
    0.707107
    """

    _power = 1.0

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Semi-deviation of realised returns, per period."""
        return float(np.sqrt(self._mean_square(returns, sample_weight)))

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Semi-deviation as a cvxpy expression."""
        import cvxpy as cp

        factor, roots, constraints, link = self._roots(returns, sample_weight)
        return np.sqrt(factor) * cp.norm(roots), constraints, link

    def support(self, pull: Array, sample_weight: Array | None = None) -> tuple[Array, float]:
        """A norm is at least the product with any vector of norm 1."""
        prices, share = self._prices(pull, sample_weight)
        size = total(len(pull), sample_weight)
        direction = per_share(prices**2, share * size / degrees_of_freedom(size))
        return self._affine(prices / max(1.0, float(np.sqrt(direction.sum()))), share)

    def shape(self, n_periods: int, sample_weight: Array | None = None) -> Shape:
        """Squares of shortfalls, of which it is the root."""
        return self._shape(n_periods, sample_weight, is_root=True)


class MeanAbsoluteDeviation(Risk):
    r"""Mean absolute deviation from the mean.

    .. math:: \frac{\sum_t s_t |r_t - \bar r|}{\sum_t s_t}, \qquad \bar r = \frac{\sum_t s_t r_t}{\sum_t s_t}

    Per period, in units of returns.

    References
    ----------
    Konno & Yamazaki (1991), Mean-absolute deviation portfolio optimization model, Management Science 37.

    Examples
    --------
    >>> from trackfolio.risks import MeanAbsoluteDeviation
    >>> MeanAbsoluteDeviation().value([1.0, 2.0, 3.0, 6.0])
    1.5
    """

    degree = 1.0
    least_value = 0.0

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Mean absolute deviation of realised returns, per period."""
        r, s = sample(returns, sample_weight)
        return float(np.average(np.abs(r - np.average(r, weights=s)), weights=s))

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Twice the mean shortfall from the mean: what lies above it and below it is the same."""
        share = shares(returns.shape[0], sample_weight)
        shortfall, constraints, link = _shortfalls(returns, share, None)
        return 2 * share @ shortfall, constraints, link

    def support(self, pull: Array, sample_weight: Array | None = None) -> tuple[Array, float]:
        """Signs no further apart than -1 and 1, less their mean: any shift of the signs gives the same slope."""
        share = shares(len(pull), sample_weight)
        signs = per_share(pull, share)
        signs = signs / max(1.0, float(np.ptp(signs[share > 0])) / 2)
        return share * (signs - share @ signs), 0.0

    def shape(self, n_periods: int, sample_weight: Array | None = None) -> Shape:
        """Absolute values."""
        share = shares(n_periods, sample_weight)
        return Shape(-share, share, centre=share)


class LowerPartialMoment(Risk):
    r"""Lower partial moment: mean of powers of what returns fall short of a target.

    .. math:: \frac{\sum_t s_t \max(target - r_t, 0)^{order}}{\sum_t s_t}

    Per period, in units of returns (order 1) or squared returns (order 2, no root is taken).

    Parameters
    ----------
    order : {1, 2}, default=1
        Power.
    target : float, default=0.0
        Return per period.

    Raises
    ------
    ValueError
        From `value` and `fit`, for another order, or a target that is not finite.

    References
    ----------
    Fishburn (1977), Mean-risk analysis with risk associated with below-target returns, American Economic Review 67.

    Examples
    --------
    >>> from trackfolio.risks import LowerPartialMoment
    >>> LowerPartialMoment().value([0.01, -0.04, 0.02, 0.01])
    0.01
    """

    least_value = 0.0

    def __init__(self, order: int = 1, target: float = 0.0) -> None:
        self.order = order
        self.target = target

    @property
    def label(self) -> str:
        """Name with the order."""
        return f"lower partial moment {self.order}"

    def in_unit(self, unit: float) -> tuple[Risk, float]:
        """The same below the target in that unit."""
        order, target = self._checked()
        return clone(self).set_params(target=target / unit), unit**order

    def _checked(self) -> tuple[int, float]:
        if np.ndim(self.order) or self.order not in (1, 2):
            raise ValueError(f"LowerPartialMoment.order must be the number 1 or 2, got {self.order!r}.")
        return self.order, finite(self.target, "LowerPartialMoment.target")

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Lower partial moment of realised returns, per period."""
        order, target = self._checked()
        r, s = sample(returns, sample_weight)
        return float(np.average(np.maximum(target - r, 0) ** order, weights=s))

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Lower partial moment as a cvxpy expression."""
        import cvxpy as cp

        order, target = self._checked()
        share = shares(returns.shape[0], sample_weight)
        shortfall, constraints, link = _shortfalls(returns, share, target)
        if order == 1:
            return share @ shortfall, constraints, link
        size = total(len(share), sample_weight)
        return cp.sum_squares(_repeated(shortfall, sample_weight)) / size, constraints, link

    def support(self, pull: Array, sample_weight: Array | None = None) -> tuple[Array, float]:
        """For each shortfall x: x⁺ >= v·x with v between 0 and 1, and (x⁺)² >= v·x - v²/4 with v >= 0."""
        order, target = self._checked()
        share = shares(len(pull), sample_weight)
        v = np.clip(-per_share(pull, share), 0.0, 1.0 if order == 1 else np.inf)
        return -share * v, float(share @ (v * target - (0 if order == 1 else v**2 / 4)))

    def shape(self, n_periods: int, sample_weight: Array | None = None) -> Shape:
        """Shortfalls or their squares."""
        order, target = self._checked()
        share = shares(n_periods, sample_weight)
        if order == 1:
            return Shape(np.zeros(n_periods), share, offset=-target)
        curvature = per_share(np.full(n_periods, 0.5), share)
        return Shape(np.zeros(n_periods), np.where(share > 0, np.inf, 0.0), curvature, offset=-target)
