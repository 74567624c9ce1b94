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
import numpy.typing as npt

from trackfolio._validation import Array
from trackfolio.solvers.interior_point._columns import solve_shrinking
from trackfolio.solvers.interior_point._maps import Rows
from trackfolio.solvers.interior_point._method import Outcome
from trackfolio.solvers.interior_point._pieces import Pieces, PiecesState
from trackfolio.solvers.interior_point._program import Point, Program

Chosen = npt.NDArray[np.intp]

# Sums of fewer pieces, in all or per variable, are solved as they are; where the tail is known, fewer are many.
_TALL, _TALL_PER_VARIABLE, _TALL_NEAR = 4000, 8, 500
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
    arguments = _arguments(program, tall, x)
    for _ in range(_MOST_ROUNDS):
        chosen = {b: _active(program, arguments[b], margin) for b in tall}
        outcome = solve_shrinking(_restricted(program, chosen), aim, max_iter)
        iterations += outcome.iterations
        arguments = _arguments(program, tall, outcome.point.x)
        missing = sum(_left_out(program.pieces[b], arguments[b], chosen[b], outcome.point) for b in tall)
        if missing <= tolerance and aim <= tolerance:
            break
        margin = margin if missing < 0.5 * last else 2 * margin
        last, aim = missing, tolerance if missing <= _NEARLY else aim
    return Outcome(_expanded(program, outcome.point, chosen), iterations, max(outcome.miss, missing))


def _is_tall(program: Program, p: Pieces, near: Array | None) -> bool:
    n_x = len(program.cost)
    least = max(_TALL, _TALL_PER_VARIABLE * n_x) if near is None else max(_TALL_NEAR, 2 * _LEAST * n_x)
    return isinstance(p.map, Rows) and p.local is None and not p.lower.any() and len(p.offset) >= least


def _scalars(program: Program, tall: list[int], w: Array) -> Array:
    """Scalars for given weights: means by their equations, thresholds of tails by their quantiles."""
    n = program.n_assets
    x = np.concatenate([w, np.zeros(len(program.cost) - n)])
    for row, value in zip(program.A, program.b, strict=True):
        own = np.flatnonzero(row[n:])
        if len(own) == 1:
            x[n + own[0]] = (value - row[:n] @ w) / row[n + own[0]]
    arguments = _arguments(program, tall, x)
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
        pieces[b] = _part(p, rows, float(step))
    return solve_shrinking(replace(program, pieces=pieces), _ROUGH_SAMPLE, max_iter)


def _part(p: Pieces, rows: Chosen, weight: float = 1.0) -> Pieces:
    """Some pieces of a sum, each counted with a weight."""
    assert isinstance(p.map, Rows), "only rows are chosen from"
    return p.part(rows, Rows(p.map.matrix[rows], p.map.factor), weight)


def _arguments(program: Program, tall: list[int], x: Array) -> dict[int, Array]:
    """Arguments of all pieces: one pass over the returns, which sums of the same returns share."""
    products: dict[int, Array] = {}
    arguments, n = {}, program.n_assets
    for b in tall:
        p = program.pieces[b]
        assert p.map is not None, "tall sums are of returns"
        if id(p.map) not in products:
            products[id(p.map)] = p.map.apply(x[:n])
        arguments[b] = p.sign * products[id(p.map)] - p.offset + sum(c * x[n + j] for j, c in p.scalars.items())
    return arguments


def _active(program: Program, arguments: Array, margin: float) -> Chosen:
    """Pieces in the tail, and some more of the largest arguments."""
    in_tail = int(np.count_nonzero(arguments > 0))
    size = int(margin * max(in_tail, _LEAST * len(program.cost) / _MARGIN))
    if size >= len(arguments):
        return np.arange(len(arguments))
    return np.sort(np.argpartition(-arguments, size)[:size])


def _restricted(program: Program, chosen: dict[int, Chosen]) -> Program:
    """The problem with the chosen pieces, each sum with rows of its own."""
    pieces = list(program.pieces)
    for b, rows in chosen.items():
        pieces[b] = _part(pieces[b], rows)
    return replace(program, pieces=pieces)


def _left_out(p: Pieces, arguments: Array, chosen: Chosen, point: Point) -> float:
    """What the pieces that are left out would add to the objective; of inequalities, by how much one is broken."""
    xi = np.maximum(arguments, 0.0)
    xi[chosen] = 0.0
    price = 1.0 if p.price is None else max(1.0, float(point.prices[p.price]))
    if np.any(p.curvature):
        return price * float(np.sum(xi**2 / p.curvature)) / 2
    return price * float(p.upper @ xi) if p.has_upper else float(np.max(xi))


def _expanded(program: Program, point: Point, chosen: dict[int, Chosen]) -> Point:
    """The point with slopes of all pieces; what else belongs to them is not kept."""
    states = list(point.pieces)
    for b, rows in chosen.items():
        slope = np.zeros(len(program.pieces[b].offset))
        slope[rows] = states[b].slope
        states[b] = PiecesState.of_slopes(slope)
    return replace(point, pieces=states)
