"""Risks of the tail: the mean of the worst returns, its exponential bound, and the worst one."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from trackfolio._shape import Shape
from trackfolio._validation import Array
from trackfolio.risks._base import Risk
from trackfolio.risks._sample import capped_simplex, level, sample, shares


class WorstRealization(Risk):
    r"""Largest loss of one period.

    .. math:: -\min_{t:\, s_t > 0} r_t

    Per period, in units of returns; negative where every return is positive.

    Raises
    ------
    ValueError
        From `value`, for returns that are not finite, or weights of periods that are negative or of another shape.

    References
    ----------
    Young (1998), A minimax portfolio selection rule with linear programming solution, Management Science 44.

    Examples
    --------
    >>> from trackfolio.risks import WorstRealization
    >>> WorstRealization().value([0.01, -0.03, 0.02])
    0.03
    """

    degree = 1.0

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Largest loss of one period; periods of weight 0 do not count."""
        return float(-sample(returns, sample_weight)[0].min())

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Largest loss as a cvxpy expression."""
        import cvxpy as cp

        if sample_weight is not None:
            return cp.max(-returns[np.flatnonzero(sample_weight)])
        worst = cp.Variable()
        link = worst * np.ones(returns.shape[0]) >= -returns
        return worst, [link], link

    def support(self, pull: Array, sample_weight: Array | None = None) -> tuple[Array, float]:
        """Minus weights of the periods: at least 0, with sum 1."""
        return -capped_simplex(-pull, np.where(shares(len(pull), sample_weight) > 0, 1.0, 0.0)), 0.0

    def shape(self, n_periods: int, sample_weight: Array | None = None) -> Shape:
        """The least number that no loss exceeds."""
        there = shares(n_periods, sample_weight) > 0
        return Shape(np.zeros(n_periods), np.where(there, np.inf, 0.0), free=1.0)


class _Tail(Risk):
    """A risk of the share 1 - confidence of worst periods."""

    degree = 1.0

    def __init__(self, confidence: float = 0.95) -> None:
        self.confidence = confidence

    @property
    def label(self) -> str:
        """Name with the level in percent."""
        return f"{type(self).__name__} {100 * float(self.confidence):.6g} %"

    @property
    def _tail(self) -> float:
        return 1 - level(self.confidence, type(self).__name__)


class CVaR(_Tail):
    r"""Conditional value at risk: mean of the worst share ``1 - confidence`` of the losses.

    .. math:: \min_\alpha \; \alpha + \frac{\sum_t s_t \max(-r_t - \alpha, 0)}{(1 - confidence) \sum_t s_t}

    Exact where the share is no whole number of periods: the last one counts in part. Per period, in units of returns;
    losses are positive. Also called expected shortfall.

    Parameters
    ----------
    confidence : float, default=0.95
        Level, between 0 and 1.

    Raises
    ------
    ValueError
        From `value` and `fit`, for a confidence that is not between 0 and 1.

    References
    ----------
    Rockafellar & Uryasev (2000), Optimization of conditional value-at-risk, Journal of Risk 2.

    Examples
    --------
    The worst 1.5 of 3 periods: -0.03, and half of -0.01.

    >>> from trackfolio.risks import CVaR
    >>> round(CVaR(0.5).value([-0.01, -0.03, 0.02]), 6)
    0.023333
    """

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Mean of the worst losses, per period."""
        r, s = sample(returns, sample_weight)
        order = np.argsort(r)
        r, s = r[order], s[order]
        size = self._tail * s.sum()
        before = np.cumsum(s) - s
        return float(-np.clip(size - before, 0, s) @ r / size)

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """The minimum over α, with a variable for what each loss exceeds it by."""
        import cvxpy as cp

        n = returns.shape[0]
        alpha, excess = cp.Variable(), cp.Variable(n, nonneg=True)
        link = excess + alpha >= -returns
        return alpha + (shares(n, sample_weight) / self._tail) @ excess, [link], link

    def support(self, pull: Array, sample_weight: Array | None = None) -> tuple[Array, float]:
        """Minus weights of the periods: at most their share of the tail, with sum 1."""
        return -capped_simplex(-pull, shares(len(pull), sample_weight) / self._tail), 0.0

    def shape(self, n_periods: int, sample_weight: Array | None = None) -> Shape:
        """The minimum over α."""
        return Shape(np.zeros(n_periods), shares(n_periods, sample_weight) / self._tail, free=1.0)


class EVaR(_Tail):
    r"""Entropic value at risk, the tightest exponential bound of value at risk and CVaR.

    .. math:: \min_{z > 0} \; z \log\Big( \frac{\sum_t s_t e^{-r_t/z}}{(1 - confidence) \sum_t s_t} \Big)

    Per period, in units of returns; losses are positive. At least the CVaR of the same level, at most the worst loss.

    Parameters
    ----------
    confidence : float, default=0.95
        Level, between 0 and 1.

    Raises
    ------
    ValueError
        From `value` and `fit`, for a confidence that is not between 0 and 1.

    References
    ----------
    Ahmadi-Javid (2012), Entropic value-at-risk: a new coherent risk measure, J. of Optimization Theory and
    Applications 155.

    Examples
    --------
    >>> from trackfolio.risks import CVaR, EVaR
    >>> returns = [0.01, -0.03, 0.02, 0.00, -0.01, 0.01]
    >>> CVaR(0.5).value(returns) < EVaR(0.5).value(returns) < 0.03
    True
    """

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """The minimum over z, where the relative entropy of the tilted periods is log(1 / (1 - confidence))."""
        r, s = sample(returns, sample_weight)
        p, worst, spread, bound = s / s.sum(), -r.min(), float(np.ptp(r)), -np.log(self._tail)
        if not spread or bound >= -np.log(p[r == r.min()].sum()):
            return float(worst)
        depth = (r.min() - r) / spread  # 0 for the worst period, -1 for the best

        def excess_entropy(log_z: float) -> float:
            return float(_entropy(depth * np.exp(-log_z), p) - bound)

        z = np.exp(brentq(excess_entropy, -40.0, 40.0, xtol=1e-14, rtol=1e-15))
        return float(worst + spread * z * (np.log(p @ np.exp(depth / z)) + bound))

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """The minimum over z, by exponential cones."""
        import cvxpy as cp

        share = shares(returns.shape[0], sample_weight)
        there = np.flatnonzero(share)
        shift, z, terms = cp.Variable(), cp.Variable(nonneg=True), cp.Variable(len(there))
        losses = -returns if len(there) == len(share) else -returns[there]
        cones = cp.constraints.ExpCone(losses - shift, z * np.ones(len(there)), terms)
        written = shift - np.log(self._tail) * z, [cones, share[there] @ terms <= z]
        return (*written, cones) if len(there) == len(share) else written

    def support(self, pull: Array, sample_weight: Array | None = None) -> tuple[Array, float]:
        """Minus weights of the periods, of no more relative entropy to their shares than log(1 / (1 - confidence))."""
        p = shares(len(pull), sample_weight)
        weights = capped_simplex(-pull, np.where(p > 0, 1.0, 0.0))
        return -weights_near(weights, p, -np.log(self._tail)), 0.0


def _entropy(exponents: Array, p: Array) -> float:
    """Relative entropy to p of weights in proportion to p·exp(exponents); the largest exponent is 0."""
    tilted = p * np.exp(exponents)
    mass = tilted.sum()
    return float(tilted @ exponents / mass - np.log(mass))


def weights_near(weights: Array, p: Array, bound: float) -> Array:
    """Weights, mixed with p as little as brings their relative entropy to p down to the bound."""

    def entropy(share: float) -> float:
        mixed = (1 - share) * weights + share * p
        there = mixed > 0
        return float(mixed[there] @ np.log(mixed[there] / p[there]))

    if entropy(0.0) <= bound:
        return weights
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if entropy(middle) > bound else (low, middle)
    return np.asarray((1 - high) * weights + high * p)
