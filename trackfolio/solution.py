"""What a solver finds, and what is proven about it."""

import math
from dataclasses import dataclass, field
from typing import Any

from trackfolio._search_proof import SearchProof
from trackfolio._validation import Array

__all__ = ["Certificate", "Solution"]


@dataclass(frozen=True)
class Certificate:
    """What was computed from the data and the returned values alone, with nothing from the solver.

    Attributes
    ----------
    kind : {"bound", "residuals", "reported"}
        "bound": `lower_bound` is proven, any weights within the limits have at least this objective. "residuals":
        a term offers no way to a proven bound; `lower_bound` is the dual objective, good up to the residuals, for
        weights of about the size of those found.
        "reported": `lower_bound` is what a mixed-integer solver says; nothing of it was checked.
    objective : float
        Objective at the weights, on all rows, in declared units.
    lower_bound : float
        See `kind`; -inf where nothing can be said.
    gap : float
        (objective - lower_bound) / max(abs(objective), scale), with the scale of the problem; where names are limited,
        whose bounds are rarely that tight, with a millionth of it: there the gap is relative to the objective.
    primal_violation : float
        Largest amount by which the weights break a limit, in weights: limits are divided by their largest coefficient.
    stationarity, complementarity : float or None
        Residuals of the optimality conditions of the cone form, for kind "residuals"; None for "bound".

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> certificate = MinTrackingError().fit(X, y).solution_.certificate
    >>> certificate.kind, round(certificate.objective, 6), round(certificate.lower_bound, 6)
    ('bound', 0.002755, 0.002755)
    """

    kind: str
    objective: float
    lower_bound: float
    gap: float
    primal_violation: float
    stationarity: float | None = None
    complementarity: float | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """Weights, with what the solver did and what is proven about them.

    Attributes
    ----------
    weights : ndarray of shape (n_assets,)
        Weights found.
    solver : str
        Solver that found them.
    status : {"optimal", "inaccurate", "stopped"}
        "optimal": the gap of the certificate is within the tolerance. "stopped": a search over what is held ended at
        a limit before it had a proof; the gap says how good the weights are at least.
    iterations : int
        Iterations of the solver.
    seconds : float
        Wall time of solving and certifying.
    multipliers : dict of str to float or ndarray
        By name of the limit ("budget", "min_weights", "max_weights", names of constraints): improvement of the
        objective per unit by which the limit is relaxed, at least 0; of an equality signed: the improvement per unit of
        increase of its value.
    multipliers_note : str
        Why there are no multipliers (an RMSE of 0, whole numbers), or none of the bounds (a constraint of one's own
        that is not linear), or for which names they hold. "" where nothing has to be known of them.
    certificate : Certificate or None
        The proof.
    freedom : float
        How far other weights are that are as good, as a one-way turnover: 0 where the optimum is known to be unique,
        NaN where that is not known.
    other_weights : ndarray or None
        These weights, where there are some.
    row_duals : ndarray or None
        Signed multipliers of the rows of `Problem.linear`: positive pushes up from the lower limit.
    limit_duals : dict of str to list of float
        Multipliers of the limits on convex functions, one each.
    pulls : dict of str to list
        Multipliers of the periods' returns in each function that has kinks, by name of the summand or limit.
    other_duals : dict of str to list
        Multipliers of the cvxpy constraints of other terms.
    nodes : int
        Parts into which a search over what is held has split the portfolios; 0 where there was none.
    fallbacks : tuple of str
        What solvers that were tried before fell short of, with their names, in order; empty where the first was enough.
    stopped_by : str or None
        What ended the search before it had a proof: "time", "nodes", "memory" or "interrupt".
    proof : SearchProof or None
        Relaxations and leaves of the search, from which the lower bound follows.
    reported_bound : float
        Bound that a mixed-integer solver reported.
    cone_point : tuple of ndarray or None
        Primal and dual point of the cone form, only where no bound can be proven.

    Raises
    ------
    ValueError
        For objective, bound, gap or violation of a solution that is not certified yet.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> solution = MinTrackingError(max_weights=0.1).fit(X, y).solution_
    >>> solution.status, solution.solver, solution.gap < 1e-8
    ('optimal', 'DenseQP', True)
    >>> sorted(solution.multipliers)
    ['budget', 'max_weights', 'min_weights']
    """

    weights: Array
    solver: str
    status: str = "unchecked"
    iterations: int = 0
    seconds: float = 0.0
    multipliers: dict[str, Any] = field(default_factory=dict)
    multipliers_note: str = ""
    certificate: Certificate | None = None
    freedom: float = math.nan
    other_weights: Array | None = None
    row_duals: Array | None = None
    limit_duals: dict[str, list[float]] = field(default_factory=dict)
    pulls: dict[str, list[Array | None]] = field(default_factory=dict)
    other_duals: dict[str, list[Any]] = field(default_factory=dict)
    nodes: int = 0
    fallbacks: tuple[str, ...] = ()
    stopped_by: str | None = None
    proof: SearchProof | None = None
    reported_bound: float = -math.inf
    cone_point: tuple[Array, Array] | None = None

    @property
    def objective(self) -> float:
        """Objective at the weights, in declared units."""
        return self._proof.objective

    @property
    def lower_bound(self) -> float:
        """No weights within the limits have a smaller objective (see `Certificate.kind`)."""
        return self._proof.lower_bound

    @property
    def gap(self) -> float:
        """Relative distance of the objective to the lower bound."""
        return self._proof.gap

    @property
    def primal_violation(self) -> float:
        """Largest amount by which the weights break a limit."""
        return self._proof.primal_violation

    def __repr__(self) -> str:
        """In one line: what was reached, and what is proven."""
        work = f"{self.nodes} nodes" if self.nodes else f"{self.iterations} iterations"
        after = f" after {' and '.join(each.partition(':')[0] for each in self.fallbacks)}" if self.fallbacks else ""
        done = f"<Solution: {self.status}, by {self.solver}{after} in {work} and {self.seconds:.3g} s"
        if self.certificate is None:
            return done + ">"
        return f"{done}; objective {self.objective:.6g}, gap {self.gap:.1e} ({self.certificate.kind})>"

    @property
    def _proof(self) -> Certificate:
        if self.certificate is None:
            raise ValueError("This solution is not certified yet; see trackfolio.certificate.certify.")
        return self.certificate
