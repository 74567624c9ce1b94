"""Multipliers in the user's words: by name of the limit, in units of the declared objective."""

from typing import Any

import numpy as np

from trackfolio._validation import Array
from trackfolio.certificate import reduced_costs
from trackfolio.problem import Problem
from trackfolio.solution import Solution

# Below this share of its scale, a root (an RMSE) is 0 for all that rounding can tell, and has no derivative.
_ZERO = 1e-9


def multipliers(problem: Problem, solution: Solution) -> dict[str, Any]:
    """By name: improvement of the objective per unit of relaxation, at least 0; of equalities, of increase."""
    if problem.is_root and solution.objective <= _ZERO * problem.scale:
        return {}
    result: dict[str, Any] = {}
    if solution.row_duals is not None:
        result |= _of_rows(problem, solution.row_duals)
        if solution.certificate is not None and solution.certificate.kind == "bound":
            result |= _of_bounds(problem, solution)
    result |= {name: abs(nu[0]) if len(nu) == 1 else np.abs(nu) for name, nu in solution.limit_duals.items()}
    return result | {name: duals[0] if len(duals) == 1 else duals for name, duals in solution.other_duals.items()}


def _of_rows(problem: Problem, duals: Array) -> dict[str, Any]:
    _, lower, upper = problem.linear
    # The objective falls when a lower limit falls or an upper one rises: both count as relaxation.
    signed = np.where(lower == upper, -duals, np.abs(duals)) / problem.row_units
    parts = {name: signed[part] for name, part in problem.row_slices.items()}
    return {name: float(part[0]) if len(part) == 1 else part for name, part in parts.items()}


def _of_bounds(problem: Problem, solution: Solution) -> dict[str, Any]:
    """What a lower minimum or a higher maximum of each weight at its bound would gain."""
    (slope, sums), w = reduced_costs(problem, solution), solution.weights
    down, up = slope.copy(), -slope
    near = 1e-7 * (problem.unit + np.abs(w))
    for nu, s in sums:
        # Moving away from the centre costs, moving toward it gains; at the centre, both ways lead away.
        down += nu * np.where(w > s.centre + near, s.up, -s.down)
        up += nu * np.where(w < s.centre - near, s.down, -s.up)
    bounds = {
        "min_weights": np.where(w <= problem.lower + near, np.maximum(down, 0.0), 0.0),
        "max_weights": np.where(w >= problem.upper - near, np.maximum(up, 0.0), 0.0),
    }
    if problem.holdings is None:
        return bounds
    # With few names, prices are those of the names that are held.
    bounds = {name: np.where(w != 0, prices, 0.0) for name, prices in bounds.items()}
    least = problem.holdings.least
    if (least > 0).any():
        at_least = (w != 0) & (least > 0) & (np.abs(w) <= least + near)
        bounds["min_position"] = np.where(at_least, np.maximum(np.where(w > 0, down, up), 0.0), 0.0)
    return bounds
