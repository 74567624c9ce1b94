"""Weights without bounds: a box that stands for none, and whether the objective improves without end."""

import dataclasses
from collections.abc import Callable

import numpy as np

from trackfolio.exceptions import OptimizationError, UnboundedError
from trackfolio.problem import Problem
from trackfolio.solution import Solution

# Weights that go so far, and improve the objective all the way there, are said to go on without end.
_FAR = 1e4


def boxed(problem: Problem) -> Problem:
    """The problem within a large box; bounds that there are stay, and the box begins at them."""
    far = _FAR * problem.unit
    lower = np.where(np.isfinite(problem.lower), problem.lower, np.minimum(0.0, problem.upper) - far)
    upper = np.where(np.isfinite(problem.upper), problem.upper, np.maximum(0.0, problem.lower) + far)
    return dataclasses.replace(problem, lower=lower, upper=upper)


def refuse_unbounded(problem: Problem, find: Callable[[Problem], tuple[Solution, list[str]]]) -> None:
    """Raise `UnboundedError` where the best weights within the box, as `find` finds them, are at its end."""
    free = ~(np.isfinite(problem.lower) & np.isfinite(problem.upper))
    if not free.any():
        return
    try:
        w = find(boxed(problem))[0].weights
    except OptimizationError:
        return  # undecided
    if np.any(free & (np.abs(w) > 0.5 * _FAR * problem.unit)):
        raise UnboundedError("The objective can be improved without end: bound the weights or add a limit.")
