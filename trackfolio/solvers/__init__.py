"""Solvers, in the order in which they are tried, and the one way through them: choose, solve, certify."""

import dataclasses
import time
from collections.abc import Sequence

import numpy as np

from trackfolio._diagnosis import Diagnosis
from trackfolio._validation import warn
from trackfolio.certificate import certify
from trackfolio.exceptions import (
    AccuracyWarning,
    InfeasibleError,
    OptimizationError,
    SearchStoppedWarning,
    SolverFailure,
    SolverFallbackWarning,
    UnsupportedProblemError,
)
from trackfolio.problem import Problem
from trackfolio.solution import Certificate, Solution
from trackfolio.solvers._base import Solver
from trackfolio.solvers._infeasible import Search, contradiction, explain
from trackfolio.solvers._multipliers import multipliers
from trackfolio.solvers._unbounded import refuse_unbounded
from trackfolio.solvers._uniqueness import with_freedom
from trackfolio.solvers.conic import Conic
from trackfolio.solvers.dense_qp import DenseQP
from trackfolio.solvers.interior_point import InteriorPoint
from trackfolio.solvers.mixed_integer import MixedInteger
from trackfolio.solvers.sparse import Sparse

__all__ = ["REGISTRY", "Conic", "DenseQP", "InteriorPoint", "MixedInteger", "Solver", "Sparse", "choose", "solve"]

#: The fastest first; the first whose needs the terms meet is taken, of those that are not slow for the problem.
REGISTRY: tuple[type[Solver], ...] = (DenseQP, InteriorPoint, Conic, Sparse, MixedInteger)

# What ends a search, by `Solution.stopped_by`. A limit on nodes is no surprise: none is set unasked.
_ENDS = {"time": "its time_limit", "memory": "the memory that its nodes may take", "interrupt": "an interrupt"}

_ADVICE = " Check the scale of the data and loosen tight limits."

# Weights that break a limit by more than this are not returned, with or without a warning.
_USABLE = 1e-6


def choose(problem: Problem, solver: Solver | None = None) -> list[Solver]:
    """Solvers to try, in order: the given one alone, or all that can take the problem.

    Parameters
    ----------
    problem : Problem
        Data and terms.
    solver : Solver or None, default=None
        None for those of `REGISTRY`.

    Returns
    -------
    list of Solver
        At least one.

    Raises
    ------
    TypeError
        For what is no solver.
    UnsupportedProblemError
        If the given solver cannot take the problem, or none can.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.solvers import choose
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> [type(solver).__name__ for solver in choose(MinTrackingError(cardinality=5).make_problem(X, y))]
    ['Sparse', 'MixedInteger']
    """
    if solver is None:
        candidates = [cls() for cls in REGISTRY]
        able = [candidate for candidate in candidates if not candidate.lacking(problem)]
        if not able:
            general = Conic() if not problem.is_discrete else MixedInteger()
            raise UnsupportedProblemError(f"No solver can take this problem: {'; '.join(general.lacking(problem))}.")
        return sorted(able, key=lambda candidate: candidate.is_slow_for(problem))
    if not isinstance(solver, Solver):
        raise TypeError(f"solver must be None or a solver such as trackfolio.solvers.Conic(), got {solver!r}.")
    lacking = solver.lacking(problem)
    if lacking:
        raise UnsupportedProblemError(
            f"{type(solver).__name__} cannot take this problem: {'; '.join(lacking)}. Use solver=None for "
            "the automatic choice."
        )
    return [solver]


def solve(problem: Problem, solver: Solver | None = None) -> Solution:
    """Solve a problem and prove the answer.

    Parameters
    ----------
    problem : Problem
        Data and terms.
    solver : Solver or None, default=None
        None for the first of `REGISTRY` that can take the problem, with the next ones to fall back on.

    Returns
    -------
    Solution
        Weights, multipliers and certificate.

    Raises
    ------
    InfeasibleError
        If the limits contradict one another; its `explanation` names a set of which none can be spared, and how far
        each alone would have to give way.
    UnboundedError
        If the objective can be improved without end.
    SolverFailure
        If every solver gave up.
    UnsupportedProblemError
        If the given solver cannot take the problem.
    TypeError
        For what is no solver.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.solvers import Conic, solve
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> problem = MinTrackingError().make_problem(X, y)
    >>> solve(problem).solver, solve(problem, Conic()).solver
    ('DenseQP', 'Conic')
    """
    found, reasons = find(problem, solver)
    report(found, reasons)
    return with_freedom(problem, found)


def find(problem: Problem, solver: Solver | None = None) -> tuple[Solution, list[str]]:
    """Like `solve`, without its warnings: the solution, and what the solvers tried before it fell short of."""
    try:
        return _find(problem, solver)
    except InfeasibleError as error:
        raise _explained(problem, str(error), error.search if isinstance(error, _ConflictError) else None) from None


def _explained(problem: Problem, message: str, begun: Search | None) -> InfeasibleError:
    """The error with its explanation; what goes wrong in finding that one is said in it."""
    try:
        explanation = explain(problem, _minimum, (), begun)
    except Exception as error:
        explanation = Diagnosis(False, (), f"the explanation failed with {type(error).__name__}: {error}")
    if explanation.is_feasible is not False:
        why = explanation.reason or "the limits on what is held leave none, by the solver's word alone"
        explanation = Diagnosis(False, (), why)
    # Checks before any solver say already which numbers clash.
    said = f"{message} {explanation.ways}" if message else explanation.sentence
    return InfeasibleError(said.strip(), explanation)


def diagnosed(problem: Problem, order: Sequence[str] = ()) -> Diagnosis:
    """Whether there is a portfolio within all limits, and if there is none, why not."""
    try:
        problem.check()
    except InfeasibleError as error:
        found = explain(problem, _minimum, order)
        return found if found.conflict else Diagnosis(False, (), str(error).rstrip("."))
    return explain(problem, _minimum, order)


def _find(problem: Problem, solver: Solver | None) -> tuple[Solution, list[str]]:
    start = time.perf_counter()
    candidates = choose(problem, solver)
    problem.check()
    reasons: list[str] = []
    best: Solution | None = None
    for candidate in candidates:
        try:
            found = _certified(problem, candidate, may_refuse=not reasons)
        except _ConflictError:
            raise
        except InfeasibleError:
            if problem.is_discrete:
                raise InfeasibleError from None
            _refuse_contradiction(problem, is_reported=True)
            reasons.append(f"{type(candidate).__name__}: reported conflicting limits where there are none")
            continue
        except UnsupportedProblemError as error:
            if not reasons:
                raise
            reasons.append(f"{type(candidate).__name__}: {error}")
            continue
        except SolverFailure as error:
            reasons.append(f"{type(candidate).__name__}: {error}")
            continue
        best = _better(found, best)
        if best.status in ("optimal", "stopped"):
            break
        reasons.append(f"{found.solver}: {_shortfall(found)}")
    if best is None or best.status not in ("optimal", "stopped"):
        refuse_unbounded(problem, find)
    if best is None:
        advice = "" if any("time_limit" in reason for reason in reasons) else _ADVICE
        raise SolverFailure(f"No solver found weights ({'; '.join(reasons)}).{advice}")
    return dataclasses.replace(best, seconds=time.perf_counter() - start, fallbacks=tuple(reasons)), reasons


def _minimum(problem: Problem, seconds: float, tolerance: float = 1e-8) -> Solution | None:
    """Solution by the fastest solver, if it is proven; with limits on what is held, the best in so many seconds."""
    try:
        candidates = choose(problem)
    except UnsupportedProblemError:
        return None
    for solver in candidates:
        if hasattr(solver, "time_limit"):
            solver.time_limit = seconds
        solver.tolerance = max(solver.tolerance, tolerance)
        try:
            found = _certified(problem, solver)
        except InfeasibleError:
            return None
        except (OptimizationError, UnsupportedProblemError):
            continue
        if found.status in ("optimal", "stopped"):
            return found
    return None


class _ConflictError(InfeasibleError):
    """Limits that were shown to clash, with the search that showed it."""

    def __init__(self, search: Search | None) -> None:
        super().__init__()
        self.search = search


def _refuse_contradiction(problem: Problem, *, is_reported: bool) -> None:
    """Raise where limits are shown to clash, those on what is held left out.

    Where that cannot be asked, as of a constraint of one's own that fails, a solver that reported it is believed.
    """
    try:
        search = contradiction(problem.relaxed(), _minimum)
    except Exception:
        if is_reported:
            raise InfeasibleError from None
        return
    if search is not None:
        raise _ConflictError(None if problem.is_discrete else search)


def _certified(problem: Problem, solver: Solver, *, may_refuse: bool = False) -> Solution:
    """Best solution of one solver, with its proof, its status and multipliers by name.

    With `may_refuse`, limits that clash are an error after the first attempt that fails, before others try in vain.
    """
    best: Solution | None = None
    failure: SolverFailure | None = None
    for attempt in solver.attempts(problem):
        try:
            found = _proven(problem, attempt(), solver.tolerance)
        except SolverFailure as error:
            if may_refuse and failure is None:
                _refuse_contradiction(problem, is_reported=False)
            failure = failure or error
            continue
        best = _better(found, best)
        if best.status in ("optimal", "stopped"):
            break
    if best is None:
        assert failure is not None, "a solver makes one attempt at least"
        raise failure
    # The cone's point is only kept where the proof needs it: solutions stay small.
    point = best.cone_point if best.certificate and best.certificate.kind == "residuals" else None
    prices, note = multipliers(problem, best)
    return dataclasses.replace(best, multipliers=prices, multipliers_note=note, cone_point=point)


def _proven(problem: Problem, found: Solution, tolerance: float) -> Solution:
    if not np.isfinite(found.weights).all():
        raise SolverFailure("its weights are not finite")
    proof = certify(problem, found)
    if not proof.primal_violation <= _USABLE:
        raise SolverFailure(f"its weights break a limit by {proof.primal_violation:.1e}")
    status = "optimal" if _miss(proof) <= tolerance else "stopped" if found.stopped_by else "inaccurate"
    return dataclasses.replace(found, certificate=proof, status=status)


def _miss(proof: Certificate | None) -> float:
    """What a proof misses: gap, violation and residuals, the largest of them."""
    assert proof is not None, "it was certified"
    residuals = [abs(r) for r in (proof.stationarity, proof.complementarity) if r is not None]
    worst = float(np.max([abs(proof.gap), proof.primal_violation, *residuals]))
    return np.inf if np.isnan(worst) else worst


def _better(found: Solution, best: Solution | None) -> Solution:
    """The one that misses less, the earlier one where both are as good."""
    return found if best is None or _miss(found.certificate) < _miss(best.certificate) else best


def _shortfall(solution: Solution) -> str:
    proof = solution.certificate
    parts = [f"a gap of {solution.gap:.1e} and a violation of {solution.primal_violation:.1e}"]
    if proof is not None and proof.stationarity is not None and proof.complementarity is not None:
        parts.append(f"residuals of {max(proof.stationarity, proof.complementarity):.1e}")
    return " and ".join(parts)


def report(best: Solution, reasons: list[str]) -> None:
    """Warn of what was not as it should be."""
    if best.status == "inaccurate":
        warn(
            f"{best.solver} returned weights with {_shortfall(best)}, above its tolerance; see solution_.certificate.",
            AccuracyWarning,
        )
    elif best.stopped_by in _ENDS and best.status == "stopped":
        warn(
            f"{best.solver} was ended by {_ENDS[best.stopped_by]} before it had a proof: the best portfolio "
            f"so far is returned, with a gap of {best.gap:.2g}. Give it more, or a larger tolerance.",
            SearchStoppedWarning,
        )
    elif reasons:
        warn(f"{best.solver} took over: {'; '.join(reasons)}.", SolverFallbackWarning)
