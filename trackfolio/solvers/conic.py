"""Any convex problem, through cvxpy."""

from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from trackfolio._cone_form import ConeForm, cone_form
from trackfolio._constraint import KINDS
from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds
from trackfolio.exceptions import (
    InfeasibleError,
    MissingSolverError,
    SolverFailure,
    UnboundedError,
    UnsupportedProblemError,
)
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers._base import Solver, calling


def _within(tolerance: float) -> dict[str, Any]:
    return dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tolerance)


# Tighter than Clarabel's defaults (1e-8), so that proofs find a gap below 1e-8: for quadratic forms, whose proofs feel
# errors of the weights at first order, even more.
_USUAL, _TIGHT = _within(1e-9), _within(1e-12)
# Exponential cones can lead full steps astray, shorter ones get there; the rescaling of rows loses digits at times.
# Which way ends well is erratic, so that there are several.
_SHORT_STEPS, _AS_GIVEN = _USUAL | {"max_step_fraction": 0.8}, _TIGHT | {"equilibrate_enable": False}
_SHORTER_STEPS = _within(1e-10) | {"max_step_fraction": 0.9}
_LAST_WAYS = (_SHORT_STEPS, _AS_GIVEN, _SHORTER_STEPS, _SHORTER_STEPS | {"equilibrate_enable": False})


def _usual(dims: Any) -> dict[str, Any]:
    """Tolerances for proofs with second-order cones or without, of EVaR or EDaR (each period has two rows more).

    Measured in benchmarks/risks.py: anything tighter takes longer, anything looser a second attempt.
    """
    if dims.soc:
        return _within(1e-11) | {"max_step_fraction": 0.95} if dims.exp else _within(1e-10)
    if not dims.exp:
        return _USUAL
    return _within(5e-10) if dims.nonneg > dims.exp else _within(3e-8) | {"max_step_fraction": 0.97}


class Conic(Solver):
    """The general solver: writes the problem in cvxpy and hands it to a conic solver.

    Parameters
    ----------
    solver : str, default="CLARABEL"
        Name of the solver as in cvxpy. With another than Clarabel, terms without a `gradient` get no residuals, hence
        no lower bound.
    options : dict or None, default=None
        Options for the solver, as keyword arguments of `cvxpy.Problem.solve`; those of Clarabel go on top of tight
        tolerances.
    tolerance : float, default=1e-8
        Gap (relative) that the solution must reach; a larger one gives an `AccuracyWarning`.

    Raises
    ------
    MissingSolverError
        From `fit`, for a solver that is not installed.

    References
    ----------
    .. [1] Diamond & Boyd (2016), CVXPY: a Python-embedded modeling language for convex optimization, Journal of Machine
       Learning Research 17.
    .. [2] Goulart & Chen (2024), Clarabel: an interior-point solver for conic programs with quadratic objectives,
       arXiv:2405.12762.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.solvers import Conic
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> MinTrackingError(solver=Conic()).fit(X, y).solution_.solver
    'Conic'
    """

    needs_of_constraints = KINDS

    def __init__(
        self,
        solver: str = "CLARABEL",
        options: dict[str, Any] | None = None,
        tolerance: float = 1e-8,
    ) -> None:
        self.solver = solver
        self.options = options
        self.tolerance = tolerance

    def solve(self, problem: Problem) -> Solution:
        """Solve by cvxpy, once."""
        return self.attempts(problem)[0]()

    def attempts(self, problem: Problem) -> Sequence[Callable[[], Solution]]:
        """With Clarabel the usual way, then with short steps, without rescaling, or both; others are called once."""
        if self.solver != "CLARABEL":
            return [lambda: self._by_cvxpy(problem)]
        smooth = all(f.is_quadratic for _, _, f in problem.objective)
        ways = (_TIGHT if smooth else None, *_LAST_WAYS)
        return [partial(self._by_clarabel, problem, way) for way in ways]

    def _by_cvxpy(self, problem: Problem) -> Solution:
        form = cone_form(problem)
        return self._read(problem, form, self._solve_by_cvxpy(form), None)

    def _by_clarabel(self, problem: Problem, tolerances: dict[str, Any] | None) -> Solution:
        form = cone_form(problem)
        return self._read(problem, form, *self._solve_by_clarabel(form, tolerances))

    def _read(self, problem: Problem, form: ConeForm, iterations: int, point: "_Point | None") -> Solution:
        status = form.program.status
        if status in ("infeasible", "infeasible_inaccurate"):
            raise InfeasibleError("no weights satisfy all limits at once")
        if status in ("unbounded", "unbounded_inaccurate"):
            if np.isfinite(implied_bounds(problem)).all():
                raise SolverFailure(f"{self.solver} reported an objective without end where weights are bounded")
            raise UnboundedError("The objective can be improved without end: bound the weights or add a limit.")
        if not form.has_weights:
            raise SolverFailure(f"{self.solver} ended with status {status!r}")
        return self._solution(problem, form, iterations, point)

    def _solve_by_clarabel(self, form: ConeForm, tolerances: dict[str, Any] | None) -> tuple[int, "_Point"]:
        # Step by step rather than program.solve(), to keep the point in cone form for the certificate.
        import cvxpy as cp

        given = self.options or {}
        try:
            data, chain, inverse = form.canonical(given)
        except cp.SolverError as error:
            raise UnsupportedProblemError(f"cvxpy cannot bring a term to a form for Clarabel: {error}") from error
        options = (_usual(data["dims"]) if tolerances is None else tolerances) | given
        with calling("Clarabel"):
            raw = chain.solve_via_data(form.program, data, warm_start=False, verbose=False, solver_opts=options)
        return form.take(_accepted(raw), chain, inverse), (np.array(raw.x), np.array(raw.z))

    def _solve_by_cvxpy(self, form: ConeForm) -> int:
        import cvxpy as cp

        if self.solver not in cp.installed_solvers():
            raise MissingSolverError(
                f"The solver {self.solver!r} is not installed, or cvxpy does not know it. Installed are "
                f"{', '.join(cp.installed_solvers())}; without solver=, trackfolio chooses one of its own."
            )
        try:
            form.program.solve(solver=self.solver, **(self.options or {}))
        except cp.SolverError as error:
            raise SolverFailure(f"{self.solver} gave up: {error}") from error
        return int(form.program.solver_stats.num_iters or 0)

    def _solution(self, problem: Problem, form: ConeForm, iterations: int, point: "_Point | None") -> Solution:
        w = form.weights(problem)
        per_unit = problem.multiplier_unit(w, squared=form.squared)
        duals = {name: [_times(part.dual_value, per_unit) for part in parts] for name, parts in form.others.items()}
        limit_duals = {
            name: [
                float(np.sum(part.dual_value)) * per_unit / limit.scale(problem.unit)
                for part, limit in zip(parts, problem.limits[name], strict=True)
            ]
            for name, parts in form.limits.items()
        }
        return Solution(
            weights=w,
            solver=type(self).__name__,
            iterations=iterations,
            row_duals=form.row_duals(problem) * per_unit,
            limit_duals=limit_duals,
            pulls=form.pulls(per_unit),
            other_duals=duals,
            cone_point=point,
        )


# Primal and dual point of the cone form.
_Point = tuple[Array, Array]


def _accepted(raw: Any) -> Any:
    """Point at which Clarabel stopped: where it made no more progress, that is often as good, and certificates tell."""
    if str(raw.status) != "InsufficientProgress":
        return raw
    kept = ("x", "z", "obj_val", "iterations", "solve_time")
    return SimpleNamespace(status="AlmostSolved", **{name: getattr(raw, name) for name in kept})


def _times(dual: Any, factor: float) -> Any:
    """Multipliers of a cvxpy constraint (a list of arrays for a cone) in other units."""
    return [_times(part, factor) for part in dual] if isinstance(dual, list) else dual * factor
