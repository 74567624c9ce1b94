"""Student-t shocks of unit variance that are bounded, so that no return falls below -1."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BoundedStudent:
    """Law of T / s given |T| <= a, where T is Student-t and s the standard deviation so restricted.

    Mean 0, variance 1, bounded by a / s, all exactly. With f the density of T, integration by
    parts of t · t f(t), where (d/dt) (1 + t²/ν) f(t) = -(1 - 1/ν) t f(t), gives

        s² = (P - 2 a (1 + a²/ν) f(a)) / ((1 - 2/ν) P),    P = P(|T| <= a).
    """

    tail: float
    cut: float

    @classmethod
    def with_bound(cls, tail: float, bound: float) -> "BoundedStudent":
        """Choose the cut such that the shocks are bounded by `bound` (> √3) standard deviations."""

        def excess(cut: float) -> float:
            return cut / cls(tail, cut).scale - bound

        # a/s rises from √3 (a uniform law) at small cuts; s is at most that of the whole law.
        highest = 2.0 * bound / np.sqrt(1.0 - 2.0 / tail)
        return cls(tail, float(optimize.brentq(excess, 0.1, highest, xtol=1e-12)))

    @property
    def scale(self) -> float:
        """Standard deviation of T given |T| <= a."""
        nu, a = self.tail, self.cut
        inside = 1.0 - 2.0 * stats.t.sf(a, nu)
        boundary = 2.0 * a * (1.0 + a * a / nu) * stats.t.pdf(a, nu)
        return float(np.sqrt((inside - boundary) / ((1.0 - 2.0 / nu) * inside)))

    @property
    def bound(self) -> float:
        """Largest absolute value of a shock."""
        return self.cut / self.scale

    def draw(self, rng: np.random.RandomState, size: tuple[int, ...]) -> Array:
        """Independent shocks; those beyond the cut are drawn again until none is."""
        draws = self._unrestricted(rng, size)
        outside = np.abs(draws) > self.cut
        while outside.any():
            draws[outside] = self._unrestricted(rng, int(outside.sum()))
            outside = np.abs(draws) > self.cut
        draws /= self.scale
        return draws

    def _unrestricted(self, rng: np.random.RandomState, size: Any) -> Array:
        # NumPy gives NaN for infinitely many degrees of freedom.
        draws: Array = rng.standard_normal(size) if np.isinf(self.tail) else rng.standard_t(self.tail, size)
        return draws
