"""Convex functions of the weights: what objectives are summed from, and what limits limit.

Each has ``value``, ``scale``, its form in cvxpy (``write``), and what is known about it for proofs and fast solvers:
``quadratic``, a quadratic form or None, and ``minorant``, an affine function below it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from trackfolio._position import CvxpyWeights, Position
from trackfolio._quadratic import Quadratic
from trackfolio._shape import Shape
from trackfolio._terms import offers
from trackfolio._validation import Array


class Minorant(NamedTuple):
    """An affine function below a convex one f: f(v) >= value + slope·(v - x), with x the point it was asked at."""

    slope: Array
    value: float


class Written(NamedTuple):
    """A convex function of the weights in cvxpy: least value of `expression` under `constraints`.

    The function is one of what `link`, where there is one, sets equal to a variable, divided by `unit`.
    """

    expression: Any
    constraints: list[Any]
    link: Any = None
    unit: float = 1.0

    def pull(self, per_unit: float) -> Array | None:
        """Subgradient, times the coefficient of the function, from the multipliers of the link."""
        if self.link is None or self.link.dual_value is None:
            return None
        dual = self.link.dual_value
        if isinstance(dual, list):  # of a cone, whose first entries are minus the returns
            dual = np.abs(dual[0])
        return np.asarray(dual * (-per_unit / self.unit))

    def is_dcp(self) -> bool:
        """Whether all of it keeps to the rules of disciplined convex programming."""
        return bool(self.expression.is_convex() and all(c.is_dcp() for c in self.constraints))


class Function(Protocol):
    """A convex function of the weights."""

    @property
    def quadratic(self) -> Quadratic | None:
        """The function (its square, if `is_root`) as a quadratic form, if it is one."""

    @property
    def is_quadratic(self) -> bool:
        """Whether the function is linear, quadratic or the root of a quadratic form."""

    @property
    def is_root(self) -> bool:
        """Whether the function is the root of `quadratic`."""

    @property
    def is_provable(self) -> bool:
        """Whether there is a minorant."""

    @property
    def least_value(self) -> float:
        """A number that no value is below."""

    def value(self, w: Array) -> float:
        """Value at given weights."""

    def scale(self, size: float) -> float:
        """Typical size of its values, or of its changes, for weights that sum to `size`."""

    def minorant(self, w: Array, pull: Array | None) -> Minorant:
        """Affine function below this one, touching it at w as nearly as the multipliers of its link allow."""

    def write(self, weights: CvxpyWeights) -> Written:
        """The function in cvxpy."""


class Summand(NamedTuple):
    """A function with its name and its coefficient, at least 0."""

    name: str
    coefficient: float
    function: Function


class Limit(NamedTuple):
    """The limit ``Σ coefficient · function(w) <= bound``: what `Constraint.limits` returns.

    Attributes
    ----------
    summands : list of (float, Function)
        Coefficients of at least 0, and convex functions such as `AbsoluteSum`; `w` are weights of shape (n_assets,).
    bound : float
        Largest value of the sum.

    Examples
    --------
    >>> import numpy as np
    >>> from trackfolio.constraints import AbsoluteSum, Limit
    >>> one = np.ones(2)
    >>> Limit([(1.0, AbsoluteSum(one, one, 0 * one))], bound=1.6).value(np.array([1.3, -0.3]))
    1.6
    """

    summands: list[tuple[float, Function]]
    bound: float

    def value(self, w: Array) -> float:
        """Left-hand side at given weights."""
        return sum(c * f.value(w) for c, f in self.summands)

    def scale(self, size: float) -> float:
        """Typical size of the left-hand side for weights that sum to `size`; 1 where all is zero."""
        return sum(c * f.scale(size) for c, f in self.summands) or 1.0

    def rounding(self, size: float) -> float:
        """What rounding of the returns may make of the risks in it.

        Parameters
        ----------
        size : float
            Sum of the weights.

        Returns
        -------
        float
            In units of the limit.
        """
        return sum(c * f.rounding(size) for c, f in self.summands if isinstance(f, RiskOf))


@dataclass(frozen=True, eq=False)
class RiskOf:
    """The risk of a position."""

    risk: Any  # a Risk, which stands on a higher floor
    position: Position

    @cached_property
    def quadratic(self) -> Quadratic | None:
        """The risk (its square, if `is_root`) as a quadratic form, if it is one."""
        return self.risk.quadratic(self.position) if offers(self.risk, "quadratic") else None

    @cached_property
    def shape(self) -> Shape | None:
        """The risk as a sum of pieces, if it is one."""
        shape: Shape | None = self.risk.shape_at(self.position) if offers(self.risk, "shape") else None
        return shape

    @property
    def is_quadratic(self) -> bool:
        """Whether the risk is a quadratic form or the root of one."""
        return offers(self.risk, "quadratic")

    @property
    def is_root(self) -> bool:
        """Whether the risk is the root of its quadratic form."""
        return bool(self.risk.is_root)

    @property
    def is_provable(self) -> bool:
        """Whether the risk offers a minorant."""
        return bool(self.risk.is_provable)

    @property
    def least_value(self) -> float:
        """A number that no value is below."""
        return float(self.risk.least_value)

    def value(self, w: Array) -> float:
        """Risk at given weights."""
        return float(self.risk.at(self.position, w))

    def scale(self, size: float) -> float:
        """Typical size of the risk."""
        return float(self.risk.scale(self.position, size))

    def rounding(self, size: float) -> float:
        """What rounding of the returns may make of a risk of 0."""
        return float(self.risk.rounding(self.position, size))

    def minorant(self, w: Array, pull: Array | None) -> Minorant:
        """Affine function below the risk."""
        below: Minorant = self.risk.minorant_at(self.position, w, pull)
        return below

    def write(self, weights: CvxpyWeights) -> Written:
        """The risk in cvxpy."""
        written: Written = self.risk.write_at(self.position, weights)
        return written


class Provable:
    """What the functions below have in common."""

    quadratic: Quadratic | None = None
    is_quadratic = False
    is_root = False
    is_provable = True
    least_value = -np.inf


@dataclass(frozen=True, eq=False)
class Linear(Provable):
    """``slope · w + constant``."""

    slope: Array
    constant: float = 0.0
    is_quadratic = True

    def value(self, w: Array) -> float:
        """Value at given weights."""
        return float(self.slope @ w) + self.constant

    def scale(self, size: float) -> float:
        """Mean over the assets of the absolute value of each alone."""
        return size * float(np.mean(np.abs(self.slope)))

    def minorant(self, w: Array, pull: Array | None) -> Minorant:
        """The function itself."""
        return Minorant(self.slope, self.value(w))

    def write(self, weights: CvxpyWeights) -> Written:
        """The function in cvxpy."""
        return Written(self.slope @ weights.w + self.constant, [])


@dataclass(frozen=True, eq=False)
class AbsoluteSum(Provable):
    """``Σ up_i (w_i - centre_i)⁺ + down_i (centre_i - w_i)⁺``: turnover, leverage, proportional costs.

    Its methods are those of every convex function of the weights `w`; `size` is what weights sum to, about, `pull` a
    slope that the solver found, and `weights` are those of cvxpy.

    Attributes
    ----------
    up, down : ndarray of shape (n_assets,)
        Prices of a unit above and below the centre, at least 0.
    centre : ndarray of shape (n_assets,)
        Weights at which it is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from trackfolio.constraints import AbsoluteSum
    >>> half, previous = np.full(4, 0.5), np.full(4, 0.25)
    >>> AbsoluteSum(half, half, previous).value(np.array([0.5, 0.5, 0.0, 0.0]))
    0.5
    """

    up: Array
    down: Array
    centre: Array
    least_value = 0.0

    def value(self, w: Array) -> float:
        """Value at given weights."""
        return float(self.each(w).sum())

    def each(self, w: Array) -> Array:
        """The summands, one an asset."""
        d = w - self.centre
        # Where a coefficient is 0, infinite weights count nothing.
        with np.errstate(invalid="ignore"):
            return np.where((d > 0) & (self.up > 0), self.up * d, 0.0) - np.where(
                (d < 0) & (self.down > 0), self.down * d, 0.0
            )

    def scale(self, size: float) -> float:
        """Largest change by a change of one weight of this size."""
        return size * max(float(np.max(self.up)), float(np.max(self.down)))

    def minorant(self, w: Array, pull: Array | None) -> Minorant:
        """The tangent, flat at kinks; proofs do better, weight by weight."""
        d = w - self.centre
        return Minorant(np.where(d > 0, self.up, np.where(d < 0, -self.down, 0.0)), self.value(w))

    def write(self, weights: CvxpyWeights) -> Written:
        """The sum in cvxpy."""
        import cvxpy as cp

        # In units of the weights' size, like all that solvers see.
        d, up, down = (weights.w - self.centre) / weights.size, weights.size * self.up, weights.size * self.down
        if np.array_equal(up, down):
            return Written(up @ cp.abs(d), [])
        return Written(up @ cp.pos(d) + down @ cp.neg(d), [])


def least_each(slope: Array, lower: Array, upper: Array, sums: "list[tuple[Any, AbsoluteSum]]") -> Array:
    """Minimum over each weight's interval of slope·w_i plus priced absolute values: at an end of it, or at a kink.

    All may have rows (one a leaf of a search); prices are numbers or columns. -inf where there is no minimum.
    """
    ends = [lower, upper, *(np.clip(s.centre, lower, upper) for _, s in sums)]
    with np.errstate(invalid="ignore"):
        values = [np.where(slope == 0, 0.0, slope * end) + sum(nu * s.each(end) for nu, s in sums) for end in ends]
    minima: Array = np.min(values, axis=0)
    return np.where(np.isnan(minima), -np.inf, minima)


@dataclass(frozen=True, eq=False)
class OfQuadratic(Provable):
    """A quadratic form that is no risk of a position, as a part of a problem may be."""

    quadratic: Quadratic
    is_quadratic = True

    def value(self, w: Array) -> float:
        """Value at given weights."""
        matrix, linear, constant = self.quadratic.gram()
        return float(w @ matrix @ w - 2 * linear @ w) + constant

    def scale(self, size: float) -> float:
        """Mean over the assets of the value of each alone, with all its parts positive: a slope has any sign."""
        matrix, linear, constant = self.quadratic.gram()
        squares = size**2 * float(np.mean(np.diagonal(matrix)))
        return squares + 2 * size * float(np.mean(np.abs(linear))) + abs(constant)

    def minorant(self, w: Array, pull: Array | None) -> Minorant:
        """The tangent."""
        return Minorant(self.quadratic.gradient(w), self.value(w))

    def write(self, weights: CvxpyWeights) -> Written:
        """The form in cvxpy."""
        import cvxpy as cp

        matrix, linear, constant = self.quadratic.gram()
        return Written(cp.quad_form(weights.w, cp.psd_wrap(matrix)) - 2 * linear @ weights.w + constant, [])


@dataclass(frozen=True, eq=False)
class OfExpression:
    """A convex expression of a user's own, of which nothing else is known."""

    build: Callable[[Any], Any]
    n_assets: int
    quadratic = None
    is_quadratic = False
    is_root = False
    is_provable = False
    least_value = -np.inf

    def value(self, w: Array) -> float:
        """Value at given weights."""
        import cvxpy as cp

        return float(self.build(cp.Constant(w)).value)

    def scale(self, size: float) -> float:
        """Absolute value at equal weights."""
        return abs(self.value(np.full(self.n_assets, size / self.n_assets)))

    def minorant(self, w: Array, pull: Array | None) -> Minorant:
        """Refused: see `is_provable`."""
        raise TypeError("An expression of one's own has no minorant.")

    def write(self, weights: CvxpyWeights) -> Written:
        """The expression."""
        return Written(self.build(weights.w), [])
