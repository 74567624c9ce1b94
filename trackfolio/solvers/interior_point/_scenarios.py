r"""Scenarios that have settled: pieces whose slope is at an end of its interval, where they are affine.

A piece that stays at the slope π of one end is :math:`\pi\xi_t - \tfrac12\rho_t\pi^2` and can be added to the linear
part of the objective or of its limit: far from a tail it is 0, deep in it a multiple of the return, and of an absolute
value either. What is left are the scenarios near a kink. A piece is never below the affine function, so that the
problem without it is a relaxation; by how much the piece is above it at the solution, at all scenarios in one pass over
the returns, is what the relaxation misses.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array
from trackfolio.solvers.interior_point._maps import Index, Rows
from trackfolio.solvers.interior_point._pieces import Pieces, PiecesState
from trackfolio.solvers.interior_point._program import Point, Program


@dataclass(frozen=True)
class Split:
    """Numbers of the pieces of a sum that are kept, and the slopes of all others, for a price of 1."""

    kept: Index
    slopes: Array

    def joined(self, more: npt.NDArray[np.bool_]) -> "Split":
        """The split with more pieces kept."""
        kept = more.copy()
        kept[self.kept] = True
        return Split(np.flatnonzero(kept), np.where(kept, 0.0, self.slopes))


def can_settle(p: Pieces) -> bool:
    """Whether pieces of a sum can be left out one by one."""
    return isinstance(p.map, Rows) and p.local is None


def settled_slopes(p: Pieces, kept: Index, at_upper: npt.NDArray[np.bool_]) -> Array:
    """Slopes of the pieces that are not kept, at one end or the other."""
    slopes = np.where(at_upper, p.top, p.lower)
    slopes[kept] = 0.0
    return slopes


def part(p: Pieces, kept: Index | slice, weight: float = 1.0) -> Pieces:
    """Some pieces of a sum, each counted with a weight."""
    assert isinstance(p.map, Rows), "only rows are chosen from"
    return p.part(kept, p.map.chosen(kept), weight)


def without_settled(program: Program, splits: dict[int, Split]) -> Program:
    """The problem with the settled pieces in its linear parts."""
    cost, pieces, limits = program.cost.copy(), list(program.pieces), list(program.limits)
    for b, split in splits.items():
        p = program.pieces[b]
        pieces[b] = part(p, split.kept)
        if not split.slopes.any():
            continue
        if p.price is None:
            program.pull(p, split.slopes, cost, [])
        else:
            row, bound = limits[p.price]
            row = row.copy()
            program.pull(p, split.slopes, row, [])
            constant = split.slopes @ (p.offset + 0.5 * p.curvature * split.slopes)
            limits[p.price] = row, bound + float(constant)
    return replace(program, cost=cost, pieces=pieces, limits=limits)


def states_of_kept(states: list[PiecesState], splits: dict[int, Split]) -> list[PiecesState]:
    """States without those of the settled pieces."""
    return [
        PiecesState(*(v[splits[b].kept] for v in vars(q).values())) if b in splits else q for b, q in enumerate(states)
    ]


def with_settled(program: Program, point: Point, splits: dict[int, Split]) -> Point:
    """The point with slopes of all pieces; what else belongs to them is not kept."""
    states = list(point.pieces)
    for b, split in splits.items():
        price = program.pieces[b].price
        slope = split.slopes * (1.0 if price is None else point.prices[price])
        slope[split.kept] = states[b].slope
        states[b] = PiecesState.of_slopes(slope)
    return replace(point, pieces=states)


def arguments_of(program: Program, sums: list[int], x: Array) -> dict[int, Array]:
    """Arguments of all pieces: one pass over the returns, which sums of the same returns share."""
    products: dict[int, Array] = {}
    arguments, n = {}, program.n_assets
    for b in sums:
        p = program.pieces[b]
        assert p.map is not None, "pieces that settle are of returns"
        if id(p.map) not in products:
            products[id(p.map)] = p.map.apply(x[:n])
        arguments[b] = p.sign * products[id(p.map)] - p.offset + sum(c * x[n + j] for j, c in p.scalars.items())
    return arguments


def missed(p: Pieces, argument: Array, split: Split, point: Point) -> Array:
    """What each settled piece would add to the objective; of inequalities, by how much it is broken."""
    at_upper = split.slopes == p.upper
    distance = np.where(at_upper, p.curvature * p.top - argument, argument - p.curvature * p.lower)
    distance = np.maximum(distance, 0.0)
    distance[split.kept] = 0.0
    price = 1.0 if p.price is None else max(1.0, float(point.prices[p.price]))
    if p.has_upper:
        return np.asarray(price * (p.upper - p.lower) * distance)
    return np.asarray(price * distance**2 / (2 * p.curvature)) if np.any(p.curvature) else distance


def total(p: Pieces, missing: Array) -> float:
    """What a sum misses: all of it together; of inequalities, the worst."""
    return float(np.sum(missing) if p.has_upper or np.any(p.curvature) else np.max(missing, initial=0.0))
