"""Problems like one that is solved: a neighbour on a frontier, the next step of a ratio."""

import numpy as np

from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._active import solve_actively
from trackfolio.solvers.interior_point._columns import MANY, MOST_KEPT, can_leave, expanded, restricted
from trackfolio.solvers.interior_point._method import Outcome
from trackfolio.solvers.interior_point._program import Program

# A weight counts as held from this share of the largest.
_HELD = 1e-5
# Where assets that are left out are needed to keep the limits, more steps are in vain.
_MOST_ROUNDS, _MOST_STEPS = 12, 40


def solve_near(program: Program, tolerance: float, max_iter: int, near: Array | None) -> Outcome:
    """Solve on the assets held by weights near the solution and those that join, and on the scenarios of their tail.

    Without such weights, or where they hold most assets, on all.
    """
    leave = can_leave(program)
    if near is None or len(near) < MANY or not leave.any():
        return solve_actively(program, tolerance, max_iter, near)
    kept, iterations = ~leave | (np.abs(near) > _HELD * np.max(np.abs(near))), 0
    for _ in range(_MOST_ROUNDS):
        if not 0 < kept.mean() <= MOST_KEPT:
            break
        try:
            outcome = solve_actively(restricted(program, kept), tolerance, min(max_iter, _MOST_STEPS), near[kept])
        except SolverFailure:
            break
        iterations += outcome.iterations
        if outcome.miss > 1e-6:
            break  # its multipliers tell nothing
        point, missing = expanded(program, outcome.point, kept)
        if missing.max() <= 10 * tolerance:
            return Outcome(point, iterations, max(outcome.miss, float(missing.max())))
        near = point.x[: program.n_assets]
        kept |= missing > 0.1 * missing.max()
    outcome = solve_actively(program, tolerance, max_iter, near)
    return outcome._replace(iterations=iterations + outcome.iterations)
