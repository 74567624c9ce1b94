"""Contradictions that need no solver: bounds against one another, the budget and linear limits."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from trackfolio._constraint import names_of_rows
from trackfolio.exceptions import InfeasibleError


def check_bounds(problem: Any) -> None:
    """Raise where bounds cross, or leave no room for the budget."""
    if (problem.lower == np.inf).any() or (problem.upper == -np.inf).any():
        raise ValueError("min_weights of inf or max_weights of -inf can be met by no weights; use None for no bound.")
    crossed = np.flatnonzero(problem.lower > problem.upper)
    if len(crossed):
        i = int(crossed[0])
        raise InfeasibleError(
            f"min_weights of {problem.names[i]!r} is {problem.lower[i]:.10g}, above its max_weights of "
            f"{problem.upper[i]:.10g} ({len(crossed)} of {problem.n_assets} assets)."
        )
    least, most = float(problem.lower.sum()), float(problem.upper.sum())
    slack = 1e-12 * problem.unit
    if least > problem.budget[1] + slack:
        raise InfeasibleError(
            f"budget is at most {problem.budget[1]:.10g}, but min_weights add up to {least:.10g} already: lower "
            "min_weights or raise budget."
        )
    if most < problem.budget[0] - slack:
        raise InfeasibleError(
            f"budget is at least {problem.budget[0]:.10g}, but max_weights add up to only {most:.10g}: raise "
            "max_weights or lower budget."
        )


def check_row_reach(problem: Any, name: str) -> None:
    """Raise where the bounds alone leave a linear limit out of reach."""
    A, lower, upper = problem.linear
    part = problem.row_slices[name]
    rows = sp.csr_array(A[part])
    positive, negative = rows.maximum(0), rows.minimum(0)
    # Infinite bounds reach anything: the product of an absent coefficient and an infinity must not spoil the sum.
    box_lower, box_upper = np.maximum(problem.lower, -1e300), np.minimum(problem.upper, 1e300)
    least, most = (
        positive @ box_lower + negative @ box_upper,
        positive @ box_upper + negative @ box_lower,
    )
    slack = 1e-10 * problem.unit * (1 + np.abs(rows).sum(axis=1))
    for k in np.flatnonzero((least > upper[part] + slack) | (most < lower[part] - slack)):
        unit = problem.row_units[part][k]
        raise InfeasibleError(
            f"{name}{_which(problem, name, int(k), len(least))} asks for {unit * lower[part][k]:.6g} to "
            f"{unit * upper[part][k]:.6g}, but min_weights and max_weights alone allow only {unit * least[k]:.6g} to "
            f"{unit * most[k]:.6g}."
        )


def _which(problem: Any, name: str, k: int, count: int) -> str:
    """Of the rows of a term, the one that is meant: the group where there are groups."""
    labels = names_of_rows(dict(problem.constraints).get(name), problem.names)
    if labels:
        return f" of {labels[k]!r}"
    return f" (row {k})" if count > 1 else ""
