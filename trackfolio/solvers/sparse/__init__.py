"""Few names, with a proof: search, bounds, and branch and bound for quadratic risks."""

from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from trackfolio._validation import Array
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers._base import Solver, solutions
from trackfolio.solvers.dense_qp import DenseQP
from trackfolio.solvers.interior_point import InteriorPoint
from trackfolio.solvers.sparse._feasible import unsupported_limits
from trackfolio.solvers.sparse._program import Program

__all__ = ["Sparse"]

# Share of the tolerance at which parts are done with: rounding in the proof takes some of the rest.
_SAFETY = 0.9


class Sparse(Solver):
    r"""Quadratic risks with limits on what is held: at most K names, least positions, names of each group.

    .. math::

        \min_w\; w'Qw - 2h'w \quad\text{s.t.}\quad |\{i : w_i \ne 0\}| \le K,\;
        w_i \ne 0 \Rightarrow |w_i| \ge \ell_i,\; \text{linear limits}

    with proportional costs and limits on the turnover, if there are any. A search finds an excellent portfolio in
    milliseconds (elimination from the relaxation, exchanges of names by updated inverses, restarts). Relaxations bound
    what any portfolio can reach: for long-only, fully invested ones the doubly nonnegative relaxation, else the
    perspective relaxation. Branch and bound closes the gap between the two, or narrows it until a limit ends it; that
    is a normal outcome: `solution_.gap` says how far the portfolio may be from the best one, and `solution_.status`
    is "optimal" only where it is proven to be within the tolerance. The proof holds whatever the search did: it
    is checked from the data (`trackfolio.certificate.certify`).

    The search does not depend on the machine or its load unless the time limit ends it.

    Parameters
    ----------
    tolerance : float, default=1e-6
        Gap (relative) at which a portfolio counts as optimal.
    time_limit : float or None, default=60.0
        Seconds after which the best portfolio so far is returned.
    node_limit : int or None, default=None
        Largest number of parts into which the portfolios are split; 0 for search and first bound alone.
    random_state : int, RandomState instance or None, default=0
        For the restarts of the search.
    progress : bool, default=True
        Show objective, bound and gap on a terminal (stderr), when it takes more than three seconds.

    Raises
    ------
    ValueError
        From `fit`, for a tolerance or limit that is no number of at least 0.

    References
    ----------
    .. [1] Beasley, Meade & Chang (2003), An evolutionary heuristic for the index tracking problem, European Journal of
       Operational Research 148.
    .. [2] Frangioni & Gentile (2006), Perspective cuts for a class of convex 0-1 mixed integer programs, Mathematical
       Programming 106.
    .. [3] Burer (2009), On the copositive representation of binary and continuous nonconvex quadratic programs,
       Mathematical Programming 120.
    .. [4] Zheng, Sun & Li (2014), Improving the performance of MIQP solvers for quadratic programs with cardinality and
       minimum threshold constraints, INFORMS Journal on Computing 26.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> model = MinTrackingError(cardinality=5).fit(X, y)
    >>> model.solution_.status, int((model.weights_ > 0).sum())
    ('optimal', 5)
    """

    needs_of_constraints = ("rows", "limits", "holdings")
    takes_holdings = True

    def __init__(
        self,
        tolerance: float = 1e-6,
        time_limit: float | None = 60.0,
        node_limit: int | None = None,
        random_state: int | np.random.RandomState | None = 0,
        progress: bool = True,
    ) -> None:
        self.tolerance = tolerance
        self.time_limit = time_limit
        self.node_limit = node_limit
        self.random_state = random_state
        self.progress = progress

    def lacking(self, problem: Problem) -> list[str]:
        """Sentences that say what keeps this solver from the problem; empty if nothing does."""
        self._check()
        if problem.holdings is None:
            return ["there is no limit on what is held"]
        sentences = super().lacking(problem)
        if problem.split is None:
            sentences.append("the objective is no quadratic form with proportional costs, nor the root of one alone")
        sentences += [
            f"{name} is neither linear nor a limit on absolute values" for name in unsupported_limits(problem)
        ]
        return sentences

    def _check(self) -> None:
        """Refuse parameters that make no sense."""
        for name, none_is_fine in (("tolerance", False), ("time_limit", True), ("node_limit", True)):
            value: Any = getattr(self, name)
            number = isinstance(value, Real) and float(value) >= 0
            if not (number or (none_is_fine and value is None)):
                raise ValueError(f"Sparse.{name} must be a number of at least 0, got {value!r}.")

    def solve(self, problem: Problem) -> Solution:
        """Search, bound, split, and polish the best portfolio."""
        from trackfolio.solvers.sparse._method import Clock, Method  # compiled code is loaded only here

        clock = Clock(self.time_limit, self.node_limit, self.progress)
        generator = check_random_state(self.random_state)
        program = Program.of(problem)
        found = Method(program, self._cutoff(problem), clock, generator).run()
        return replace(
            _polished(program, found.w),
            solver=type(self).__name__,
            nodes=found.nodes,
            stopped_by=found.stopped_by,
            proof=found.proof,
        )

    def _cutoff(self, problem: Problem) -> Callable[[float], float]:
        """The bound (of the square, for a root) from which on a portfolio is within the tolerance of the best."""

        def cutoff(value: float) -> float:
            objective = np.sqrt(max(value, 0.0)) if problem.is_root else value
            least = objective - _SAFETY * self.tolerance * problem.gap_unit_at(objective)
            if least <= problem.least_value:
                return -np.inf
            return float(least**2 if problem.is_root else least)

        return cutoff


def _polished(program: Program, w: Array) -> Solution:
    """The best portfolio with the names it has, and the multipliers of all other limits."""
    problem = program.problem
    lower, upper = program.holdings.box(program.holdings.states_of(w))
    held = replace(problem.relaxed(), lower=lower, upper=upper)
    for found in solutions(held, [DenseQP(), InteriorPoint()]):
        weights = np.where(lower == upper, lower, found.weights)
        worse = problem.value(weights) - problem.value(w)
        if problem.violation(weights) <= max(problem.violation(w), 1e-9) and worse <= 1e-9 * abs(problem.value(w)):
            return replace(found, weights=weights)
    return Solution(weights=w, solver="")
