"""Limits on what is held or traded with any risk, through cvxpy: HiGHS where all is linear, else SCIP."""

import importlib.util
import warnings
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from trackfolio._cone_form import ConeForm, cone_form
from trackfolio._constraint import KINDS
from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds
from trackfolio.constraints import LinearConstraint
from trackfolio.exceptions import InfeasibleError, SolverFailure, UnboundedError, UnsupportedProblemError
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers._base import Solver, solutions
from trackfolio.solvers.conic import Conic
from trackfolio.solvers.dense_qp import DenseQP
from trackfolio.solvers.interior_point import InteriorPoint

# Weights of what is not held are 0 but for this, which integers within their tolerance leave.
_NOTHING = 1e-7


class MixedInteger(Solver):
    """Any risk with limits on what is held or traded: CVaR with few names, `MaxTrades`, `ConditionalBudget`.

    Written in cvxpy with binary variables. Problems that are linear (CVaR, MAD, worst loss, ...) go to HiGHS, others to
    SCIP, which has to be installed: ``pip install "trackfolio[scip]"``. With the names that the solver chose, the rest
    of the problem is solved again by one of the solvers for convex problems. The lower bound is what the solver
    reports: the certificate is of the kind "reported", nothing of it is checked. Where the time limit ends the
    search, the best portfolio so far is returned; that is a normal outcome, see `solution_.gap`.

    Quadratic risks with `cardinality`, `min_position` and `GroupCardinality` are for `Sparse`, which finds better
    portfolios sooner and proves its bounds.

    Parameters
    ----------
    solver : {None, "HIGHS", "SCIP"}, default=None
        None: HiGHS if the problem is linear, else SCIP.
    tolerance : float, default=1e-4
        Gap (relative) at which a portfolio counts as optimal.
    time_limit : float or None, default=60.0
        Seconds after which the best portfolio so far is returned.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.risks import CVaR
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> model = MeanRisk(CVaR(0.95), cardinality=4).fit(X)
    >>> model.solution_.solver, int((model.weights_ > 0).sum()), model.solution_.certificate.kind
    ('MixedInteger', 4, 'reported')
    """

    needs_of_constraints = KINDS
    takes_holdings = True

    def __init__(self, solver: str | None = None, tolerance: float = 1e-4, time_limit: float | None = 60.0) -> None:
        self.solver = solver
        self.tolerance = tolerance
        self.time_limit = time_limit

    def lacking(self, problem: Problem) -> list[str]:
        """Sentences that say what keeps this solver from the problem; empty if nothing does."""
        if not problem.is_discrete:
            return ["there is no limit on what is held or traded"]
        if self.solver not in (None, *_NAMES):
            raise ValueError(f"MixedInteger.solver must be None, 'HIGHS' or 'SCIP', got {self.solver!r}.")
        return super().lacking(problem)

    def solve(self, problem: Problem) -> Solution:
        """Choose the names by a mixed-integer solver, then solve the rest for them."""
        if problem.holdings is not None:
            lower, upper = implied_bounds(problem)
            problem = replace(problem, lower=lower, upper=upper)
        form = cone_form(problem)
        answer = self._answer(problem, form)
        w = form.weights(problem)
        found = _polished(problem, w)
        # Limits that the polished weights break by more than those of the solver leave the latter.
        if found is None or problem.violation(found.weights) > max(problem.violation(w), 1e-8):
            found = Solution(weights=w, solver="")
        return replace(
            found,
            solver=type(self).__name__,
            nodes=max(answer.nodes, 1),
            stopped_by="time" if answer.is_late else None,
            reported_bound=form.declared(problem, answer.bound),
        )

    def _answer(self, problem: Problem, form: ConeForm) -> "_Answer":
        import cvxpy as cp

        name = _chosen(form) if self.solver is None else _NAMES[self.solver]
        if name == "SCIP" and importlib.util.find_spec("pyscipopt") is None:
            raise UnsupportedProblemError(
                f"{_curved(problem)} with limits on what is held or traded needs the solver SCIP, which is not "
                'installed: pip install "trackfolio[scip]".'
            )
        try:
            data, chain, inverse = form.program.get_problem_data(name)
        except cp.SolverError as error:
            raise UnsupportedProblemError(
                f"{'HiGHS' if name == 'SCIPY' else name} cannot take {_curved(problem)} with limits on what is held or "
                f"traded ({error}). Use another risk, such as CVaR or Variance."
            ) from error
        with warnings.catch_warnings():
            # So cvxpy calls what a time limit ended; `stopped_by` and the gap say it.
            warnings.filterwarnings("ignore", "Solution may be inaccurate", UserWarning)
            try:
                raw = chain.solve_via_data(form.program, data, solver_opts=self._options(name))
                answer = _READERS[name](raw, float(inverse[-1].get("offset", 0.0)))
                if answer.is_infeasible:
                    raise InfeasibleError("no weights satisfy all limits at once")  # `solve` says which
                form.program.unpack_results(raw, chain, inverse)
            except cp.SolverError as error:
                raise SolverFailure(f"{name} found no portfolio within {self.time_limit} s ({error})") from error
        if not form.has_weights:
            raise SolverFailure(f"{name} found no portfolio within {self.time_limit} s; give it more time_limit")
        return answer

    def _options(self, name: str) -> dict[str, Any]:
        gap, limit = self.tolerance / 10, self.time_limit
        if name == "SCIP":
            return {"scip_params": {"limits/gap": gap, **({} if limit is None else {"limits/time": float(limit)})}}
        return {"scipy_options": {"mip_rel_gap": gap, **({} if limit is None else {"time_limit": float(limit)})}}


# By name in cvxpy, in which HiGHS is the one within scipy.
_NAMES = {"HIGHS": "SCIPY", "SCIP": "SCIP"}


class _Answer(NamedTuple):
    """What a solver says beside the weights."""

    bound: float
    nodes: int
    is_late: bool
    is_infeasible: bool = False


def _of_highs(raw: Any, offset: float) -> _Answer:
    if raw.status == 3:
        raise UnboundedError("The objective can be improved without end: bound the weights or add a limit.")
    if raw.status != 2 and raw.x is None:
        raise SolverFailure(f"HiGHS ended without a portfolio ({raw.message}); give it more time_limit")
    bound, nodes = (getattr(raw, name, None) for name in ("mip_dual_bound", "mip_node_count"))
    return _Answer(-np.inf if bound is None else bound + offset, int(nodes or 0), raw.status == 1, raw.status == 2)


def _of_scip(raw: Any, offset: float) -> _Answer:
    status, model = raw["scip_status"], raw["model"]
    if status in ("unbounded", "inforunbd"):
        raise UnboundedError("The objective can be improved without end: bound the weights or add a limit.")
    if status != "infeasible" and model.getNSols() == 0:
        raise SolverFailure(f"SCIP ended with status {status!r} and without a portfolio; give it more time_limit")
    return _Answer(
        float(model.getDualbound()) + offset, int(model.getNTotalNodes()), status == "timelimit", status == "infeasible"
    )


_READERS = {"SCIPY": _of_highs, "SCIP": _of_scip}


def _chosen(form: ConeForm) -> str:
    """HiGHS, where the program is linear."""
    import cvxpy as cp

    try:
        form.program.get_problem_data(cp.SCIPY)
    except cp.SolverError:
        return "SCIP"
    return "SCIPY"


def _curved(problem: Problem) -> str:
    """What of a problem is not linear, for a message; all of it, where that is not plain."""
    names = [name for name, _, f in problem.objective if getattr(f, "is_quadratic", False)]
    return ", ".join(names) or "This problem"


def _polished(problem: Problem, w: Array) -> Solution | None:
    """The problem with what the integers decided at some weights, by a solver for convex problems."""
    held, kept = problem.relaxed(), np.ones(len(w), dtype=bool)
    if problem.holdings is not None:
        kept = np.abs(w) > np.maximum(_NOTHING * problem.unit, problem.holdings.least / 2)
        lower, upper = problem.holdings.box(problem.holdings.states_of(np.where(kept, w, 0.0)))
        held = replace(held, lower=lower, upper=upper)
    decided = [
        (name, LinearConstraint(*term.decided(problem, w))) for name, term in problem.constraints if term.is_discrete
    ]
    held = replace(held, constraints=[*held.constraints, *decided])
    found = next(solutions(held, [DenseQP(), InteriorPoint(), Conic()]), None)
    if found is None:
        return None
    # The rows of what was decided come last, and have no place among those of the problem.
    duals = None if found.row_duals is None else found.row_duals[: len(problem.linear.lower)]
    return replace(found, weights=np.where(kept, found.weights, 0.0), row_duals=duals)
