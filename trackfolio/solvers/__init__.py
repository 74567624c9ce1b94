"""Solvers, in the order in which they are tried, and the one way through them: choose, solve, certify."""

import dataclasses
import time
import warnings
from typing import Any

from trackfolio.certificate import certify
from trackfolio.exceptions import (
    AccuracyWarning,
    InfeasibleError,
    SolverFailure,
    SolverFallbackWarning,
    UnsupportedProblemError,
)
from trackfolio.problem import Certificate, Problem, Solution
from trackfolio.solvers._base import Solver
from trackfolio.solvers._conflict import conflicting_terms
from trackfolio.solvers._multipliers import multipliers
from trackfolio.solvers.conic import Conic
from trackfolio.solvers.dense_qp import DenseQP

__all__ = ["REGISTRY", "Conic", "DenseQP", "Solver", "choose", "solve"]

#: The fastest first; the first whose needs the terms meet is taken.
REGISTRY: tuple[type[Solver], ...] = (DenseQP, Conic)

# Weights that break a limit by more than this are not returned, with or without a warning.
_USABLE = 1e-6


def choose(problem: Problem, solver: Solver | None = None) -> list[Solver]:
    """Solvers to try, in order: the given one alone, or all that can take the problem."""
    if solver is None:
        return [candidate for candidate in (cls() for cls in REGISTRY) if not candidate.lacking(problem)]
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
        If the limits contradict one another; the message names a smallest set that does.
    SolverFailure
        If every solver gave up.
    UnsupportedProblemError
        If the given solver cannot take the problem.

    Examples
    --------
    >>> import numpy as np
    >>> from trackfolio._position import Position
    >>> from trackfolio.problem import Problem
    >>> from trackfolio.risks import RootMeanSquare
    >>> from trackfolio.solvers import solve
    >>> X = np.array([[0.01, 0.02], [0.0, -0.02], [0.02, 0.01]])
    >>> position = Position(X, X @ [0.25, 0.75])
    >>> solve(Problem(["a", "b"], RootMeanSquare(), position, np.zeros(2), np.ones(2))).weights.round(9)
    array([0.25, 0.75])
    """
    start = time.perf_counter()
    candidates = choose(problem, solver)
    problem.check()
    reasons: list[str] = []
    for candidate in candidates:
        try:
            found = candidate.solve(problem)
            certificate = certify(problem, found)
            if certificate.primal_violation > _USABLE:
                raise SolverFailure(f"its weights break a limit by {certificate.primal_violation:.1e}")
        except InfeasibleError:
            terms = conflicting_terms(problem)
            if terms:
                raise InfeasibleError(_conflict_message(terms)) from None
            reasons.append(f"{type(candidate).__name__}: reported conflicting limits where there are none")
        except SolverFailure as error:
            reasons.append(f"{type(candidate).__name__}: {error}")
        else:
            if reasons:
                warnings.warn(
                    f"{type(candidate).__name__} took over: {'; '.join(reasons)}.",
                    SolverFallbackWarning,
                    stacklevel=2,
                )
            return _proven(problem, found, certificate, candidate.tolerance, start)
    terms = conflicting_terms(problem)
    if terms:
        raise InfeasibleError(_conflict_message(terms))
    raise SolverFailure(
        f"No solver found weights ({'; '.join(reasons)}). Check the scale of the data and loosen tight limits."
    )


def _proven(problem: Problem, found: Solution, certificate: Certificate, tolerance: float, start: float) -> Solution:
    good = certificate.gap <= tolerance and certificate.primal_violation <= tolerance
    if certificate.kind == "residuals":
        good = good and max(certificate.stationarity, certificate.complementarity) <= tolerance
    if not good:
        warnings.warn(
            f"{found.solver} returned weights with a gap of {certificate.gap:.1e} and a violation of "
            f"{certificate.primal_violation:.1e}, "
            f"above the tolerance of {tolerance:.0e}; see solution_.certificate.",
            AccuracyWarning,
            stacklevel=3,
        )
    found = dataclasses.replace(found, certificate=certificate, status="optimal" if good else "inaccurate")
    # The proof keeps what it needs only if it cannot be a bound: solutions stay small.
    point = found.cone_point if certificate.kind == "residuals" else None
    by_name: dict[str, Any] = multipliers(problem, found)
    return dataclasses.replace(found, multipliers=by_name, cone_point=point, seconds=time.perf_counter() - start)


def _conflict_message(terms: list[str]) -> str:
    return (
        f"No portfolio satisfies these limits together: {', '.join(terms)}. "
        "Without any one of them there is one: loosen or remove at least one."
    )
