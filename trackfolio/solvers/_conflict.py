"""Which limits contradict one another."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from trackfolio._cone_form import cone_form
from trackfolio._constraint import GivenLimits
from trackfolio._functions import Summand
from trackfolio._search_proof import is_linearly_feasible
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers._unbounded import boxed, is_at_end

# Least values above a limit by no more than this, in its own scale, do not contradict it.
_TOLERANCE = 1e-9


#: A proven solution of a problem whose limits can be kept, or None.
Minimise = Callable[[Problem], Solution | None]


def conflicting_terms(problem: Problem, minimise: Minimise) -> list[str]:
    """Names of limits that no weights satisfy together, none to spare; empty where there are such weights.

    A deletion filter (Chinneck 2008): each limit is left out in turn, for good if the others still contradict one
    another.
    """
    own = ["budget", "min_weights", "max_weights"]
    names = [*own, *(name for name, _ in problem.constraints)]
    if _feasible(problem, names, minimise):
        return []
    # Constraints first: what contradicts the budget and the bounds alone is blamed alone.
    for name in [*names[len(own) :], *own]:
        rest = [other for other in names if other != name]
        if not _feasible(problem, rest, minimise):
            names = rest
    return names


def _feasible(problem: Problem, names: list[str], minimise: Minimise) -> bool:
    """Whether some weights satisfy the limits of these names."""
    n = problem.n_assets
    part = dataclasses.replace(
        problem,
        lower=problem.lower if "min_weights" in names else np.full(n, -np.inf),
        upper=problem.upper if "max_weights" in names else np.full(n, np.inf),
        budget=problem.budget if "budget" in names else (-np.inf, np.inf),
        constraints=[(name, term) for name, term in problem.constraints if name in names],
    )
    if any(part.other_terms()):
        return _cone_feasible(part)
    if not part.limits:
        return _linear_feasible(part)
    decided = _one_by_one(part, minimise)
    return _cone_feasible(part) if decided is None else decided


def _one_by_one(problem: Problem, minimise: Minimise) -> bool | None:
    """Whether limits on functions can be kept: the least value of each is compared with it, and the next one added.

    None where that is left open.
    """
    kept: list[tuple[str, Any]] = [(name, term) for name, term in problem.constraints if name not in problem.limits]
    box = boxed(problem)
    linear = dataclasses.replace(problem, constraints=kept)
    if not _linear_feasible(linear):
        return False
    for name, limits in problem.limits.items():
        for i, limit in enumerate(limits):
            objective = [Summand(f"{name}__{j}", c, f) for j, (c, f) in enumerate(limit.summands)]
            least = minimise(dataclasses.replace(box, objective=objective, constraints=kept))
            if least is None:
                return None
            if least.lower_bound > limit.bound + _TOLERANCE * limit.scale(problem.unit):
                return None if is_at_end(problem, least.weights) else False
            kept = [*kept, (f"{name}[{i}]", GivenLimits([limit]))]
    return True


def _linear_feasible(problem: Problem) -> bool:
    return is_linearly_feasible(problem, problem.lower, problem.upper)


def _cone_feasible(problem: Problem) -> bool:
    import cvxpy as cp

    program = cone_form(problem, with_objective=False).program
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Solution may be inaccurate", UserWarning)
            program.solve(solver=cp.CLARABEL)
    except cp.SolverError:
        return True  # undecided: a limit is only blamed for what was shown
    return program.status not in ("infeasible", "infeasible_inaccurate")
