"""Multipliers in the user's words: by name of the limit, in units of the declared objective."""

from typing import Any

import numpy as np

from trackfolio.certificate import reduced_costs
from trackfolio.problem import Problem, Solution

# Below this share of its scale, a root (an RMSE) is 0 for all that rounding can tell, and has no derivative.
_ZERO = 1e-9


def multipliers(problem: Problem, solution: Solution) -> dict[str, Any]:
    """By name: improvement of the objective per unit of relaxation, at least 0; of equalities, of increase."""
    if problem.risk.is_root and solution.objective <= _ZERO * problem.scale:
        return {}
    result: dict[str, Any] = {}
    if solution.row_duals is not None:
        _, lower, upper = problem.linear
        # The objective falls when a lower limit falls or an upper one rises: both count as relaxation.
        signed = np.where(lower == upper, -solution.row_duals, np.abs(solution.row_duals))
        for name, part in problem.row_slices.items():
            result[name] = float(signed[part][0]) if part.stop - part.start == 1 else signed[part]
        if problem.risk.has_gradient and not list(problem.other_terms()):
            slope, w = reduced_costs(problem, solution), solution.weights
            near = 1e-7 * (1 + np.abs(w))
            result["min_weights"] = np.where(w <= problem.lower + near, np.maximum(slope, 0.0), 0.0)
            result["max_weights"] = np.where(w >= problem.upper - near, np.maximum(-slope, 0.0), 0.0)
    return (
        result
        | {name: abs(nu) for name, nu in solution.absolute_duals.items()}
        | {name: value for name, value in solution.multipliers.items() if name not in solution.absolute_duals}
    )
