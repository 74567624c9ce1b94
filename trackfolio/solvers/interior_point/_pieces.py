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
from functools import cached_property
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


@dataclass(frozen=True, eq=False)
class Joined:
    """The pieces of all sums in a row, so that one operation on an array serves all of them.

    Those with upper ends come first: they are the first `n_upper`. `places` are those of each sum, `priced` those of
    sums that are part of a limit, with its number.
    """

    lower: Array
    top: Array
    curvature: Array | float
    offset: Array
    n_upper: int
    places: list[slice]
    priced: list[tuple[slice, int]]

    @classmethod
    def of(cls, sums: list[Pieces]) -> Self:
        """Put sums in a row."""
        order = sorted(range(len(sums)), key=lambda b: not sums[b].has_upper)
        ends = np.cumsum([0, *(len(sums[b].offset) for b in order)]).tolist()
        places = dict(zip(order, map(slice, ends, ends[1:]), strict=False))
        ordered, none = [sums[b] for b in order], np.zeros(0)
        return cls(
            np.concatenate([none, *(p.lower for p in ordered)]),
            np.concatenate([none, *(p.top for p in ordered if p.has_upper)]),
            np.concatenate([none, *(np.broadcast_to(p.curvature, p.offset.shape) for p in ordered)]),
            np.concatenate([none, *(p.offset for p in ordered)]),
            sum(len(p.offset) for p in ordered if p.has_upper),
            [places[b] for b in range(len(sums))],
            [(places[b], p.price) for b, p in enumerate(sums) if p.price is not None],
        )

    def row(self, parts: list[Array]) -> Array:
        """Numbers of all pieces in a row, from those of each sum."""
        total = np.empty(len(self.offset))
        for part, place in zip(parts, self.places, strict=True):
            total[place] = part
        return total

    @cached_property
    def n_products(self) -> int:
        """Number of products that are 0 at the solution."""
        return self.n_upper + len(self.offset)

    def parts(self, v: Array) -> tuple[Array, Array, Array]:
        """What belongs to upper ends, to lower ends, and to limits, of an array of all products."""
        return v[: self.n_upper], v[self.n_upper : self.n_products], v[self.n_products :]
