"""Tall data: a sample tells roughly where the solution is, and few of all scenarios are near a kink there.

Samples of tall data are tall themselves: each is solved from a smaller one, down to one that is solved as it is.
"""

from dataclasses import replace

from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._method import Outcome
from trackfolio.solvers.interior_point._near import Known, solve_near
from trackfolio.solvers.interior_point._program import Program
from trackfolio.solvers.interior_point._scenarios import can_settle, part
from trackfolio.solvers.interior_point._shrinking import MOST_STEPS, solve_shrinking

# Sums of fewer pieces, in all or per variable, are solved as they are; every so many of more make the sample.
_TALL, _TALL_PER_VARIABLE, _EVERY = 4000, 8, 8
# Accuracy of the sample's solution: aimed at, and needed to tell anything.
_ROUGH, _USABLE = 1e-3, 1e-1


def solve(program: Program, tolerance: float, max_iter: int, near: Known | None = None) -> Outcome:
    """Solve near a known solution, or from a sample of tall data, or as it is.

    Reduce residuals and products below the tolerance; the outcome says by how much they miss.
    """
    if near is not None:
        return solve_near(program, tolerance, max_iter, near)
    tall = [b for b, p in enumerate(program.pieces) if can_settle(p) and len(p.offset) >= _tall(program)]
    if not tall:
        return solve_shrinking(program, tolerance, max_iter)
    try:
        sample = solve(_sample(program, tall), max(_ROUGH, tolerance), min(max_iter, MOST_STEPS))
    except SolverFailure:
        return solve_shrinking(program, tolerance, max_iter)
    if sample.miss > _USABLE:  # as where the sample cannot keep the limits
        outcome = solve_shrinking(program, tolerance, max_iter)
        return outcome._replace(iterations=sample.iterations + outcome.iterations)
    outcome = solve_near(program, tolerance, max_iter, Known(sample.point.x[: program.n_assets]))
    return outcome._replace(iterations=sample.iterations + outcome.iterations)


def _tall(program: Program) -> int:
    return max(_TALL, _TALL_PER_VARIABLE * len(program.cost))


def _sample(program: Program, tall: list[int]) -> Program:
    """The problem with some of the scenarios, evenly spread, each standing for several."""
    pieces = list(program.pieces)
    for b in tall:
        pieces[b] = part(pieces[b], slice(None, None, _EVERY), float(_EVERY))
    return replace(program, pieces=pieces)
