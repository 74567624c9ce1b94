r"""Problems whose solution is roughly known: from a neighbour on a frontier, or from a sample of tall data.

Assets that the known weights do not hold are left out (see `_columns`), and so are scenarios that are far from a kink
at these weights (see `_scenarios`). At the solution of the rest, both are checked in one pass over the returns each,
and those that are missed join, until there are none.

Künzi-Bay & Mayer (2006) find the least CVaR by cuts from the same relaxation.
"""

import numpy as np

from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._columns import MANY, MOST_KEPT, can_leave
from trackfolio.solvers.interior_point._method import Outcome
from trackfolio.solvers.interior_point._pieces import Pieces
from trackfolio.solvers.interior_point._program import Program
from trackfolio.solvers.interior_point._scenarios import Split, arguments_of, can_settle, settled_slopes
from trackfolio.solvers.interior_point._shrinking import MOST_STEPS, Part, solve_shrinking

# A weight counts as held from this share of the largest.
_HELD = 1e-5
# Scenarios nearest to a kink that are kept: so many for each asset held, and this share; sums of fewer keep all.
_FOR_EACH, _SHARE, _FEW = 6, 0.05, 300
# Parts that still miss something after so many rounds are given up for the whole.
_MOST_ROUNDS = 12


def solve_near(program: Program, tolerance: float, max_iter: int, near: Array) -> Outcome:
    """Solve on the assets that weights near the solution hold, the scenarios near a kink there, and those that join."""
    part, iterations = _part_near(program, near), 0
    for _ in range(_MOST_ROUNDS):
        try:
            outcome = solve_shrinking(part.program, tolerance, min(max_iter, MOST_STEPS))
        except SolverFailure:
            break
        iterations += outcome.iterations
        if outcome.miss > max(1e-6, tolerance):
            break  # its multipliers tell nothing
        point, missing, part = part.expanded(outcome.point)
        if missing <= 10 * tolerance:
            return Outcome(point, iterations, max(outcome.miss, missing))
    outcome = solve_shrinking(program, tolerance, max_iter)
    return outcome._replace(iterations=iterations + outcome.iterations)


def _part_near(program: Program, near: Array) -> Part:
    """Assets held, and scenarios near a kink."""
    assets = np.ones(program.n_assets, dtype=bool)
    if len(near) >= MANY:
        assets = ~can_leave(program) | (np.abs(near) > _HELD * np.max(np.abs(near)))
        if not 0 < assets.mean() <= MOST_KEPT:
            assets[:] = True
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
