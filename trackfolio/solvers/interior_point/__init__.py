"""Tail risks, deviations, absolute values and tracking limits, with every scenario eliminated from Newton's method."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

import numpy as np

from trackfolio._threads import threads_for
from trackfolio.certificate import implied_bounds
from trackfolio.exceptions import SolverFailure
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers._base import Solver
from trackfolio.solvers.interior_point._forms import is_sole_root, unsuited
from trackfolio.solvers.interior_point._near import Known
from trackfolio.solvers.interior_point._sample import solve
from trackfolio.solvers.interior_point._translate import Translation


class InteriorPoint(Solver):
    r"""Primal-dual interior-point method for portfolios: its linear systems are N x N, however many periods there are.

    For risks that are sums of pieces (`Risk.shape`) or quadratic forms, sums of absolute values, and limits on all of
    these. A predictor-corrector method [1]_ with the scaling of Nesterov and Todd [2]_ for roots; all variables of the
    periods are eliminated from Newton's system, so that one iteration costs one product X'DX, and for drawdowns a
    second one. See :doc:`/interior_point` for the equations.

    Parameters
    ----------
    tolerance : float, default=1e-8
        Gap (relative) that the solution must reach; a larger one gives an `AccuracyWarning`.
    max_iter : int, default=100
        Iterations of each solve; with few scenarios or assets at a time there are several.

    References
    ----------
    .. [1] Mehrotra (1992), On the implementation of a primal-dual interior point method, SIAM J. Optimization 2.
    .. [2] Nesterov & Todd (1997), Self-scaled barriers and interior-point methods for convex programming, Mathematics
       of Operations Research 22.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.risks import CVaR
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> model = MeanRisk(CVaR(0.95), max_tracking_error=0.004).fit(X, y)
    >>> model.solution_.solver, model.solution_.gap < 1e-8
    ('InteriorPoint', True)
    """

    needs_of_constraints: ClassVar[tuple[str, ...]] = ("rows", "limits")

    def __init__(self, tolerance: float = 1e-8, max_iter: int = 100) -> None:
        self.tolerance = tolerance
        self.max_iter = max_iter

    def lacking(self, problem: Problem) -> list[str]:
        """Sentences that say what keeps this solver from the problem; empty if nothing does."""
        sentences = super().lacking(problem) or unsuited(problem)
        if not sentences and not np.isfinite(implied_bounds(problem)).all():
            sentences = ["some weights have no bounds, so that a bound of the objective cannot be proven"]
        return sentences

    def solve(self, problem: Problem) -> Solution:
        """Solve by the interior-point method, once."""
        return self.attempts(problem)[0]()

    def attempts(self, problem: Problem) -> Sequence[Callable[[], Solution]]:
        """For a root alone first its square, which has no kink; then the root itself, for values near 0."""
        ways = (True, False) if is_sole_root(problem) else (False,)
        return [partial(self._solve, problem, squared) for squared in ways]

    def _solve(self, problem: Problem, squared: bool) -> Solution:
        translation = Translation(problem, squared=squared)
        near = None if problem.near is None else Known.of(problem.near, problem.unit)
        # Near an objective of 0, what a square misses is more of its root.
        aim = (1e-4 if is_sole_root(problem) else 1e-3) * self.tolerance
        rows = 0 if problem.portfolio.X is None else len(problem.portfolio.X)
        with threads_for(max(rows, problem.n_assets) * problem.n_assets**2):
            point, iterations, miss = solve(translation.program, aim, self.max_iter, near)
        if miss > 1e-4:
            raise SolverFailure(f"no convergence after {iterations} iterations")
        return translation.solution(point, iterations)
