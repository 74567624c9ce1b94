"""Weights without bounds: a box that stands for none, and whether the objective improves without end."""

import dataclasses
from collections.abc import Callable

import numpy as np

from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds
from trackfolio.exceptions import OptimizationError, UnboundedError
from trackfolio.problem import Problem
from trackfolio.solution import Solution

# Weights that go so far are as good as free; nearer than half of it, a convex problem does not feel the box.
_FAR = 1e4
# In boxes that grow tenfold, what improves without end improves by ten times as much, or more: by so much at least.
_BOXES, _STEADY = (1e3, 1e4, 1e5), 5.0
# Improvements by less than this share of the scale are inaccuracies.
_NOTHING = 1e-6


def boxed(problem: Problem, far: float = _FAR) -> Problem:
    """The problem within a large box; bounds that there are stay, and the box begins at them."""
    far *= problem.unit
    lower = np.where(np.isfinite(problem.lower), problem.lower, np.minimum(0.0, problem.upper) - far)
    upper = np.where(np.isfinite(problem.upper), problem.upper, np.maximum(0.0, problem.lower) + far)
    return dataclasses.replace(problem, lower=lower, upper=upper)


def is_at_end(problem: Problem, w: Array) -> bool:
    """Whether weights without bounds go to the end of the box."""
    free = ~(np.isfinite(problem.lower) & np.isfinite(problem.upper))
    return bool(np.any(free & (np.abs(w) > 0.5 * _FAR * problem.unit)))


def refuse_unbounded(problem: Problem, find: Callable[[Problem], tuple[Solution, list[str]]]) -> None:
    """Raise `UnboundedError` where the least values in larger and larger boxes, by `find`, fall steadily."""
    if np.isfinite(problem.least_value) or np.isfinite(implied_bounds(problem)).all():
        return
    try:
        values = [find(boxed(problem, far))[0].objective for far in _BOXES]
    except OptimizationError:
        return  # undecided
    first, second = np.diff(values)
    if second < _STEADY * first < -_NOTHING * problem.scale:
        raise UnboundedError("The objective can be improved without end: bound the weights or add a limit.")
