"""What an estimator describes and a solver solves: data and terms, in plain arrays."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from trackfolio._position import Position
from trackfolio._terms import offers
from trackfolio._validation import Array
from trackfolio.constraints import AbsoluteSum, Rows, kinds_of
from trackfolio.exceptions import InfeasibleError
from trackfolio.risks import Risk

__all__ = ["Certificate", "Problem", "Solution"]

# Names under which the multipliers of the estimators' own limits are found.
_RESERVED = ("budget", "min_weights", "max_weights")


@dataclass(frozen=True, eq=False)
class Problem:
    """Minimise a risk of a position over weights within limits.

    Parameters
    ----------
    names : list of str
        Names of the assets.
    risk : Risk
        Objective.
    position : Position
        What the risk is taken of: the active returns, or those of the portfolio.
    lower, upper : ndarray of shape (n_assets,)
        Bounds of the weights; infinite where there are none.
    budget : tuple of float
        Smallest and largest sum of the weights.
    constraints : list of (str, Constraint)
        Further limits, with their names.
    benchmark_weights, previous_weights : ndarray of shape (n_assets,) or None
        Weights that constraints may refer to.
    """

    names: list[str]
    risk: Risk
    position: Position
    lower: Array
    upper: Array
    budget: tuple[float, float] = (1.0, 1.0)
    constraints: list[tuple[str, Any]] = field(default_factory=list)
    benchmark_weights: Array | None = None
    previous_weights: Array | None = None

    def __post_init__(self) -> None:
        """Refuse names and terms whose multipliers or limits would get lost."""
        for name, term in self.constraints:
            if name in _RESERVED:
                raise ValueError(f"A constraint cannot be called {name!r}: this name is taken. Give it another.")
            kinds = kinds_of(term)
            if len(kinds) > 1:
                raise TypeError(f"{name} ({type(term).__name__}) defines {' and '.join(kinds)}; keep one of them.")

    @property
    def n_assets(self) -> int:
        """Number of assets."""
        return len(self.names)

    @cached_property
    def unit(self) -> float:
        """Unit of the weights in which the problem is solved: 1, or what they can reach if that is tiny or huge."""
        with np.errstate(invalid="ignore"):
            upper = np.fmin(self.upper, self.lower + (self.budget[1] - self.lower.sum()))
            lower = np.fmax(self.lower, self.upper + (self.budget[0] - self.upper.sum()))
        reach = np.abs(np.concatenate([lower, upper]))
        largest = float(np.max(reach[np.isfinite(reach)], initial=0.0))
        return largest if largest > 0 and not 1e-3 <= largest <= 1e3 else 1.0

    def require_benchmark_weights(self, who: str) -> Array:
        """Weights of the benchmark, or an error that says who needs them."""
        if self.benchmark_weights is None:
            raise ValueError(f"{who} needs the benchmark's weights: set benchmark_weights on the estimator.")
        return self.benchmark_weights

    def require_previous_weights(self, who: str) -> Array:
        """Weights held before the trade, or an error that says who needs them."""
        if self.previous_weights is None:
            raise ValueError(
                f"{who} needs the previous weights: give fit(X, y, previous_weights=...) one number for "
                "every asset (an array, dict or Series)."
            )
        return self.previous_weights

    # The objective.

    def value(self, w: Array) -> float:
        """Objective at given weights."""
        return self.risk.at(self.position, w)

    @cached_property
    def scale(self) -> float:
        """Typical size of the objective: the unit in which it is solved and gaps are measured; 1 where all is zero."""
        scale = self.risk.scale(self.position, self.unit)
        if not np.isfinite(scale):
            raise ValueError(f"The risk is {scale} at ordinary weights: the returns are too large to be squared.")
        return scale if scale > 0 else 1.0

    def multiplier_unit(self, w: Array, *, squared: bool) -> float:
        """Factor from multipliers of the objective over its scale, or of the square of that, to those of the objective.

        At an objective of 0 its square has multipliers and the objective itself has none: 0.
        """
        if not squared:
            return self.scale
        value = self.value(w)
        return self.scale**2 / (2 * value) if value > 0 else 0.0

    # The limits.

    @cached_property
    def linear(self) -> Rows:
        """All linear limits but the bounds, stacked: the budget, then each constraint's; largest coefficients are 1."""
        budget = Rows(np.ones((1, self.n_assets)), np.array([self.budget[0]]), np.array([self.budget[1]]))
        blocks = [budget, *self._blocks.values()]
        dense = not any(sp.issparse(block.A) for block in blocks)
        A = np.vstack([b.A for b in blocks]) if dense else sp.vstack([sp.csr_array(b.A) for b in blocks], format="csr")
        lower, upper = (np.concatenate([getattr(b, side) for b in blocks]) for side in ("lower", "upper"))
        units = self.row_units
        return Rows(A / units[:, None] if dense else sp.diags_array(1 / units) @ A, lower / units, upper / units)

    @cached_property
    def row_units(self) -> Array:
        """Largest coefficient of each row, by which `linear` is divided: a limit may come in any unit."""
        largest = [np.ones(1), *(abs(b.A).max(axis=1) for b in self._blocks.values())]
        units = np.concatenate([part.toarray().ravel() if sp.issparse(part) else part for part in largest])
        return np.where(units > 0, units, 1.0)

    @cached_property
    def row_slices(self) -> dict[str, slice]:
        """Place of each linear limit in the rows of `linear`, by name."""
        slices = {"budget": slice(0, 1)}
        for name, block in self._blocks.items():
            start = next(reversed(slices.values())).stop
            slices[name] = slice(start, start + len(block.lower))
        return slices

    @cached_property
    def _blocks(self) -> dict[str, Rows]:
        return {
            name: checked_rows(term.rows(self), name, self.n_assets)
            for name, term in self.constraints
            if offers(term, "rows")
        }

    @cached_property
    def absolute_sums(self) -> dict[str, AbsoluteSum]:
        """Limits on weighted sums of absolute values, by name."""
        return {name: term.absolute_sum(self) for name, term in self.constraints if offers(term, "absolute_sum")}

    def other_terms(self) -> Iterator[tuple[str, Any]]:
        """Constraints that only cvxpy understands."""
        return ((name, term) for name, term in self.constraints if offers(term, "constraints"))

    def violation(self, w: Array) -> float:
        """Largest amount by which weights break a bound, linear limit or sum of absolute values, in weights."""
        if not np.isfinite(w).all():
            return np.inf
        A, lower, upper = self.linear
        Aw = A @ w
        parts = [self.lower - w, w - self.upper, lower - Aw, Aw - upper]
        parts += [
            np.array([s.value(w) - s.limit]) / max(s.coefficients.max(), 1e-300) for s in self.absolute_sums.values()
        ]
        return max(0.0, *(float(part.max()) for part in parts if part.size)) / self.unit

    def check(self) -> None:
        """Raise for whatever is wrong with a term or plainly contradictory, before any solver runs."""
        self._check_bounds()
        for name in self._blocks:
            self._check_row_reach(name)
        # Computed here for their errors; both are kept for the solvers.
        _ = self.absolute_sums, self.scale

    def _check_bounds(self) -> None:
        if (self.lower == np.inf).any() or (self.upper == -np.inf).any():
            raise ValueError(
                "min_weights of inf or max_weights of -inf can be met by no weights; use None for no bound."
            )
        crossed = np.flatnonzero(self.lower > self.upper)
        if len(crossed):
            i = int(crossed[0])
            raise InfeasibleError(
                f"min_weights of {self.names[i]!r} is {self.lower[i]:.10g}, above its max_weights of "
                f"{self.upper[i]:.10g} ({len(crossed)} of {self.n_assets} assets)."
            )
        least, most = float(self.lower.sum()), float(self.upper.sum())
        slack = 1e-12 * self.unit
        if least > self.budget[1] + slack:
            raise InfeasibleError(
                f"budget is at most {self.budget[1]:.10g}, but min_weights add up to {least:.10g} already: lower "
                "min_weights or raise budget."
            )
        if most < self.budget[0] - slack:
            raise InfeasibleError(
                f"budget is at least {self.budget[0]:.10g}, but max_weights add up to only {most:.10g}: raise "
                "max_weights or lower budget."
            )

    def _check_row_reach(self, name: str) -> None:
        A, lower, upper = self.linear
        part = self.row_slices[name]
        rows = sp.csr_array(A[part])
        positive, negative = rows.maximum(0), rows.minimum(0)
        # Infinite bounds reach anything: the product of an absent coefficient and an infinity must not spoil the sum.
        box_lower, box_upper = np.maximum(self.lower, -1e300), np.minimum(self.upper, 1e300)
        least, most = (
            positive @ box_lower + negative @ box_upper,
            positive @ box_upper + negative @ box_lower,
        )
        slack = 1e-10 * self.unit * (1 + np.abs(rows).sum(axis=1))
        for k in np.flatnonzero((least > upper[part] + slack) | (most < lower[part] - slack)):
            unit = self.row_units[part][k]
            raise InfeasibleError(
                f"{name} (row {k}) asks for {unit * lower[part][k]:.10g} to {unit * upper[part][k]:.10g}, but "
                f"min_weights and max_weights alone allow only {unit * least[k]:.10g} to {unit * most[k]:.10g}."
            )


def checked_rows(rows: Any, name: str, n_assets: int) -> Rows:
    """Rows as arrays of matching shapes, or an error that names the constraint."""
    A, lower, upper = rows
    try:
        A = sp.csr_array(A, dtype=np.float64) if sp.issparse(A) else np.atleast_2d(np.asarray(A, dtype=np.float64))
        lower, upper = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: coefficients and limits must be numbers ({error}).") from error
    if A.ndim != 2 or A.shape[1] != n_assets:
        raise ValueError(f"{name}: A has shape {A.shape}, but there are {n_assets} assets (columns).")
    if not np.isfinite(A.data if sp.issparse(A) else A).all():
        raise ValueError(f"{name}: a coefficient is NaN or infinite.")
    sides = []
    for side, limit in (("lower", lower), ("upper", upper)):
        if limit.ndim > 1 or (limit.ndim == 1 and limit.shape[0] != A.shape[0]):
            raise ValueError(
                f"{name}: {side} has shape {limit.shape}, expected one number, or one for each of the "
                f"{A.shape[0]} rows."
            )
        if np.isnan(limit).any() or (limit == (np.inf if side == "lower" else -np.inf)).any():
            raise ValueError(f"{name}: {side} is NaN or an infinity that nothing can reach: {limit}.")
        sides.append(np.broadcast_to(limit, (A.shape[0],)).copy())
    lower, upper = sides
    if (lower > upper).any():
        k = int(np.flatnonzero(lower > upper)[0])
        raise InfeasibleError(f"{name}: lower limit {lower[k]:.10g} is above upper limit {upper[k]:.10g} (row {k}).")
    if not (np.isfinite(lower) | np.isfinite(upper)).any():
        raise ValueError(f"{name} has no finite limit; it would have no effect. Give lower or upper.")
    return Rows(A, lower, upper)


@dataclass(frozen=True)
class Certificate:
    """What was computed from the data and the returned values alone, with nothing from the solver.

    Attributes
    ----------
    kind : {"bound", "residuals"}
        "bound": `lower_bound` is proven, any weights within the limits have at least this objective. "residuals":
        a term offers no way to a proven bound; `lower_bound` is the dual objective, good up to the residuals.
    objective : float
        Objective at the weights, on all rows, in declared units.
    lower_bound : float
        See `kind`; -inf where nothing can be said.
    gap : float
        (objective - lower_bound) / max(abs(objective), scale).
    primal_violation : float
        Largest amount by which the weights break a limit, in weights: limits are divided by their largest coefficient.
    stationarity, complementarity : float or None
        Residuals of the optimality conditions of the cone form, for kind "residuals"; None for "bound".
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
    status : {"optimal", "inaccurate"}
        "optimal": the gap of the certificate is within the tolerance.
    iterations : int
        Iterations of the solver.
    seconds : float
        Wall time of solving and certifying.
    multipliers : dict of str to float or ndarray
        By name of the limit ("budget", "min_weights", "max_weights", names of constraints): improvement of the
        objective per unit by which the limit is relaxed, at least 0; of an equality signed: the improvement per unit of
        increase of its value. Empty where the objective is not differentiable (an RMSE of 0); without the bounds
        where a constraint of one's own is not linear.
    certificate : Certificate or None
        The proof.
    row_duals : ndarray or None
        Signed multipliers of the rows of `Problem.linear`: positive pushes up from the lower limit.
    absolute_duals : dict of str to float
        Multipliers of the limits on sums of absolute values.
    other_duals : dict of str to list
        Multipliers of the cvxpy constraints of other terms.
    cone_point : tuple of ndarray or None
        Primal and dual point of the cone form, only where no bound can be proven.
    """

    weights: Array
    solver: str
    status: str = "unchecked"
    iterations: int = 0
    seconds: float = 0.0
    multipliers: dict[str, Any] = field(default_factory=dict)
    certificate: Certificate | None = None
    row_duals: Array | None = None
    absolute_duals: dict[str, float] = field(default_factory=dict)
    other_duals: dict[str, list[Any]] = field(default_factory=dict)
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
        done = f"<Solution: {self.status}, by {self.solver} in {self.iterations} iterations and {self.seconds:.3g} s"
        if self.certificate is None:
            return done + ">"
        return f"{done}; objective {self.objective:.6g}, gap {self.gap:.1e} ({self.certificate.kind})>"

    @property
    def _proof(self) -> Certificate:
        if self.certificate is None:
            raise ValueError("This solution is not certified yet; see trackfolio.certificate.certify.")
        return self.certificate
