r"""The problem in the form that the method solves, and the points that it visits.

.. math:: \min_x \; \tfrac12 w'Pw + c'x + \sum_{b} \phi_b(E_b x) \quad\text{s.t.}\quad Ax = b,\quad
    p_k'x + \sum_{b \in k} \phi_b(E_b x) \le L_k,\quad V_j x + v_j \in Q_j

with x the weights, some scalars, and groups of local variables, one a period; φ are sums of pieces (inequalities among
them), Q second-order cones. Stationarity is

.. math:: Pw + c + A'y + \sum_b E_b'\pi_b + \sum_k \nu_k p_k - \sum_j V_j'z_j = 0.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from trackfolio._validation import Array
from trackfolio.solvers.interior_point._cone import Cone
from trackfolio.solvers.interior_point._factored import Factored
from trackfolio.solvers.interior_point._pieces import Pieces, PiecesState


@dataclass(eq=False)
class Program:
    """Data of the problem; `cost`, `A` and the limits speak of weights and scalars together."""

    n_assets: int
    cost: Array
    A: Array
    b: Array
    quadratic: Array | Factored | None = None
    pieces: list[Pieces] = field(default_factory=list)
    cones: list[Cone] = field(default_factory=list)
    limits: list[tuple[Array, float]] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)

    @cached_property
    def is_linear(self) -> bool:
        """Whether there is no curvature: primal and dual steps may then differ in length."""
        return self.quadratic is None and not any(np.any(p.curvature) for p in self.pieces)

    def argument(self, p: Pieces, x: Array, local: list[Array]) -> Array:
        """Linear part of the arguments of a sum."""
        n = self.n_assets
        total = np.zeros(len(p.offset)) if p.map is None else p.sign * p.map.apply(x[:n])
        total += sum(c * x[n + j] for j, c in p.scalars.items())
        if p.local is not None:
            total += _local_part(local[p.local[0]], p.local[1])
        return total

    def pull(self, p: Pieces, v: Array, x: Array, local: list[Array]) -> None:
        """Add E'v to gradients with respect to x and the local variables."""
        n = self.n_assets
        if p.map is not None:
            x[:n] += p.sign * p.map.adjoint(v)
        for j, c in p.scalars.items():
            x[n + j] += c * v.sum()
        if p.local is not None:
            local[p.local[0]] += local_transpose(v, p.local[1])

    def cone_linear(self, cone: Cone, x: Array, local: list[Array]) -> Array:
        """Vx of a cone."""
        n = self.n_assets
        return cone.linear(x[:n] if cone.local is None else local[cone.local], x[n:])

    def cone_pull(self, cone: Cone, z: Array, x: Array, local: list[Array]) -> None:
        """Add V'z to gradients with respect to x and the local variables."""
        n = self.n_assets
        for j, c in cone.scalars.items():
            x[n + j] += c * z[0]
        if cone.local is None:
            x[:n] += cone.transposed(z[1:])
        else:
            local[cone.local] += cone.transposed(z[1:])

    def pulled(self, point: "Point") -> tuple[Array, list[Array]]:
        """Left-hand side of stationarity without the cost, for a point or for a step: with respect to x and locals."""
        x, local = point.y @ self.A, self.no_locals()
        if self.quadratic is not None:
            x[: self.n_assets] += self.quadratic @ point.x[: self.n_assets]
        for p, q in zip(self.pieces, point.pieces, strict=True):
            self.pull(p, q.slope, x, local)
        for cone, (_, z) in zip(self.cones, point.cones, strict=True):
            self.cone_pull(cone, -z, x, local)
        for (row, _), price in zip(self.limits, point.prices, strict=True):
            x += price * row
        return x, local

    def no_locals(self) -> list[Array]:
        """Zeros for all local variables."""
        return [np.zeros(size) for size in self.groups]


def _local_part(local: Array, how: str) -> Array:
    if how == "chain":
        part = -local
        part[1:] += local[:-1]
        return part
    return local if how == "plus" else -local


def local_transpose(v: Array, how: str) -> Array:
    """What the local variables get from arguments that they enter in this way."""
    if how == "chain":
        part = -v
        part[:-1] += v[1:]
        return part
    return v if how == "plus" else -v


@dataclass(eq=False)
class Point:
    """All variables, primal and dual; also the direction of a step."""

    x: Array
    local: list[Array]
    y: Array
    pieces: list[PiecesState]
    cones: list[tuple[Array, Array]]
    prices: Array
    slacks: Array

    @property
    def complementarity(self) -> float:
        """Sum of all products that are 0 at the solution."""
        of_pieces = sum(state.complementarity for state in self.pieces)
        return float(of_pieces + sum(s @ z for s, z in self.cones) + self.prices @ self.slacks)

    def complementarity_after(self, step: "Point", primal: float, dual: float) -> float:
        """The sum of products after a step."""
        total = (self.prices + dual * step.prices) @ (self.slacks + primal * step.slacks)
        for (s, z), (ds, dz) in zip(self.cones, step.cones, strict=True):
            total += (s + primal * ds) @ (z + dual * dz)
        for q, d in zip(self.pieces, step.pieces, strict=True):
            total += (q.s_upper + primal * d.s_upper) @ (q.to_upper + dual * d.to_upper)
            total += (q.s_lower + primal * d.s_lower) @ (q.to_lower + dual * d.to_lower)
        return float(total)

    def moved(self, step: "Point", primal: float, dual: float) -> "Point":
        """The point after a step."""
        return Point(
            self.x + primal * step.x,
            [v + primal * d for v, d in zip(self.local, step.local, strict=True)],
            self.y + dual * step.y,
            [
                PiecesState(
                    q.slope + dual * d.slope,
                    q.to_upper + dual * d.to_upper,
                    q.to_lower + dual * d.to_lower,
                    q.s_upper + primal * d.s_upper,
                    q.s_lower + primal * d.s_lower,
                )
                for q, d in zip(self.pieces, step.pieces, strict=True)
            ],
            [
                (s + primal * ds, z + dual * dz)
                for (s, z), (ds, dz) in zip(self.cones, step.cones, strict=True)
            ],
            self.prices + dual * step.prices,
            self.slacks + primal * step.slacks,
        )  # fmt: skip


@dataclass(eq=False)
class Residuals:
    """By how much a point misses each equation."""

    x: Array
    local: list[Array]
    y: Array
    pieces: list[Array]
    cones: list[Array]
    limits: Array

    @classmethod
    def at(cls, program: Program, point: Point) -> "Residuals":
        """Residuals of a point."""
        x, local = program.pulled(point)
        limits = np.array([p @ point.x - bound for p, bound in program.limits]) + point.slacks
        pieces = []
        for p, q in zip(program.pieces, point.pieces, strict=True):
            argument = program.argument(p, point.x, point.local) - p.offset
            pieces.append(argument - p.curvature * q.slope - q.s_upper + q.s_lower)
            if p.price is not None:
                limits[p.price] += p.top @ q.s_upper - p.lower @ q.s_lower
        cones = [
            s - cone.constants - program.cone_linear(cone, point.x, point.local)
            for cone, (s, _) in zip(program.cones, point.cones, strict=True)
        ]
        return cls(x + program.cost, local, program.A @ point.x - program.b, pieces, cones, limits)

    @property
    def dual(self) -> float:
        """Largest residual of stationarity."""
        return _largest([self.x, *self.local])

    @property
    def primal(self) -> float:
        """Largest residual of what the variables must satisfy."""
        return _largest([self.y, self.limits, *self.pieces, *self.cones])


def _largest(parts: list[Array]) -> float:
    """Largest entry of all; nan if any is, which Python's `max` would pass over."""
    return float(np.max([np.max(np.abs(v), initial=0.0) for v in parts]))
