r"""Tall data: a method that touches few scenarios, and all of them for the proof.

Pieces of a tail that are far from it have the slope 0 and no part in the solution. Without them the problem has few
rows and a value that is no larger: it is a relaxation. At its solution the arguments of all pieces are computed, in one
pass over the returns. What those left out would add is how far the value at all scenarios is above that bound; they
join, and where there is nothing to add, all scenarios are solved. The method begins with a sample of the scenarios,
which tells roughly where the tail is.

Künzi-Bay & Mayer (2006) use the same relaxation with cuts for whole sets of scenarios.
"""

from dataclasses import replace

import numpy as np

from trackfolio._validation import Array
from trackfolio.solvers.interior_point._method import Outcome
from trackfolio.solvers.interior_point._pieces import Pieces
from trackfolio.solvers.interior_point._program import Program
from trackfolio.solvers.interior_point._scenarios import Chosen, Split, arguments_of, can_settle, missed, part, total, with_settled, without_settled
from trackfolio.solvers.interior_point._shrinking import solve_shrinking

# Sums of fewer pieces, in all or per variable, are solved as they are; where the tail is known, fewer are many.
_TALL, _TALL_PER_VARIABLE, _TALL_NEAR = 4000, 40, 500
# Rows of the sample and the least number of active ones, per variable; and how many there are for each in the tail.
_SAMPLE, _LEAST, _MARGIN = 20, 2, 2.0
# Accuracy of the sample's solution and of the first rounds; the last begin when no more than this is left out.
_ROUGH_SAMPLE, _ROUGH, _NEARLY = 1e-2, 1e-4, 2e-3
_MOST_ROUNDS = 30


def solve_actively(program: Program, tolerance: float, max_iter: int, near: Array | None = None) -> Outcome:
    """Solve with the scenarios of the tails alone where there are many others, else as it is.

    Weights near the solution, if there are such, tell where the tail is, in place of a sample.
    """
    tall = [b for b, p in enumerate(program.pieces) if _is_tall(program, p, near)]
    if not tall:
        return solve_shrinking(program, tolerance, max_iter)
    iterations, margin, last = 0, _MARGIN, np.inf
    aim = tolerance if near is not None else max(_ROUGH, tolerance)
    if near is None:
        outcome = _of_sample(program, tall, max_iter)
        iterations, x = outcome.iterations, outcome.point.x
    else:
        x = np.concatenate([near, _scalars(program, tall, near)])
    arguments = arguments_of(program, tall, x)
    for _ in range(_MOST_ROUNDS):
        splits = {b: _active(program, arguments[b], margin) for b in tall}
        outcome = solve_shrinking(without_settled(program, splits), aim, max_iter)
        iterations += outcome.iterations
        arguments = arguments_of(program, tall, outcome.point.x)
        missing = sum(
            total(program.pieces[b], missed(program.pieces[b], arguments[b], splits[b], outcome.point)) for b in tall
        )
        if missing <= tolerance and aim <= tolerance:
            break
        margin = margin if missing < 0.5 * last else 2 * margin
        last, aim = missing, tolerance if missing <= _NEARLY else aim
    return Outcome(with_settled(program, outcome.point, splits), iterations, max(outcome.miss, missing))


def _is_tall(program: Program, p: Pieces, near: Array | None) -> bool:
    n_x = len(program.cost)
    least = max(_TALL, _TALL_PER_VARIABLE * n_x) if near is None else max(_TALL_NEAR, 2 * _LEAST * n_x)
    return can_settle(p) and not p.lower.any() and len(p.offset) >= least


def _scalars(program: Program, tall: list[int], w: Array) -> Array:
    """Scalars for given weights: means by their equations, thresholds of tails by their quantiles."""
    n = program.n_assets
    x = np.concatenate([w, np.zeros(len(program.cost) - n)])
    for row, value in zip(program.A, program.b, strict=True):
        own = np.flatnonzero(row[n:])
        if len(own) == 1:
            x[n + own[0]] = (value - row[:n] @ w) / row[n + own[0]]
    arguments = arguments_of(program, tall, x)
    for b in tall:
        p = program.pieces[b]
        linear = program.cost if p.price is None else program.limits[p.price][0]
        for j in p.scalars:
            if linear[n + j] > 0 and p.has_upper:
                order = np.argsort(-arguments[b])
                last = int(np.searchsorted(np.cumsum(p.upper[order]), linear[n + j]))
                x[n + j] = arguments[b][order[min(last, len(order) - 1)]]
            elif linear[n + j] > 0:
                x[n + j] = np.max(arguments[b])
    return x[n:]


def _of_sample(program: Program, tall: list[int], max_iter: int) -> Outcome:
    """Solution for some of the scenarios, evenly spread, each standing for several."""
    pieces = list(program.pieces)
    for b in tall:
        p = pieces[b]
        step = max(len(p.offset) // max(_SAMPLE * len(program.cost), _TALL // 2), 1)
        rows = np.arange(0, len(p.offset), step)
        pieces[b] = part(p, rows, float(step))
    return solve_shrinking(replace(program, pieces=pieces), _ROUGH_SAMPLE, max_iter)


def _active(program: Program, arguments: Array, margin: float) -> Split:
    """Pieces in the tail, and some more of the largest arguments; the others have the slope 0."""
    in_tail = int(np.count_nonzero(arguments > 0))
    size = int(margin * max(in_tail, _LEAST * len(program.cost) / _MARGIN))
    if size >= len(arguments):
        size = len(arguments)
    kept = np.sort(np.argpartition(-arguments, size - 1)[:size])
    return Split(kept, np.zeros(len(arguments)))
