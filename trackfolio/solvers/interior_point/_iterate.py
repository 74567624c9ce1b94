"""Points of the iteration with the numbers of all sums in a row, and by how much they miss optimality."""

from dataclasses import dataclass

import numpy as np

from trackfolio._validation import Array
from trackfolio.solvers.interior_point._pieces import Joined, PiecesState
from trackfolio.solvers.interior_point._program import Point, Program


@dataclass(eq=False)
class Iterate:
    """All variables, primal and dual; also the direction of a step.

    The products of `primal` and `dual` are 0 at the solution: multipliers s⁺ and s⁻ of the ends of intervals and
    slacks of limits, with distances to the ends and prices.
    """

    x: Array
    local: list[Array]
    y: Array
    slope: Array
    primal: Array
    dual: Array
    cones: list[tuple[Array, Array]]

    @classmethod
    def of(cls, program: Program, point: Point) -> "Iterate":
        """The same point with its sums in a row."""
        joined, m = program.joined, program.joined.n_products
        slope = np.empty(len(joined.offset))
        primal, dual = np.empty(m + len(point.prices)), np.empty(m + len(point.prices))
        (s_upper, s_lower, slacks), (to_upper, to_lower, prices) = joined.parts(primal), joined.parts(dual)
        slacks[:], prices[:] = point.slacks, point.prices
        for p, q, place in zip(program.pieces, point.pieces, joined.places, strict=True):
            slope[place], s_lower[place], to_lower[place] = q.slope, q.s_lower, q.to_lower
            if p.has_upper:
                s_upper[place], to_upper[place] = q.s_upper, q.to_upper
        return cls(point.x, point.local, point.y, slope, primal, dual, point.cones)

    def point(self, program: Program) -> Point:
        """The same point sum by sum."""
        joined = program.joined
        (s_upper, s_lower, slacks), (to_upper, to_lower, prices) = joined.parts(self.primal), joined.parts(self.dual)
        states = []
        for p, place in zip(program.pieces, joined.places, strict=True):
            one = np.ones(0 if p.has_upper else len(p.offset))
            upper, s = (to_upper[place], s_upper[place]) if p.has_upper else (one, 0 * one)
            states.append(PiecesState(self.slope[place], upper, to_lower[place], s, s_lower[place]))
        return Point(self.x, self.local, self.y, states, self.cones, prices, slacks)

    @property
    def complementarity(self) -> float:
        """Sum of all products that are 0 at the solution."""
        return float(sum((s @ z for s, z in self.cones), self.primal @ self.dual))

    def complementarity_after(self, step: "Iterate", primal: float, dual: float) -> float:
        """The sum of products after a step."""
        total = (self.primal + primal * step.primal) @ (self.dual + dual * step.dual)
        for (s, z), (ds, dz) in zip(self.cones, step.cones, strict=True):
            total += (s + primal * ds) @ (z + dual * dz)
        return float(total)

    def moved(self, step: "Iterate", primal: float, dual: float) -> "Iterate":
        """The point after a step."""
        return Iterate(
            self.x + primal * step.x,
            [v + primal * d for v, d in zip(self.local, step.local, strict=True)],
            self.y + dual * step.y,
            self.slope + dual * step.slope,
            self.primal + primal * step.primal,
            self.dual + dual * step.dual,
            [
                (s + primal * ds, z + dual * dz)
                for (s, z), (ds, dz) in zip(self.cones, step.cones, strict=True)
            ],
        )  # fmt: skip

    def pulled(self, program: Program) -> tuple[Array, list[Array]]:
        """Left-hand side of stationarity without the cost."""
        return program.pulled(self.x, self.y, self.slope, self.cones, program.joined.parts(self.dual)[2])


@dataclass(eq=False)
class Residuals:
    """By how much a point misses each equation."""

    x: Array
    local: list[Array]
    y: Array
    pieces: Array
    cones: list[Array]
    limits: Array

    @classmethod
    def at(cls, program: Program, point: Iterate) -> "Residuals":
        """Residuals of a point."""
        joined: Joined = program.joined
        x, local = point.pulled(program)
        s_upper, s_lower, slacks = joined.parts(point.primal)
        arguments, moved = program.images(point.x, point.local)
        pieces = arguments - joined.offset - joined.curvature * point.slope + s_lower
        pieces[: joined.n_upper] -= s_upper
        limits = slacks + [p @ point.x - bound for p, bound in program.limits]
        for place, price in joined.priced:
            limits[price] -= joined.lower[place] @ s_lower[place]
            limits[price] += joined.top[place] @ s_upper[place]
        cones = [s - cone.constants - v for cone, v, (s, _) in zip(program.cones, moved, point.cones, strict=True)]
        return cls(x + program.cost, local, program.A @ point.x - program.b, pieces, cones, limits)

    @property
    def dual(self) -> float:
        """Largest residual of stationarity."""
        return _largest([self.x, *self.local])

    @property
    def primal(self) -> float:
        """Largest residual of what the variables must satisfy."""
        return _largest([self.y, self.limits, self.pieces, *self.cones])


def _largest(parts: list[Array]) -> float:
    """Largest entry of all; nan if any is, which Python's `max` would pass over."""
    return float(np.abs(np.concatenate(parts)).max(initial=0.0))
