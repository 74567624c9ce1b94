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
from trackfolio.solvers.interior_point._maps import Pairs
from trackfolio.solvers.interior_point._pieces import Joined, Pieces, PiecesState

# Matrices of fewer numbers than this cost less than the calls that avoid them.
_SMALL = 40_000


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
    def joined(self) -> Joined:
        """The pieces of all sums in a row."""
        return Joined.of(self.pieces)

    @cached_property
    def is_linear(self) -> bool:
        """Whether there is no curvature: primal and dual steps may then differ in length."""
        return self.quadratic is None and not any(np.any(p.curvature) for p in self.pieces)

    def argument(self, p: Pieces, x: Array, local: list[Array]) -> Array:
        """Linear part of the arguments of a sum."""
        n = self.n_assets
        total = np.zeros(len(p.offset)) if p.map is None else p.sign * p.map.apply(x[:n])
        for j, c in p.scalars.items():
            total += c * x[n + j]
        if p.local is not None:
            total += _local_part(local[p.local[0]], p.local[1])
        return total

    @cached_property
    def stacked(self) -> Array | None:
        """Coefficients of all arguments, and of all cones below them, in one matrix, where that is small.

        One product then takes the place of several for each sum, whose calls would take longer than they compute.
        """
        n, m = self.n_assets, len(self.joined.offset)
        rows = m + sum(1 + len(cone.offset) for cone in self.cones)
        if self.groups or rows * len(self.cost) > _SMALL or any(isinstance(p.map, Pairs) for p in self.pieces):
            return None
        total = np.zeros((rows, len(self.cost)))
        for p, place in zip(self.pieces, self.joined.places, strict=True):
            assert p.map is not None, "only local variables do without weights"
            assert not isinstance(p.map, Pairs)
            own, factor = p.map.few_rows()
            np.multiply(own, p.sign * factor, out=total[place, :n], dtype=np.float64)
            for j, c in p.scalars.items():
                total[place, n + j] = c
        for cone, place in zip(self.cones, self.cone_places, strict=True):
            for j, c in cone.scalars.items():
                total[place.start, n + j] = c
            total[place.start + 1 : place.stop, :n] = cone.rows
        return total

    @cached_property
    def cone_places(self) -> list[slice]:
        """Rows of each cone below those of the pieces."""
        ends = np.cumsum([len(self.joined.offset), *(1 + len(cone.offset) for cone in self.cones)]).tolist()
        return list(map(slice, ends, ends[1:]))

    def images(self, x: Array, local: list[Array]) -> tuple[Array, list[Array]]:
        """Linear parts of the arguments of all sums, in a row, and of the points of all cones."""
        m = len(self.joined.offset)
        if self.stacked is not None:
            total = self.stacked @ x
            return total[:m], [total[place] for place in self.cone_places]
        total = np.empty(m)
        for p, place in zip(self.pieces, self.joined.places, strict=True):
            total[place] = self.argument(p, x, local)
        return total, [self.cone_linear(cone, x, local) for cone in self.cones]

    def add_pull(self, v: Array, cones: list[Array], x: Array, local: list[Array]) -> None:
        """Add E'v + Σ V'z to gradients with respect to x and the local variables."""
        if self.stacked is not None:
            x += np.concatenate([v, *cones]) @ self.stacked
            return
        for p, place in zip(self.pieces, self.joined.places, strict=True):
            self.pull(p, v[place], x, local)
        for cone, z in zip(self.cones, cones, strict=True):
            self.cone_pull(cone, z, x, local)

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

    def pulled(
        self, x: Array, y: Array, slope: Array, cones: list[tuple[Array, Array]], prices: Array
    ) -> tuple[Array, list[Array]]:
        """Left-hand side of stationarity without the cost, for a point or for a step: with respect to x and locals."""
        total, local = y @ self.A, self.no_locals()
        if self.quadratic is not None:
            total[: self.n_assets] += self.quadratic @ x[: self.n_assets]
        self.add_pull(slope, [-z for _, z in cones], total, local)
        for (row, _), price in zip(self.limits, prices, strict=True):
            total += price * row
        return total, local

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
    """All variables, primal and dual, sum by sum."""

    x: Array
    local: list[Array]
    y: Array
    pieces: list[PiecesState]
    cones: list[tuple[Array, Array]]
    prices: Array
    slacks: Array
