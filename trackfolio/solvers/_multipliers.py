"""Multipliers in the user's words: by name of the limit, in units of the declared objective."""

from typing import Any

import numpy as np

from trackfolio._terms import offers
from trackfolio._validation import Array
from trackfolio.certificate import is_provable, reduced_costs
from trackfolio.problem import Problem
from trackfolio.solution import Solution

# Below this share of its scale, a root (an RMSE) is 0 for all that rounding can tell, and has no derivative.
_ZERO = 1e-9


def multipliers(problem: Problem, solution: Solution) -> tuple[dict[str, Any], str]:
    """By name: improvement of the objective per unit of relaxation, at least 0; of equalities, of increase.

    And what has to be known of them: why there are none, or when they hold; "" where nothing has.
    """
    reason = _why_none(problem, solution)
    if reason:
        return {}, reason
    assert solution.row_duals is not None, "without them there is a reason why there are none"
    rows = _of_rows(problem, solution.row_duals).items()
    result = {name: _in_own_units(problem, solution.weights, name, prices) for name, prices in rows}
    if is_provable(problem):
        result |= _of_bounds(problem, solution)
    result |= {name: abs(nu[0]) if len(nu) == 1 else np.abs(nu) for name, nu in solution.limit_duals.items()}
    result |= {name: duals[0] if len(duals) == 1 else duals for name, duals in solution.other_duals.items()}
    if problem.is_discrete:
        return result, "The multipliers hold for the names as they are held: other names are no matter of small steps."
    if not is_provable(problem):
        return (
            result,
            "min_weights and max_weights have no multipliers: a term gives nothing that they follow from.",
        )
    return result, ""


def _why_none(problem: Problem, solution: Solution) -> str:
    if problem.is_root and solution.objective <= _ZERO * problem.scale:
        return "There are no multipliers: the objective is 0, where a root has no derivative."
    if problem.is_discrete and solution.proof is None:
        return "There are no multipliers: the weights follow from whole numbers, which small steps do not change."
    if solution.row_duals is None:
        return f"There are no multipliers: {solution.solver} returned none."
    return ""


def _in_own_units(problem: Problem, w: Array, name: str, prices: Any) -> Any:
    """Per unit of the parameters of a constraint, where its rows are in other units."""
    term: Any = dict(problem.constraints).get(name)
    return term.in_own_units(problem, w, prices) if offers(term, "in_own_units") else prices


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
    # With few names, prices are those of the names that are held, or could be held as well.
    open_ = (w != 0) | problem.holdings.room(w)
    bounds = {name: np.where(open_, prices, 0.0) for name, prices in bounds.items()}
    least = problem.holdings.least
    if (least > 0).any():
        at_least = (w != 0) & (least > 0) & (np.abs(w) <= least + near)
        bounds["min_position"] = np.where(at_least, np.maximum(np.where(w > 0, down, up), 0.0), 0.0)
    return bounds
