"""Sums of powers of what weights are away from others: impact of trades, and concentration."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trackfolio._functions import Minorant, Provable, Written
from trackfolio._position import CvxpyWeights
from trackfolio._quadratic import DiagonalQuadratic, Quadratic
from trackfolio._validation import Array


@dataclass(frozen=True, eq=False)
class PowerSum(Provable):
    """``Σ c_i |w_i - centre_i|^exponent``, exponent > 1: impact costs, the Herfindahl index."""

    coefficients: Array
    centre: Array
    exponent: float
    least_value = 0.0

    @property
    def is_quadratic(self) -> bool:  # type: ignore[override]  # it depends on the exponent
        """Whether the exponent is 2."""
        return self.exponent == 2

    @cached_property
    def quadratic(self) -> Quadratic | None:  # type: ignore[override]  # computed once
        """The sum as a quadratic form, where the exponent is 2."""
        return DiagonalQuadratic(self.coefficients, self.centre) if self.exponent == 2 else None

    def value(self, w: Array) -> float:
        """Value at given weights."""
        return float(self.coefficients @ np.abs(w - self.centre) ** self.exponent)

    def scale(self, size: float) -> float:
        """Value of equal weights, each away from its centre by its size."""
        n = len(self.centre)
        return float(np.sum(self.coefficients) * (size / n) ** self.exponent)

    def minorant(self, w: Array, pull: Array | None) -> Minorant:
        """The tangent; or the affine function of the slope that the solver found, if it is anywhere near one.

        c|d|^p is the largest of v·d - (p-1)·c·(|v|/pc)^(p/(p-1)) over all slopes v.
        """
        d, p, c = w - self.centre, self.exponent, self.coefficients
        if pull is None or not np.isfinite(pull).all():
            return Minorant(p * c * np.sign(d) * np.abs(d) ** (p - 1), self.value(w))
        slope = np.where(c > 0, pull, 0.0)
        ratio = np.divide(np.abs(slope), p * c, out=np.zeros(len(c)), where=c > 0)
        return Minorant(slope, float(slope @ d - (p - 1) * c @ ratio ** (p / (p - 1))))

    def write(self, weights: CvxpyWeights) -> Written:
        """The sum in cvxpy."""
        import cvxpy as cp

        traded = cp.Variable(len(self.centre))
        link = traded == (weights.w - self.centre) / weights.size
        coefficients = weights.size**self.exponent * self.coefficients
        return Written(coefficients @ cp.power(cp.abs(traded), self.exponent), [link], link, weights.size)
