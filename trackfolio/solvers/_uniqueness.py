"""Whether other weights are as good, how far they are, and what would leave one answer."""

import contextlib
import dataclasses
from collections.abc import Iterator
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from trackfolio._position import Position
from trackfolio._validation import Array, warn
from trackfolio.certificate import is_provable
from trackfolio.exceptions import NonUniqueWarning
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers._face import Step, step_within_optima

# As good: by this share of what gaps are measured in; within the limits: by this share of the weights' unit.
_AS_GOOD, _WITHIN = 1e-9, 1e-9
# One-way turnover, in the unit of the weights, that is worth a warning.
_WORTH_SAYING = 1e-3
_HALVINGS = 12
_recorded: ContextVar[bool] = ContextVar("_recorded", default=False)


@contextlib.contextmanager
def uniqueness_recorded() -> Iterator[None]:
    """Within it, no warning says that an optimum is not unique: the caller does, of all of its fits at once."""
    token = _recorded.set(True)
    try:
        yield
    finally:
        _recorded.reset(token)


def with_freedom(problem: Problem, solution: Solution) -> Solution:
    """The solution with the freedom that it leaves; a warning where that is worth one."""
    freedom, other = _freedom(problem, solution)
    if other is not None and not _recorded.get():
        warn(_message(problem, solution.weights, other), NonUniqueWarning)
    return dataclasses.replace(solution, freedom=freedom, other_weights=other)


def warn_of_several(freedoms: list[float], fits: str, where: str) -> None:
    """Warn once of all fits that were made within `uniqueness_recorded`."""
    free = [freedom for freedom in freedoms if freedom > _WORTH_SAYING]
    if free:
        warn(
            f"In {len(free)} of {len(freedoms)} {fits} the optimum is not unique: other weights, a one-way turnover of "
            f"up to {max(free):.2%} away, are as good; see {where}. {_SPREAD}.",
            NonUniqueWarning,
        )


def _freedom(problem: Problem, solution: Solution) -> tuple[float, Array | None]:
    """One-way turnover to other weights as good, and these; 0 where there are none, NaN where it is not known."""
    unknown = np.nan, None
    decidable = solution.status == "optimal" and not problem.is_discrete and is_provable(problem)
    if not decidable or solution.row_duals is None:
        return unknown
    step = step_within_optima(problem, solution)
    if step.is_unique:
        return 0.0, None
    if step.is_nowhere:
        return unknown
    narrow = step.narrowed()
    steps, farthest, other = list(_far_steps(narrow)), 0.0, None
    for d in steps:
        tried = _as_good(problem, solution.weights, narrow, d)
        far = _one_way(tried - solution.weights)
        if far > max(farthest, _WORTH_SAYING * problem.unit):
            farthest, other = far, tried
    if other is not None:
        return farthest, other
    # Nowhere to go in two opposite directions, of which one is drawn at random: nowhere at all.
    all_known = step.is_complete and narrow is step and len(steps) == 2
    stays = all(_one_way(d) <= _WORTH_SAYING * problem.unit for d in steps)
    return (0.0, None) if all_known and stays else unknown


def _one_way(d: Array) -> float:
    return float(np.abs(d).sum()) / 2


def _far_steps(step: Step) -> Iterator[Array]:
    """Steps that lead far away: the largest one-way turnover, by a few linear programs, in two directions."""
    Z, n = step.directions, step.size
    A = np.vstack([Z[:n], step.G @ Z])
    low, high = np.concatenate([step.low, step.below]), np.concatenate([step.high, step.above])
    up, down = np.isfinite(high), np.isfinite(low)
    A_ub, b_ub = np.vstack([A[up], -A[down]]), np.concatenate([high[up], -low[down]])
    drawn = Z[:n] @ np.random.default_rng(0).standard_normal(Z.shape[1])
    for sign in (1.0, -1.0):
        along, best = sign * drawn, None
        for _ in range(3):
            found = linprog(-(along @ Z[:n]), A_ub=A_ub, b_ub=b_ub, bounds=(None, None), method="highs")
            if found.x is None:
                break
            d = Z[:n] @ found.x
            if best is not None and _one_way(d) <= _one_way(best) * (1 + 1e-6):
                break
            best, along = d, np.sign(d)
        if best is not None:
            yield best


def _as_good(problem: Problem, w: Array, step: Step, d: Array) -> Array:
    """The farthest of the weights on the way that are within all limits and as good: w itself where no others are."""
    most = problem.value(w) + _AS_GOOD * problem.gap_unit_at(problem.value(w))
    broken = max(problem.violation(w), _WITHIN)
    for k in range(_HALVINGS):
        v = w.copy()
        v[step.open] += d / 2**k
        v = np.clip(v, np.minimum(problem.lower, w), np.maximum(problem.upper, w))
        if problem.violation(v) <= broken and problem.value(v) <= most:
            return v
    return w


class _Cause(NamedTuple):
    why: str
    remedy: str


_SPREAD = "A small cost on concentration, costs=[L2(...)], makes it unique"


def _message(problem: Problem, w: Array, other: Array) -> str:
    d = other - w
    bought, sold = problem.names[int(np.argmax(d))], problem.names[int(np.argmin(d))]
    share = _one_way(d) / problem.unit
    why, remedy = _cause(problem, d)
    return (
        f"The optimum is not unique: other weights, a one-way turnover of {share:.2%} away, are as good (most of it "
        f"from {sold!r} to {bought!r}; solution_.other_weights has them).{why} {remedy}."
    )


def _cause(problem: Problem, d: Array) -> _Cause:
    """Why, where it is plain: columns that are the same, constant returns, no more periods than assets."""
    position = problem.portfolio
    if position.X is not None:
        moved = np.argsort(-np.abs(d), kind="stable")[: np.count_nonzero(np.abs(d) > 1e-3 * np.abs(d).max())]
        columns = position.rows[:, moved]
        if len(columns) > 1 and (np.ptp(columns, axis=0) == 0).all():
            return _Cause(" Their returns are constant.", f"Leave out what does not move. {_SPREAD}")
        alike = next((same for i in range(len(moved)) if len(same := _equal_to(columns, i)) > 1), None)
        if alike is not None:
            names = " and ".join(repr(problem.names[i]) for i in sorted(moved[alike[:2]]))
            return _Cause(f" The returns of {names} are the same.", f"Leave one out. {_SPREAD}")
    if position.has_means and (periods := _n_periods(position)) <= problem.n_assets:
        return _Cause(
            f" There are no more periods ({periods}) than assets ({problem.n_assets}).",
            f"{_SPREAD}; so does a covariance that is shrunk, as Variance(covariance=LedoitWolf())",
        )
    return _Cause("", _SPREAD)


def _equal_to(columns: Array, i: int) -> npt.NDArray[np.intp]:
    """Columns that are equal to one."""
    return np.flatnonzero((columns == columns[:, [i]]).all(axis=0))


def _n_periods(position: Position) -> int:
    return round(position.total_weight) if position.X is None else len(position.X)
