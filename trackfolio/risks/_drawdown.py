r"""Risks of drawdowns: what has been lost since the best moment so far.

With :math:`c_t = \sum_{\tau \le t} r_\tau`, the drawdown is :math:`d_t = \max(0, \max_{\tau \le t} c_\tau) - c_t`: of
cumulated simple returns, uncompounded, so that it is convex in the weights. It obeys
:math:`d_t = \max(d_{t-1} - r_t, 0)`, which is how it is written for solvers: two terms a period.

The periods form a path: repetitions of some of them have no meaning, so sample weights are refused.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._paths import drawdowns
from trackfolio._shape import Shape
from trackfolio._validation import Array
from trackfolio.risks._base import Risk
from trackfolio.risks._calls import parts
from trackfolio.risks._quadratic import RootMeanSquare
from trackfolio.risks._sample import level, sample
from trackfolio.risks._tail import CVaR, EVaR, WorstRealization, weights_near


class _DrawdownRisk(Risk):
    """A risk that grows with the drawdowns, taken of minus them."""

    degree = 1.0
    least_value = 0.0
    of_path = True

    @property
    @abstractmethod
    def _of_drawdowns(self) -> Risk:
        """The risk that is taken of minus the drawdowns."""

    def value(self, returns: npt.ArrayLike) -> float:  # type: ignore[override]  # weights have no meaning
        """Risk of the drawdowns, in units of returns."""
        return self._of_drawdowns.value(-drawdowns(sample(returns)[0]))

    def shape(self, n_periods: int) -> Shape:
        """The shape of the risk that is taken of minus the drawdowns."""
        of_losses: Any = self._of_drawdowns
        shape: Shape = replace(of_losses.shape(n_periods), of="drawdowns")
        return shape

    def expression(self, returns: Any) -> Any:  # type: ignore[override]
        """Risk of the drawdowns, with a variable for each of them."""
        import cvxpy as cp

        n = returns.shape[0]
        d = cp.Variable(n, nonneg=True)
        risk, constraints, _ = parts(self._of_drawdowns.expression(-d))
        path = sp.diags_array([np.ones(n), -np.ones(n - 1)], offsets=[0, -1], shape=(n, n)) @ d >= -returns
        return risk, [*constraints, path], path

    def support(self, pull: Array) -> tuple[Array, float]:
        """Minus how much of each period counts: a sum of intervals, the ends of which are weights of drawdowns."""
        return -self._priced(np.maximum(-pull, 0.0)), 0.0

    @abstractmethod
    def _priced(self, q: Array) -> Array:
        """How much of each period counts, made smaller until the ends of intervals are weights that the risk has."""


def _ends(q: Array) -> Array:
    """How much of each period's weight ends with it."""
    return np.asarray(np.maximum(q - np.append(q[1:], 0.0), 0.0))


def _capped(q: Array, cap: float) -> Array:
    """The largest weights below q of which no more than `cap` ends with any period."""
    steps = cap * np.arange(len(q))
    reached = np.minimum.accumulate(np.append(q + steps, cap * len(q))[::-1])[::-1][:-1]
    return np.asarray(np.maximum(reached - steps, 0.0))


class MaxDrawdown(_DrawdownRisk):
    r"""Largest drawdown, of cumulated simple returns (uncompounded).

    .. math:: \max_t d_t, \qquad d_t = \max_{0 \le \tau \le t} c_\tau - c_t, \qquad
        c_t = \sum_{\tau \le t} r_\tau, \quad c_0 = 0

    Of the whole path rather than per period, in units of returns. `sample_weight` is refused: a path cannot repeat
    single periods.

    References
    ----------
    Chekhlov, Uryasev & Zabarankin (2005), Drawdown measure in portfolio optimization, International Journal of
    Theoretical and Applied Finance 8.

    Examples
    --------
    >>> from trackfolio.risks import MaxDrawdown
    >>> round(MaxDrawdown().value([0.01, -0.03, 0.02, -0.02]), 6)
    0.03
    """

    @property
    def label(self) -> str:
        """What tables call the risk."""
        return "maximum drawdown"

    @property
    def _of_drawdowns(self) -> Risk:
        return WorstRealization()

    def _priced(self, q: Array) -> Array:
        return np.asarray(q / max(1.0, float(_ends(q).sum())))


class AverageDrawdown(_DrawdownRisk):
    r"""Mean drawdown, of cumulated simple returns (uncompounded).

    .. math:: \frac1T \sum_t d_t

    With the drawdowns :math:`d_t` of `MaxDrawdown`. Of the whole path, in units of returns; `sample_weight` is refused.

    References
    ----------
    Chekhlov, Uryasev & Zabarankin (2005), see `MaxDrawdown`.

    Examples
    --------
    >>> from trackfolio.risks import AverageDrawdown
    >>> round(AverageDrawdown().value([0.01, -0.03, 0.02, -0.02]), 6)
    0.0175
    """

    @property
    def _of_drawdowns(self) -> Risk:
        return _MeanLoss()

    def _priced(self, q: Array) -> Array:
        return _capped(q, 1 / len(q))


class _MeanLoss(Risk):
    """Mean of losses."""

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        return float(-np.mean(np.asarray(returns)))

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        import cvxpy as cp

        return -cp.sum(returns) / returns.shape[0]

    def shape(self, n_periods: int, sample_weight: Array | None = None) -> Shape:
        """Shortfalls below 0: drawdowns have no others."""
        return Shape(np.zeros(n_periods), np.full(n_periods, 1 / n_periods))


class _DrawdownTail(_DrawdownRisk):
    """A risk of the share 1 - confidence of largest drawdowns."""

    def __init__(self, confidence: float = 0.95) -> None:
        self.confidence = confidence

    @property
    def label(self) -> str:
        """Name with the level in percent."""
        return f"{type(self).__name__} {100 * float(self.confidence):.6g} %"

    @property
    def _level(self) -> float:
        return level(self.confidence, type(self).__name__)


class CDaR(_DrawdownTail):
    r"""Conditional drawdown at risk: mean of the largest share ``1 - confidence`` of the drawdowns.

    .. math:: \min_\alpha \; \alpha + \frac{1}{(1 - confidence)\, T} \sum_t \max(d_t - \alpha, 0)

    It is the `CVaR` of :math:`-d_t`, with the drawdowns :math:`d_t` of `MaxDrawdown`: cumulated simple returns
    (uncompounded). Of the whole path, in units of returns; `sample_weight` is refused.

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
    Chekhlov, Uryasev & Zabarankin (2005), see `MaxDrawdown`.

    Examples
    --------
    >>> from trackfolio.risks import CDaR
    >>> round(CDaR(0.5).value([0.01, -0.03, 0.02, -0.02]), 6)
    0.03
    """

    @property
    def _of_drawdowns(self) -> Risk:
        return CVaR(self._level)

    def _priced(self, q: Array) -> Array:
        capped = _capped(q, 1 / ((1 - self._level) * len(q)))
        return np.asarray(capped / max(1.0, float(_ends(capped).sum())))


class EDaR(_DrawdownTail):
    r"""Entropic drawdown at risk, an exponential bound of `CDaR`.

    .. math:: \min_{z > 0} \; z \log\Big( \frac{\sum_t e^{d_t/z}}{(1 - confidence)\, T} \Big)

    It is the `EVaR` of :math:`-d_t`, with the drawdowns :math:`d_t` of `MaxDrawdown`: cumulated simple returns
    (uncompounded). Of the whole path, in units of returns; `sample_weight` is refused.

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
    Cajas (2021), Entropic portfolio optimization: a disciplined convex programming framework.

    Examples
    --------
    >>> from trackfolio.risks import CDaR, EDaR
    >>> returns = [0.01, -0.03, 0.02, -0.02]
    >>> EDaR(0.4).value(returns) > CDaR(0.4).value(returns)
    True
    """

    shape = None  # type: ignore[assignment]  # EVaR has none

    @property
    def _of_drawdowns(self) -> Risk:
        return EVaR(self._level)

    def _priced(self, q: Array) -> Array:
        q = q / max(1.0, float(_ends(q).sum()))
        ends, p = _ends(q), np.full(len(q), 1 / len(q))
        # Weights above the ends with the least entropy are filled up to one level.
        near = weights_near(_filled(ends), p, -np.log(1 - self._level))
        share = np.divide(near, ends, out=np.full(len(q), np.inf), where=ends > 0)
        return np.asarray(q * min(1.0, float(share.min())))


def _filled(ends: Array) -> Array:
    """Weights of sum 1: each the larger of its end and one level."""
    ordered = np.sort(ends)
    above = np.append(np.cumsum(ordered[::-1])[::-1], 0.0)[1:]
    # Level at which the k + 1 smallest are filled up and the others stay.
    levels = (1 - above) / np.arange(1, len(ends) + 1)
    k = int(np.argmax(np.append(ordered[1:], np.inf) >= levels))
    return np.asarray(np.maximum(ends, levels[k]))


class UlcerIndex(_DrawdownRisk):
    r"""Ulcer index: root mean square of the drawdowns.

    .. math:: \sqrt{\frac1T \sum_t d_t^2}

    With the drawdowns :math:`d_t` of `MaxDrawdown`: cumulated simple returns (uncompounded). Of the whole path, in
    units of returns; `sample_weight` is refused.

    References
    ----------
    Martin & McCann (1989), The investor's guide to Fidelity funds.

    Examples
    --------
    >>> from trackfolio.risks import UlcerIndex
    >>> UlcerIndex().value([0.0, -0.03, -0.01, 0.04])
    0.025
    """

    @property
    def _of_drawdowns(self) -> Risk:
        return RootMeanSquare()

    def shape(self, n_periods: int) -> Shape:
        """Squares of the drawdowns, of which it is the root."""
        none, most, curvature = (np.full(n_periods, number) for number in (0.0, np.inf, n_periods / 2))
        return Shape(none, most, curvature, of="drawdowns", is_root=True)

    def _priced(self, q: Array) -> Array:
        return np.asarray(q / max(1.0, float(np.sqrt(len(q)) * np.linalg.norm(_ends(q)))))
