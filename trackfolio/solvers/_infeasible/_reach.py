"""Whether limits can be kept, of any kind, and what each failure says about how far a limit has to give way."""

import time
import warnings
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from trackfolio._cone_form import cone_form
from trackfolio._functions import Limit, Summand
from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers._infeasible._draft import Draft
from trackfolio.solvers._infeasible._linear import LinearLimits, UnsettledError
from trackfolio.solvers._unbounded import boxed, is_at_end
from trackfolio.solvers.sparse._feasible import feasible_weights, unsupported_limits


class Minimise(Protocol):
    """Solution of a problem found in so many seconds, proven to a tolerance, or None where there is none."""

    def __call__(self, problem: Problem, seconds: float, tolerance: float = 1e-8) -> Solution | None:
        """Solve."""


# Least values above a limit by no more than this, in its own scale, do not contradict it.
_TOLERANCE = 1e-9
# What a mixed-integer solver says where it is done.
_SETTLED = ("optimal", "optimal_inaccurate", "infeasible")
# For one question about limits on what is held.
_SECONDS = 5.0


class Miss(NamedTuple):
    """A limit on a function that the others keep out of reach: its least value under them, and the multipliers."""

    key: str
    excess: float
    problem: Problem
    found: Solution


class Verdict(NamedTuple):
    """Whether there is a portfolio; None where that is not settled.

    Where there is none, whether linear limits and sums of absolute values alone exclude it, or else what is out of
    reach, if it is known; where there is one, its weights, if they were computed.
    """

    possible: bool | None
    miss: Miss | None = None
    is_linear: bool = False
    weights: Array | None = None


@dataclass
class Reach:
    """The questions that are asked, with the time that is left for them."""

    minimise: Minimise
    deadline: float
    #: Solution for the last limit of a kind, to begin with for the next.
    near: dict[str, Solution] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.deadline - time.perf_counter()

    def of(self, draft: Draft, *, is_linear_known: bool = False) -> Verdict:
        """Whether some portfolio keeps all limits of a draft; linear ones alone may be known to be kept by some."""
        if self.left <= 0:
            raise UnsettledError
        if not is_linear_known and not LinearLimits(draft).is_possible():
            return Verdict(False, is_linear=True)
        if draft.is_discrete:
            return self._of_few(draft, is_linear_known)
        if draft.others:
            return Verdict(_cone_feasible(draft.problem()))
        return self._of_functions(draft) if draft.convex else Verdict(True)

    def _of_functions(self, draft: Draft) -> Verdict:
        """The least value of each function is compared with its limit, and the next one added."""
        kept = dict(draft.limits)
        for key in draft.convex:
            del kept[key]
        for key, limit in draft.convex.items():
            found, part = self.least(replace(draft, limits=kept), key, limit)
            if found is None:
                return Verdict(_cone_feasible(draft.problem()))
            excess = found.lower_bound - limit.bound
            if excess > _TOLERANCE * limit.scale(draft.base.unit):
                if is_at_end(part, found.weights):
                    return Verdict(_cone_feasible(draft.problem()))
                return Verdict(False, Miss(key, excess, part, found))
            kept[key] = limit
            if all(_is_kept(other, found.weights, draft.base.unit) for other in draft.convex.values()):
                return Verdict(True, weights=found.weights)
        return Verdict(True)

    def least(self, others: Draft, key: str, limit: Limit) -> tuple[Solution | None, Problem]:
        """Least value of a function under other limits, and the problem without the box that stands for no bounds."""
        objective = [Summand(f"{key}__{j}", c, f) for j, (c, f) in enumerate(limit.summands)]
        part = replace(others.problem(), objective=objective, near=self.near.get(key))
        seconds = min(self.left, _SECONDS)
        found = self.minimise(part if others.is_discrete else boxed(part), seconds)
        if found is not None:
            self.near[key] = found
        return found, part

    def _of_few(self, draft: Draft, is_linear_known: bool) -> Verdict:
        problem = draft.in_trades().problem()
        relaxed = replace(draft, held=[], cardinality=None, min_position=None)
        relaxed.others = [pair for pair in draft.others if not pair[1].is_discrete]
        verdict = self.of(relaxed, is_linear_known=is_linear_known)
        if verdict.possible is False:
            return verdict
        if problem.holdings is not None and not unsupported_limits(problem):
            try:
                return Verdict(feasible_weights(problem, seconds=self.left, unit=draft.base.unit) is not None)
            except TimeoutError:
                return Verdict(None)
        # The least value of one function tells whether its limit can be kept, and whether all others can.
        key, limit = next(iter(draft.convex.items()), ("", None))
        if limit is None:
            return Verdict(self._has_any(problem))
        rest = {name: other for name, other in draft.limits.items() if name != key}
        found, _ = self.least(replace(draft, limits=rest), key, limit)
        if found is None:
            return Verdict(self._has_any(problem))
        slack = _TOLERANCE * limit.scale(draft.base.unit)
        if found.objective <= limit.bound + slack:
            return Verdict(True)
        return Verdict(False if found.lower_bound > limit.bound + slack else None)

    def _has_any(self, problem: Problem) -> bool | None:
        """Whether a mixed-integer solver finds some portfolio."""
        import cvxpy as cp

        if problem.holdings is not None:
            lower, upper = implied_bounds(problem)
            problem = replace(problem, lower=lower, upper=upper)
        program = cone_form(problem, with_objective=False).program
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            for options in (
                {"solver": "SCIPY", "scipy_options": {"time_limit": max(self.left, 1.0)}},
                {"solver": "SCIP", "scip_params": {"limits/time": max(self.left, 1.0)}},
            ):
                try:
                    program.solve(**options)
                except cp.SolverError:
                    continue  # it cannot take the problem, is not installed, or found nothing in time
                return None if program.status not in _SETTLED else program.status in ("optimal", "optimal_inaccurate")
        return None


def _is_kept(limit: Limit, w: Array, unit: float) -> bool:
    return limit.value(w) <= limit.bound + _TOLERANCE * limit.scale(unit)


def _cone_feasible(problem: Problem) -> bool | None:
    import cvxpy as cp

    program = cone_form(problem, with_objective=False).program
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Solution may be inaccurate", UserWarning)
            program.solve(solver=cp.CLARABEL)
    except cp.SolverError:
        return None
    known = {"optimal": True, "optimal_inaccurate": True, "infeasible": False, "infeasible_inaccurate": False}
    return known.get(program.status)
