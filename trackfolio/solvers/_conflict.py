"""Which limits contradict one another."""

import dataclasses
import warnings

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from trackfolio._cone_form import cone_form
from trackfolio.problem import Problem


def conflicting_terms(problem: Problem) -> list[str]:
    """Names of limits that no weights satisfy together, none to spare; empty where there are such weights.

    A deletion filter (Chinneck 2008): each limit is left out in turn, for good if the others still contradict one
    another.
    """
    names = ["budget", "min_weights", "max_weights", *(name for name, _ in problem.constraints)]
    if _feasible(problem, names):
        return []
    for name in list(names):
        rest = [other for other in names if other != name]
        if not _feasible(problem, rest):
            names = rest
    return names


def _feasible(problem: Problem, names: list[str]) -> bool:
    """Whether some weights satisfy the limits of these names."""
    n = problem.n_assets
    part = dataclasses.replace(
        problem,
        lower=problem.lower if "min_weights" in names else np.full(n, -np.inf),
        upper=problem.upper if "max_weights" in names else np.full(n, np.inf),
        budget=problem.budget if "budget" in names else (-np.inf, np.inf),
        constraints=[(name, term) for name, term in problem.constraints if name in names],
    )
    linear = not part.limits and not any(part.other_terms())
    return _linear_feasible(part) if linear else _cone_feasible(part)


def _linear_feasible(problem: Problem) -> bool:
    A, lower, upper = problem.linear
    A = sp.csr_array(A)
    above, below = np.isfinite(upper), np.isfinite(lower)
    stacked = sp.vstack([A[np.flatnonzero(above)], -A[np.flatnonzero(below)]])
    result = scipy.optimize.linprog(
        np.zeros(problem.n_assets),
        A_ub=stacked,
        b_ub=np.concatenate([upper[above], -lower[below]]),
        bounds=np.column_stack([problem.lower, problem.upper]),
        method="highs",
    )
    return bool(result.status != 2)  # 2: infeasible; a limit is only blamed for what was shown


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
