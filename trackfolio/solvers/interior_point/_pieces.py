r"""Sums of convex functions of one argument each: tails, absolute values, squares on one side, inequalities.

Each is the largest of affine and curved functions with slopes in an interval,

.. math:: \phi_t(\xi_t) = \max_{b_t \le \pi \le a_t} \pi \xi_t - \tfrac12 \rho_t \pi^2,

of which all scenario risks are made: a shortfall has slopes 0 to a, an absolute value -a to a, a square on one side
slopes from 0 up and a curvature ρ, Huber's function all three, and an inequality :math:`\xi_t \le 0` slopes from 0 up
and no curvature. The arguments are affine in the weights, few scalars and local variables. At a solution

.. math:: \xi_t - \rho_t \pi_t = s^+_t - s^-_t, \quad s^+_t (a_t - \pi_t) = 0, \quad s^-_t (\pi_t - b_t) = 0,
    \quad s^+, s^- \ge 0.

Newton's method with all but the weights eliminated sees the scenarios through one number each,

.. math:: D_t = 1 / (\rho_t + s^+_t/(a_t - \pi_t) + s^-_t/(\pi_t - b_t)),

in E'DE, with E the map from the variables to the arguments. In a limit with multiplier ν, slopes lie in ν[b, a].
"""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array
from trackfolio.solvers.interior_point._maps import Map

Indices = npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice


@dataclass(eq=False)
class Pieces:
    """Data of one sum: arguments ``sign * map(w) + coefficients'scalars + local - offset`` and intervals of slopes.

    `price` is the number of the limit that the sum is part of; None for the objective. `local` names a group of
    local variables and how they enter: "minus" as -ℓ_t, "plus" as ℓ_t, "chain" as ℓ_(t-1) - ℓ_t.
    """

    map: Map | None
    sign: float
    offset: Array
    lower: Array
    upper: Array
    curvature: Array | float = 0.0
    scalars: dict[int, float] = field(default_factory=dict)
    local: tuple[int, str] | None = None
    price: int | None = None

    def __post_init__(self) -> None:
        """Note which sides there are."""
        self.has_upper = bool(np.isfinite(self.upper).all())
        assert self.has_upper or not np.isfinite(self.upper).any(), "the slopes of a sum are of one kind"
        self.top = self.upper if self.has_upper else np.zeros(len(self.offset))

    @property
    def n_products(self) -> int:
        """Number of products that are 0 at the solution."""
        return (1 + self.has_upper) * len(self.offset)

    def part(self, which: Indices, own: Map | None, weight: float = 1.0) -> "Pieces":
        """Some of the pieces, of arguments by a map of their own, each counted with a weight."""
        return replace(
            self,
            map=own,
            offset=self.offset[which],
            lower=weight * self.lower[which],
            upper=weight * self.upper[which],
            curvature=self.curvature if np.ndim(self.curvature) == 0 else np.asarray(self.curvature)[which] / weight,
        )


@dataclass(eq=False)
class PiecesState:
    """Point of the iteration: slopes π, their distances to the ends of the intervals, and the multipliers s of these.

    A sum without upper ends keeps s⁺ at 0 and the distance at 1.
    """

    slope: Array
    to_upper: Array
    to_lower: Array
    s_upper: Array
    s_lower: Array

    @classmethod
    def of_slopes(cls, slope: Array) -> Self:
        """A point of which nothing else is kept."""
        none = np.empty(0)
        return cls(slope, none, none, none, none)

    @property
    def complementarity(self) -> float:
        """Sum of all products that are 0 at the solution."""
        return float(self.s_upper @ self.to_upper + self.s_lower @ self.to_lower)


@dataclass(eq=False)
class PiecesNewton:
    """One linearisation of a sum: the steps of all its variables follow from that of its argument."""

    pieces: Pieces
    state: PiecesState

    def __post_init__(self) -> None:
        """Curvatures D, and e = d⁺a + d⁻b, through which the multiplier of a limit enters."""
        p, q = self.pieces, self.state
        self.d_upper, self.d_lower = q.s_upper / q.to_upper, q.s_lower / q.to_lower
        self.D = 1 / (p.curvature + self.d_upper + self.d_lower)
        if p.price is not None:
            self.e = self.d_upper * p.top + self.d_lower * p.lower

    def aim(self, residual: Array, c_upper: Array, c_lower: Array) -> Array:
        """Right-hand sides of the complementarity conditions; k, with which dπ = D(dξ + e dν + k)."""
        self.over_upper, self.over_lower = c_upper / self.state.to_upper, c_lower / self.state.to_lower
        if not self.pieces.has_upper:
            self.over_upper = np.zeros(len(residual))
        self.k: Array = residual - self.over_upper + self.over_lower
        return self.k

    def limit_curvature(self) -> float:
        """Coefficient of dν in the row of the limit."""
        p = self.pieces
        return float(self.D @ self.e**2 - self.d_upper @ p.top**2 - self.d_lower @ p.lower**2)

    def limit_constant(self) -> float:
        """Constant of the row of the limit."""
        p = self.pieces
        return float(p.top @ self.over_upper - p.lower @ self.over_lower + (self.D * self.e) @ self.k)

    def rest(self) -> None:
        """Zero right-hand sides: steps are then corrections of steps."""
        self.over_upper = self.over_lower = self.k = np.zeros(len(self.D))

    def step(self, d_argument: Array, d_price: float) -> PiecesState:
        """Steps of all variables of the sum."""
        p = self.pieces
        forced = d_argument + self.k if p.price is None else d_argument + self.k + self.e * d_price
        d_slope = self.D * forced
        d_to_upper = p.top * d_price - d_slope if p.has_upper else np.zeros(len(d_slope))
        d_to_lower = d_slope - p.lower * d_price
        return PiecesState(
            d_slope,
            d_to_upper,
            d_to_lower,
            self.over_upper - self.d_upper * d_to_upper,
            self.over_lower - self.d_lower * d_to_lower,
        )
