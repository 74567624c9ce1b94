"""What limits and objectives say, once more: by numpy for the judgement of weights, by cvxpy for that of errors.

Written from the definitions in the documentation, apart from what the solvers read. Risks have one definition in the
library, `Risk.value` and `Risk.expression`, which tests/test_risks.py and `check_risk` judge.
"""

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
from sklearn.base import clone

# Positions and trades below this, in units of the weights, are none.
NOTHING = 1e-6


@dataclass(frozen=True)
class Rows:
    """``lower <= A @ w <= upper``, by row in units of its largest coefficient."""

    name: str
    A: np.ndarray
    lower: Any
    upper: Any

    def _parts(self):
        A = np.atleast_2d(self.A)
        unit = np.abs(A).max(axis=1)
        unit = np.where(unit > 0, unit, 1.0)
        sides = (np.broadcast_to(side, len(A)) / unit for side in (self.lower, self.upper))
        return A / unit[:, None], *sides

    def excess(self, w, size):
        A, lower, upper = self._parts()
        return float(np.max([lower - A @ w, A @ w - upper])) / size

    def written(self, u, size, slack):
        A, lower, upper = self._parts()
        low, high = np.isfinite(lower), np.isfinite(upper)
        parts = [A[low] @ u + slack >= lower[low] / size] if low.any() else []
        return [*parts, A[high] @ u - slack <= upper[high] / size] if high.any() else parts


@dataclass(frozen=True)
class Absolute:
    """``Σ up·(w - centre)⁺ + down·(centre - w)⁺``, a cost, or limited by `bound`."""

    name: str
    up: np.ndarray
    down: np.ndarray
    centre: np.ndarray
    bound: float = np.inf

    @property
    def unit(self):
        return float(max(self.up.max(), self.down.max())) or 1.0

    def value(self, w):
        d = w - self.centre
        return float(self.up @ np.maximum(d, 0) + self.down @ np.maximum(-d, 0))

    def expression(self, u, size):
        d = u - self.centre / size
        return self.up @ cp.pos(d) + self.down @ cp.neg(d)

    def excess(self, w, size):
        return (self.value(w) - self.bound) / (self.unit * size)

    def written(self, u, size, slack):
        return [self.expression(u, size) / self.unit - slack <= self.bound / (self.unit * size)]


@dataclass(frozen=True)
class Power:
    """The cost ``Σ c·|w - centre|^exponent``."""

    coefficients: np.ndarray
    centre: np.ndarray
    exponent: float

    def value(self, w):
        return float(self.coefficients @ np.abs(w - self.centre) ** self.exponent)

    def expression(self, u, size):
        terms = cp.power(cp.abs(u - self.centre / size), self.exponent)
        return size ** (self.exponent - 1) * self.coefficients @ terms


@dataclass(frozen=True)
class Slope:
    """The linear function ``slope · w + constant``: a fee, or minus a return."""

    slope: np.ndarray
    constant: float = 0.0

    def value(self, w):
        return float(self.slope @ w) + self.constant

    def expression(self, u, size):
        return self.slope @ u + self.constant / size


@dataclass(frozen=True)
class OfRisk:
    """The risk of ``X @ w - y``, by its own definition."""

    risk: Any
    X: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None = None

    def _weighted(self, method, returns):
        return method(returns) if self.sample_weight is None else method(returns, sample_weight=self.sample_weight)

    def value(self, w):
        return float(self._weighted(self.risk.value, self.X @ w - self.y))

    def scale(self, size):
        n = self.X.shape[1]
        up_and_down = np.resize([-1.0, 1.0], len(self.X)) * max(self.unit * size, float(np.abs(self.y).max()))
        least = (
            (self.unit * size) ** self.risk.degree if self.risk.degree else self._weighted(self.risk.value, up_and_down)
        )
        return max(abs(self.value(np.full(n, size / n))), 1e-2 * abs(least)) or 1.0

    def unit_of_limits(self, size):
        """For squares, what a unit of weight may add: the mean risk of an asset alone, beside that of equal weights."""
        if not hasattr(self.risk, "quadratic"):
            return self.scale(size)
        return max(self.scale(size), float(np.mean([self.value(w) for w in size * np.eye(self.X.shape[1])])))

    @property
    def unit(self):
        """Typical size of the returns."""
        largest = np.abs(self.X).max()
        return float(largest * np.sqrt(np.mean((self.X / largest) ** 2))) if largest else 1.0

    def expression(self, u, size):
        """Risk over the size of the weights, and the constraints of its auxiliary variables."""
        own = max(self.unit * size, float(np.abs(self.y).max()))
        scaled, factor = in_units(self.risk, own)
        written = self._weighted(scaled.expression, (size / own) * self.X @ u - self.y / own)
        risk, constraints, *_ = written if isinstance(written, tuple) else (written, [])
        return factor / size * risk, list(constraints)


def in_units(risk, own):
    """The risk of returns in other units, with its parameters in these, and the factor that brings it back."""
    scaled = clone(risk)
    scaled.set_params(**{k: v / own for k, v in risk.get_params().items() if k in ("target", "threshold") and v})
    example = np.array([-3.0, 1.0, -1.0, 0.5, 2.0])
    return scaled, risk.value(own * example) / scaled.value(example)


@dataclass(frozen=True)
class Limited:
    """A risk, or the cost of trading less the return, of at most `bound`."""

    name: str
    parts: list[Any]
    bound: float
    unit: float

    def value(self, w):
        return sum(part.value(w) for part in self.parts)

    def excess(self, w, size):
        return (self.value(w) - self.bound) / self.unit

    def written(self, u, size, slack):
        total, constraints = total_of([(1.0, part) for part in self.parts], u, size)
        return [total * (size / self.unit) - slack <= self.bound / self.unit, *constraints]


@dataclass(frozen=True)
class Counted:
    """At least `fewest` and at most `most` of the `members` held (or, with a centre, traded); positions of `least`."""

    name: str
    members: np.ndarray
    fewest: int
    most: int
    least: np.ndarray | None = None
    centre: np.ndarray | None = None

    def excess(self, w, size):
        x = np.abs(w if self.centre is None else w - self.centre) / size
        nothing = 1e-9 if self.centre is None else NOTHING
        count = np.count_nonzero(x[self.members] > nothing)
        short = 0.0 if self.least is None else np.max(np.where(x > nothing, self.least / size - x, 0.0))
        return max(float(short), 1.0 if not self.fewest <= count <= self.most else 0.0)

    def written(self, u, size, slack, lower, upper):
        n, least = len(self.members), 0.0 if self.least is None else self.least / size
        centre = np.zeros(n) if self.centre is None else self.centre / size
        up, down = np.maximum(upper / size - centre, 0.0), np.maximum(centre - lower / size, 0.0)
        long, short = cp.Variable(n, boolean=True), cp.Variable(n, boolean=True)
        d = u - centre
        counted = cp.sum((long + short)[np.flatnonzero(self.members)])
        return [
            d <= cp.multiply(up, long) - cp.multiply(least, short) + slack,
            d >= cp.multiply(least, long) - cp.multiply(down, short) - slack,
            long + short <= 1,
            long <= (up >= least).astype(float),
            short <= (down >= least).astype(float),
            counted <= self.most,
            counted >= self.fewest,
        ]


@dataclass(frozen=True)
class LargeTogether:
    """Positions above a threshold add up to at most `bound`."""

    name: str
    threshold: float
    bound: float

    def excess(self, w, size):
        return float(w[w > self.threshold + NOTHING * size].sum() - self.bound) / size

    def written(self, u, size, slack, lower, upper):
        n = u.shape[0]
        is_large, large = cp.Variable(n, boolean=True), cp.Variable(n, nonneg=True)
        return [
            large <= cp.multiply(upper / size, is_large),
            u - large >= -slack,
            u - large <= self.threshold / size * (1 - is_large) + slack,
            cp.sum(large) - slack <= self.bound / size,
        ]


#: Facts that make the portfolios allowed no convex set.
DISCRETE = (Counted, LargeTogether)


def total_of(parts, u, size):
    """Sum of functions over the size of the weights, each with its coefficient, and constraints on their variables."""
    total, constraints = 0, []
    for coefficient, part in parts:
        written = part.expression(u, size)
        expression, more = written if isinstance(written, tuple) else (written, [])
        total, constraints = total + coefficient * expression, [*constraints, *more]
    return total, constraints
