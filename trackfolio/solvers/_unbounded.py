"""Whether weights without bounds improve the objective without end, where a solver cannot tell."""

import dataclasses
from collections.abc import Callable

import numpy as np

from trackfolio.exceptions import OptimizationError, UnboundedError
from trackfolio.problem import Problem
from trackfolio.solution import Solution

# Weights that go so far, and improve the objective all the way there, are said to go on without end.
_FAR = 1e4


def refuse_unbounded(problem: Problem, find: Callable[[Problem], tuple[Solution, list[str]]]) -> None:
    """Raise `UnboundedError` where the best weights within a large box, as `find` finds them, are at its end."""
    free = ~(np.isfinite(problem.lower) & np.isfinite(problem.upper))
    if not free.any():
        return
    # A finite bound of one side stays: the box begins there.
    far = _FAR * problem.unit
    lower = np.where(np.isfinite(problem.lower), problem.lower, np.minimum(0.0, problem.upper) - far)
    upper = np.where(np.isfinite(problem.upper), problem.upper, np.maximum(0.0, problem.lower) + far)
    try:
        w = find(dataclasses.replace(problem, lower=lower, upper=upper))[0].weights
    except OptimizationError:
        return  # undecided
    if np.any(free & (np.abs(w) > 0.5 * far)):
        raise UnboundedError("The objective can be improved without end: bound the weights or add a limit.")
