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
from trackfolio.constraints import AbsoluteSum, Rows
from trackfolio.exceptions import InfeasibleError
from trackfolio.risks import Risk

__all__ = ["Certificate", "Problem", "Solution"]


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

    @property
    def n_assets(self) -> int:
        """Number of assets."""
        return len(self.names)

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
        scale = self.risk.scale(self.position)
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
        """All linear limits but the bounds, stacked: the budget, then the rows of each constraint in order."""
        blocks = [
            Rows(np.ones((1, self.n_assets)), np.array([self.budget[0]]), np.array([self.budget[1]])),
            *self._blocks.values(),
        ]
        dense = not any(sp.issparse(block.A) for block in blocks)
        A = np.vstack([b.A for b in blocks]) if dense else sp.vstack([sp.csr_array(b.A) for b in blocks], format="csr")
        return Rows(A, np.concatenate([b.lower for b in blocks]), np.concatenate([b.upper for b in blocks]))

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
        """Constraints that are not linear."""
        return ((name, term) for name, term in self.constraints if not offers(term, "rows"))

    def violation(self, w: Array) -> float:
        """Largest amount by which weights break a bound, linear limit or sum of absolute values."""
        A, lower, upper = self.linear
        Aw = A @ w
        parts = [self.lower - w, w - self.upper, lower - Aw, Aw - upper]
        parts += [np.array([s.value(w) - s.limit]) for s in self.absolute_sums.values()]
        return max(0.0, *(float(part.max()) for part in parts if part.size))

    def check(self) -> None:
        """Raise for whatever is wrong with a term or plainly contradictory, before any solver runs."""
        self._check_bounds()
        for name in self._blocks:
            self._check_row_reach(name)
        # Computed here for their errors; both are kept for the solvers.
        _ = self.absolute_sums, self.scale

    def _check_bounds(self) -> None:
        crossed = np.flatnonzero(self.lower > self.upper)
        if len(crossed):
            i = int(crossed[0])
            raise InfeasibleError(
                f"min_weights of {self.names[i]!r} is {self.lower[i]:g}, above its max_weights of "
                f"{self.upper[i]:g} ({len(crossed)} of {self.n_assets} assets)."
            )
        least, most = float(self.lower.sum()), float(self.upper.sum())
        slack = 1e-12 * max(1.0, abs(self.budget[0]), abs(self.budget[1]))
        if least > self.budget[1] + slack:
            raise InfeasibleError(
                f"budget is at most {self.budget[1]:g}, but min_weights add up to {least:g} already: lower "
                "min_weights or raise budget."
            )
        if most < self.budget[0] - slack:
            raise InfeasibleError(
                f"budget is at least {self.budget[0]:g}, but max_weights add up to only {most:g}: raise "
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
        slack = 1e-10 * (1 + np.abs(rows).sum(axis=1))
        for k in np.flatnonzero((least > upper[part] + slack) | (most < lower[part] - slack)):
            raise InfeasibleError(
                f"{name} (row {k}) asks for {lower[part][k]:g} to {upper[part][k]:g}, but min_weights and "
                f"max_weights alone allow only {least[k]:g} to {most[k]:g}."
            )


def checked_rows(rows: Any, name: str, n_assets: int) -> Rows:
    """Rows as arrays of matching shapes, or an error that names the constraint."""
    A, lower, upper = rows
    A = A if sp.issparse(A) else np.atleast_2d(np.asarray(A, dtype=np.float64))
    if A.ndim != 2 or A.shape[1] != n_assets:
        raise ValueError(f"{name}: A has shape {A.shape}, but there are {n_assets} assets (columns).")
    if not np.isfinite(A.data if sp.issparse(A) else A).all():
        raise ValueError(f"{name}: a coefficient is NaN or infinite.")
    sides = []
    for side, limit in (("lower", lower), ("upper", upper)):
        limit = np.asarray(limit, dtype=np.float64)
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
        raise InfeasibleError(f"{name}: lower limit {lower[k]:g} is above upper limit {upper[k]:g} (row {k}).")
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
        Largest amount by which the weights break a limit.
    stationarity, complementarity : float
        Residuals of the optimality conditions of the cone form, for kind "residuals"; NaN for "bound".
    """

    kind: str
    objective: float
    lower_bound: float
    gap: float
    primal_violation: float
    stationarity: float = np.nan
    complementarity: float = np.nan


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
        increase of its value. Empty where the objective is not differentiable (an RMSE of 0).
    certificate : Certificate or None
        The proof.
    row_duals : ndarray or None
        Signed multipliers of the rows of `Problem.linear`: positive pushes up from the lower limit.
    absolute_duals : dict of str to float
        Multipliers of the limits on sums of absolute values.
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
