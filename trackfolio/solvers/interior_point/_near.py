r"""Problems whose solution is roughly known: from a neighbour on a frontier, or from a sample of tall data.

Assets that the known weights do not hold are left out (see `_columns`), and so are scenarios that are far from a kink
at these weights (see `_scenarios`). At the solution of the rest, both are checked in one pass over the returns each,
and those that are missed join, until there are none.

Künzi-Bay & Mayer (2006) find the least CVaR by cuts from the same relaxation.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from trackfolio._validation import Array
from trackfolio.solution import Solution
from trackfolio.solvers.interior_point._columns import MOST_KEPT, Mask, without
from trackfolio.solvers.interior_point._method import Outcome
from trackfolio.solvers.interior_point._pieces import Pieces
from trackfolio.solvers.interior_point._program import Point, Program
from trackfolio.solvers.interior_point._scenarios import Split, arguments_of, can_settle, settled_slopes
from trackfolio.solvers.interior_point._shrinking import MOST_STEPS, Part, solve_by_parts, solve_shrinking
from trackfolio.solvers.interior_point._warm import inside, point_near

# A weight counts as held from this share of the largest; one whose price is below this share of their mean may be soon.
_HELD, _SOON = 1e-5, 0.1
# Scenarios nearest to a kink that are kept: so many for each asset held, and this share; sums of fewer keep all.
_FOR_EACH, _SHARE, _FEW = 6, 0.05, 300
# Parts that still miss something after so many rounds are given up for the whole.
_MOST_ROUNDS = 12


@dataclass(frozen=True)
class Known:
    """Weights near the solution; and what holding each of the other assets would cost, where a neighbour says it."""

    weights: Array
    prices: Array | None = None

    @classmethod
    def of(cls, solution: Solution, unit: float) -> Self:
        """What the solution of a neighbour says."""
        prices = solution.multipliers.get("min_weights")
        return cls(solution.weights / unit, prices)

    @property
    def held(self) -> Mask:
        """Assets that are held, or will be soon."""
        held = np.abs(self.weights) > _HELD * np.max(np.abs(self.weights))
        if self.prices is not None and not held.all():
            held |= self.prices < _SOON * np.mean(self.prices[~held])
        return np.asarray(held)


def solve_near(program: Program, tolerance: float, max_iter: int, known: Known) -> Outcome:
    """Solve on the assets that weights near the solution hold, the scenarios near a kink there, and those that join."""

    def on(part: Part, w: Array | None) -> Outcome:
        # The solution of a sample is too far away to begin there.
        near = known.weights if w is None else w
        start = None if known.prices is None or program.groups else _start(part, near)
        return solve_shrinking(part.program, tolerance, min(max_iter, MOST_STEPS), start)

    found, iterations = solve_by_parts(_part_near(program, known), tolerance, _MOST_ROUNDS, on)
    if found is None:
        found = solve_shrinking(program, tolerance, max_iter)
        iterations += found.iterations
    return found._replace(iterations=iterations)


def _start(part: Part, w: Array) -> Point:
    """First point of a part, for weights of the whole that are near the solution."""
    sums = [b for b, p in enumerate(part.program.pieces) if p.map is not None]
    return point_near(part.program, with_scalars(part.program, sums, inside(w[part.assets], float(w.sum()))))


def _part_near(program: Program, known: Known) -> Part:
    """Assets held, and scenarios near a kink."""
    near = known.weights
    assets = without(program, ~known.held)
    sums = [b for b, p in enumerate(program.pieces) if can_settle(p) and len(p.offset) > _FEW]
    splits = {}
    arguments = arguments_of(program, sums, with_scalars(program, sums, near)) if sums else {}
    for b in sums:
        split = _split(program.pieces[b], arguments[b], int(assets.sum()))
        if len(split.kept) <= MOST_KEPT * len(arguments[b]):
            splits[b] = split
    return Part(program, assets, splits)


def _split(p: Pieces, argument: Array, n_assets: int) -> Split:
    """The pieces nearest to a kink, and those that are curved where they are."""
    above = argument - p.curvature * p.upper if p.has_upper else np.full(len(argument), -np.inf)
    away = np.maximum(np.maximum(p.curvature * p.lower - argument, above), 0.0)
    size = int(np.count_nonzero(away == 0)) + max(_FOR_EACH * n_assets, int(_SHARE * len(away)))
    if size >= len(away):
        return Split(np.arange(len(away)), np.zeros(len(away)))
    kept = np.sort(np.argpartition(away, size)[:size])
    return Split(kept, settled_slopes(p, kept, above > 0))


def with_scalars(program: Program, sums: list[int], w: Array) -> Array:
    """Weights with scalars that fit them: means by their equations, thresholds of tails by their quantiles."""
    n = program.n_assets
    x = np.concatenate([w, np.zeros(len(program.cost) - n)])
    for row, value in zip(program.A, program.b, strict=True):
        own = np.flatnonzero(row[n:])
        if len(own) == 1:
            x[n + own[0]] = (value - row[:n] @ w) / row[n + own[0]]
    arguments = arguments_of(program, sums, x)
    for b in sums:
        p = program.pieces[b]
        linear = program.cost if p.price is None else program.limits[p.price][0]
        for j in p.scalars:
            if linear[n + j] > 0 and p.has_upper:
                order = np.argsort(-arguments[b])
                last = int(np.searchsorted(np.cumsum(p.upper[order]), linear[n + j]))
                x[n + j] = arguments[b][order[min(last, len(order) - 1)]]
            elif linear[n + j] > 0:
                x[n + j] = np.max(arguments[b])
    return x
