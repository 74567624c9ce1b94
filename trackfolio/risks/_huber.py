"""Huber's function: squares in the middle, proportional outside."""

from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._shape import Shape
from trackfolio._validation import Array
from trackfolio.risks._base import Risk
from trackfolio.risks._sample import finite, per_share, sample, shares


class Huber(Risk):
    r"""Mean of Huber's function: squares of small returns, proportional to large ones.

    .. math:: \frac{\sum_t s_t \phi(r_t)}{\sum_t s_t}, \qquad \phi(r) = r^2 \text{ for } |r| \le M,\;
        2M|r| - M^2 \text{ beyond}

    Per period, in units of squared returns. For tracking, single days of large deviations then count less than with
    `RootMeanSquare`. The function is that of :class:`sklearn.linear_model.HuberRegressor`.

    Parameters
    ----------
    threshold : float
        M, in units of returns.

    Raises
    ------
    ValueError
        From `value` and `fit`, for a threshold that is not positive and finite.

    References
    ----------
    Huber (1964), Robust estimation of a location parameter, Annals of Mathematical Statistics 35.

    Examples
    --------
    >>> from trackfolio.risks import Huber
    >>> Huber(1.0).value([0.5, -3.0])
    2.625
    """

    least_value = 0.0

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    @property
    def label(self) -> str:
        """What tables call the risk."""
        return f"Huber {float(self.threshold):.6g}"

    @property
    def _threshold(self) -> float:
        threshold = finite(self.threshold, "Huber.threshold")
        if threshold <= 0:
            raise ValueError(f"Huber.threshold must be a positive number, got {self.threshold!r}.")
        return threshold

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Mean of Huber's function of realised returns, per period."""
        r, s = sample(returns, sample_weight)
        small = np.minimum(np.abs(r), self._threshold)
        return float(np.average(small * (2 * np.abs(r) - small), weights=s))

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Mean of Huber's function as a cvxpy expression."""
        import cvxpy as cp

        # In units of the threshold, solvers see numbers near 1.
        unit = self._threshold
        return unit**2 * (shares(returns.shape[0], sample_weight) @ cp.huber(returns / unit, 1.0))

    def support(self, pull: Array, sample_weight: Array | None = None) -> tuple[Array, float]:
        """Huber's function is the largest of v·r - v²/4 with v between -2M and 2M."""
        share = shares(len(pull), sample_weight)
        v = np.clip(per_share(pull, share), -2 * self._threshold, 2 * self._threshold)
        return share * v, -float(share @ v**2) / 4

    def shape(self, n_periods: int, sample_weight: Array | None = None) -> Shape:
        """Squares of which the slope is limited."""
        share = shares(n_periods, sample_weight)
        most = 2 * self._threshold * share
        return Shape(-most, most, per_share(np.full(n_periods, 0.5), share))
