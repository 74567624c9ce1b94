"""Solvers, in the order in which they are tried, and the one way through them: choose, solve, certify."""

import dataclasses
import time

import numpy as np
import scipy.sparse as sp

from trackfolio._functions import Linear, Summand
from trackfolio._terms import offers
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
from trackfolio.solvers._conflict import conflicting_terms
from trackfolio.solvers._multipliers import multipliers
from trackfolio.solvers._unbounded import refuse_unbounded
from trackfolio.solvers._uniqueness import with_freedom
from trackfolio.solvers.conic import Conic
from trackfolio.solvers.dense_qp import DenseQP
from trackfolio.solvers.interior_point import InteriorPoint
from trackfolio.solvers.mixed_integer import MixedInteger
from trackfolio.solvers.sparse import Sparse
from trackfolio.solvers.sparse._feasible import conflicting_limits, own_limits

__all__ = ["REGISTRY", "Conic", "DenseQP", "InteriorPoint", "MixedInteger", "Solver", "Sparse", "choose", "solve"]

#: The fastest first; the first whose needs the terms meet is taken, of those that are not slow for the problem.
REGISTRY: tuple[type[Solver], ...] = (DenseQP, InteriorPoint, Conic, Sparse, MixedInteger)

# What ends a search, by `Solution.stopped_by`. A limit on nodes is no surprise: none is set unasked.
_ENDS = {"time": "its time_limit", "memory": "the memory that its nodes may take", "interrupt": "an interrupt"}

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
        If the limits contradict one another; the message names a set of which none can be spared.
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
    start = time.perf_counter()
    candidates = choose(problem, solver)
    problem.check()
    reasons: list[str] = []
    best: Solution | None = None
    for candidate in candidates:
        try:
            found = _certified(problem, candidate)
        except InfeasibleError:
            refuse_conflicts(problem.relaxed())
            if problem.is_discrete:
                raise InfeasibleError(_discrete_message(problem)) from None
            reasons.append(f"{type(candidate).__name__}: reported conflicting limits where there are none")
            continue
        except UnsupportedProblemError as error:
            if not reasons:
                raise
            reasons.append(f"{type(candidate).__name__}: {error}")
            continue
        except SolverFailure as error:
            if not reasons:  # before others try in vain
                refuse_conflicts(problem.relaxed())
            reasons.append(f"{type(candidate).__name__}: {error}")
            continue
        best = _better(found, best)
        if best.status in ("optimal", "stopped"):
            break
        reasons.append(f"{found.solver}: {_shortfall(found)}")
    if best is None or best.status not in ("optimal", "stopped"):
        refuse_unbounded(problem, find)
    if best is None:
        raise SolverFailure(
            f"No solver found weights ({'; '.join(reasons)}). Check the scale of the data and loosen tight limits."
        )
    return dataclasses.replace(best, seconds=time.perf_counter() - start), reasons


def refuse_conflicts(problem: Problem) -> None:
    """Raise `InfeasibleError` where limits contradict one another, with a set of which none can be spared."""
    terms = conflicting_terms(problem, _minimum)
    if terms:
        raise InfeasibleError(_conflict_message(problem, terms)) from None


def _minimum(problem: Problem) -> Solution | None:
    """Solution by the fastest solver, if it is proven."""
    try:
        found = _certified(problem, choose(problem)[0])
    except OptimizationError:
        return None
    return found if found.status == "optimal" else None


def _certified(problem: Problem, solver: Solver) -> Solution:
    """Best solution of one solver, with its proof, its status and multipliers by name."""
    best: Solution | None = None
    failure: SolverFailure | None = None
    for attempt in solver.attempts(problem):
        try:
            found = _proven(problem, attempt(), solver.tolerance)
        except SolverFailure as error:
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


def _conflict_message(problem: Problem, terms: list[str], within: str = "") -> str:
    together = ", ".join(terms) + within
    if len(terms) == 1:
        message = f"No portfolio satisfies this limit: {together}."
    else:
        message = (
            f"No portfolio satisfies these limits together: {together}. "
            "Without any one of them there is one: loosen or remove at least one."
        )
    return " ".join([message, *_all_reachable(problem, terms)])


def _all_reachable(problem: Problem, names: list[str]) -> list[str]:
    return [sentence for name in names for sentence in _reachable(problem, name) if sentence]


def _discrete_message(problem: Problem) -> str:
    """What no portfolio of few names satisfies, and what could be reached."""
    within = ", within budget, min_weights and max_weights"
    names = conflicting_limits(problem)
    if names:
        return _conflict_message(problem, names, within)
    # Not by linear programs: the names are too few for one of the other limits.
    names = own_limits(problem)
    names += [name for name, term in problem.constraints if term.is_discrete or offers(term, "holdings")]
    names += list(problem.limits)
    message = f"No portfolio satisfies these limits together: {', '.join(names)}{within}. Loosen at least one."
    return " ".join([message, *_all_reachable(problem, names)])


def _reachable(problem: Problem, name: str) -> list[str]:
    """Sentence on the smallest or largest value that a limit could have, all other limits as they are."""
    others = dataclasses.replace(problem, constraints=[(n, term) for n, term in problem.constraints if n != name])
    limits, rows = problem.limits.get(name, []), problem.row_slices.get(name, slice(0, 0))
    if len(limits) == 1:
        limit = limits[0]
        sign = -1.0 if isinstance(limit.summands[0][1], Linear) else 1.0  # a net return is limited from below
        objective = [Summand(f"{name}__{i}", c, function) for i, (c, function) in enumerate(limit.summands)]
        asked = [(sign, sign * limit.bound, objective)]
    elif name != "budget" and rows.stop - rows.start == 1:
        unit = float(problem.row_units[rows][0])
        A, lower, upper = (part[rows] for part in problem.linear)
        slope = unit * (A.toarray() if sp.issparse(A) else A)[0]
        sides = [(1.0, unit * float(upper[0])), (-1.0, unit * float(lower[0]))]
        asked = [(sign, bound, [Summand(name, 1.0, Linear(sign * slope))]) for sign, bound in sides]
    else:
        return []
    return [_reached(others, name, *each) for each in asked]


def _reached(others: Problem, name: str, sign: float, bound: float, objective: list[Summand]) -> str:
    if not np.isfinite(bound):
        return ""
    try:
        least = sign * find(dataclasses.replace(others, objective=objective))[0].objective
    except OptimizationError:
        return ""  # the others alone contradict one another, or no least value was found
    if sign * (least - bound) <= 0:
        return ""  # not this side
    end = "smallest" if sign > 0 else "largest"
    return f"The {end} reachable {name} is {least:.6g}; {bound:.6g} was asked for."
