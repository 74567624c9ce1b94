"""What an estimator describes and a solver solves: data and terms, in plain arrays."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from trackfolio._constraint import Rows, checked_rows, kinds_of
from trackfolio._functions import AbsoluteSum, Limit, Linear, Summand
from trackfolio._holdings import HeldLimit, Holdings
from trackfolio._position import Position
from trackfolio._quadratic import Quadratic, SumQuadratic
from trackfolio._reach import check_bounds, check_row_reach
from trackfolio._terms import offers
from trackfolio._validation import Array
from trackfolio.solution import Solution

__all__ = ["Problem"]

# Gaps of portfolios of few names are in units of the objective, unless it is below this share of its scale.
_SMALLEST_UNIT = 1e-6
# Names under which the multipliers of the estimators' own limits are found.
_RESERVED = ("budget", "min_weights", "max_weights")


class SplitObjective(NamedTuple):
    """A quadratic form, sums of absolute values with their coefficients, and a constant."""

    quadratic: Quadratic
    sums: list[tuple[float, AbsoluteSum]]
    constant: float


@dataclass(frozen=True, eq=False)
class Problem:
    """Minimise a sum of convex functions of the weights within limits.

    Its methods take weights `w` of shape (n_assets,), an `objective` that was reached, whether multipliers are those of
    the `squared` objective, and with `who` the term that asks, for the message of the error.

    Parameters
    ----------
    names : list of str
        Names of the assets.
    objective : list of Summand
        What is minimised: risks, costs, penalties, less the expected return, with their names and coefficients.
    portfolio : Position
        Returns of the portfolio itself.
    active : Position or None
        Returns of the portfolio less those of its benchmark, if there is one.
    lower, upper : ndarray of shape (n_assets,)
        Bounds of the weights; infinite where there are none.
    budget : tuple of float
        Smallest and largest sum of the weights.
    constraints : list of (str, Constraint)
        Further limits, with their names.
    benchmark_weights, previous_weights : ndarray of shape (n_assets,) or None
        Weights that constraints may refer to.
    given_returns : ndarray of shape (n_assets,) or None
        Expected return of each asset, per period, where it is not the sample mean.
    cardinality : (int, int) or None
        Fewest and most assets that may be held.
    min_position : ndarray of shape (n_assets,) or None
        Smallest size of the weight of a held asset.
    near : Solution or None
        Solution of a problem like this one, as of a neighbour on a frontier: solvers may begin there.
    gap_unit : float or None
        What gaps are measured in; None for the objective or its scale, whichever is larger.

    Raises
    ------
    ValueError
        From what terms require (`require_active` and the like), where it is not there; for returns too large to be
        squared.
    TypeError
        For a constraint that is of two kinds at once, such as ``rows`` and ``limits``.

    Examples
    --------
    >>> import numpy as np
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> problem = MinTrackingError().make_problem(X, y)
    >>> round(problem.value(np.full(20, 0.05)), 6)  # tracking RMSE of equal weights, per period
    0.005462
    >>> round(problem.violation(np.full(20, 0.06)), 6)  # of the budget
    0.2
    """

    names: list[str]
    objective: list[Summand]
    portfolio: Position
    active: Position | None
    lower: Array
    upper: Array
    budget: tuple[float, float] = (1.0, 1.0)
    constraints: list[tuple[str, Any]] = field(default_factory=list)
    benchmark_weights: Array | None = None
    previous_weights: Array | None = None
    given_returns: Array | None = None
    cardinality: tuple[int, int] | None = None
    min_position: Array | None = None
    near: Solution | None = None
    gap_unit: float | None = None

    def __post_init__(self) -> None:
        """Refuse names and terms whose multipliers or limits would get lost, and weights that are none."""
        w = None if self.near is None else self.near.weights
        if w is not None and not (w.shape == (self.n_assets,) and np.isfinite(w).all()):
            raise ValueError(f"near must hold {self.n_assets} finite weights, got an array of shape {w.shape}.")
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
        reach = reach if np.isfinite(reach).any() else np.abs(self.budget)
        largest = float(np.max(reach[np.isfinite(reach)], initial=0.0))
        return largest if largest > 0 and not 1e-3 <= largest <= 1e3 else 1.0

    def require_active(self, who: str) -> Position:
        """Position against the benchmark, or an error that says who needs it."""
        if self.active is None:
            raise ValueError(f"{who} needs a benchmark: fit with y, or set benchmark_weights on the estimator.")
        return self.active

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

    def require_expected_returns(self, who: str) -> Array:
        """Expected returns of the assets, or an error that says who needs them."""
        if self.given_returns is not None:
            return self.given_returns
        if not self.portfolio.has_means:
            raise ValueError(f"{who} needs expected returns: a covariance alone has none, give expected_returns.")
        return self.portfolio.mean_returns

    # The objective.

    def value(self, w: Array) -> float:
        """Objective at given weights."""
        return float(sum(c * f.value(w) for _, c, f in self.objective))

    @cached_property
    def scale(self) -> float:
        """Typical size of the objective: the unit in which it is solved and gaps are measured; 1 where all is zero."""
        scale = float(sum(c * f.scale(self.unit) for _, c, f in self.objective))
        if not np.isfinite(scale):
            raise ValueError(f"The objective is {scale} at ordinary weights: the returns are too large to be squared.")
        return scale if scale > 0 else 1.0

    def gap_unit_at(self, objective: float) -> float:
        """What the gap of a solution with this objective is measured in: see `Certificate.gap`."""
        floor = _SMALLEST_UNIT * self.scale if self.is_discrete else self.scale
        return self.gap_unit or max(abs(objective), floor)

    @property
    def least_value(self) -> float:
        """A number that no value of the objective is below."""
        return float(sum(c * f.least_value for _, c, f in self.objective))

    @property
    def is_root(self) -> bool:
        """Whether the objective is the root of `quadratic`."""
        return len(self.objective) == 1 and self.objective[0].function.is_root

    @cached_property
    def quadratic(self) -> Quadratic | None:
        """The objective (its square, if `is_root`) as a quadratic form with some curvature, if it is one."""
        curved = [(c, f) for _, c, f in self.objective if not isinstance(f, Linear)]
        forms = [(c**2 if self.is_root else c, f.quadratic) for c, f in curved]
        if not curved or any(q is None for _, q in forms) or any(f.is_root for _, f in curved) > self.is_root:
            return None
        if len(self.objective) == 1 and forms[0][0] == 1:
            return forms[0][1]
        slopes = [c * f.slope for _, c, f in self.objective if isinstance(f, Linear)]
        return SumQuadratic([(c, q) for c, q in forms if q is not None], np.sum([np.zeros(self.n_assets), *slopes], 0))

    @cached_property
    def split(self) -> "SplitObjective | None":
        """The objective (its square, if `is_root`) as a quadratic form, sums of absolute values and a constant."""
        if self.is_root:
            return None if self.quadratic is None else SplitObjective(self.quadratic, [], 0.0)
        sums = [(c, f) for _, c, f in self.objective if isinstance(f, AbsoluteSum)]
        others = [part for part in self.objective if not isinstance(part.function, AbsoluteSum)]
        if any(f.is_root for _, _, f in others):
            return None
        quadratic = dataclasses.replace(self, objective=others).quadratic
        constant = sum(c * f.constant for _, c, f in others if isinstance(f, Linear))
        return None if quadratic is None else SplitObjective(quadratic, sums, constant)

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
        rows = {name: term.rows(self) for name, term in self.constraints if offers(term, "rows")}
        rows |= {name: given for name, given in self._given_limits.items() if isinstance(given, Rows)}
        in_order = (name for name, _ in self.constraints if name in rows)
        return {name: checked_rows(rows[name], name, self.n_assets) for name in in_order}

    @cached_property
    def _given_limits(self) -> dict[str, list[Limit] | Rows]:
        return {name: term.limits(self) for name, term in self.constraints if offers(term, "limits")}

    @property
    def limits(self) -> dict[str, list[Limit]]:
        """Limits on convex functions, by name; those that turned out to be linear are among `linear`."""
        return {name: given for name, given in self._given_limits.items() if not isinstance(given, Rows)}

    @property
    def absolute_limits(self) -> Iterator[tuple[AbsoluteSum, float]]:
        """Those limits that are on one sum of absolute values, with their bounds."""
        for limit in (limit for limits in self.limits.values() for limit in limits):
            (coefficient, function), *others = limit.summands
            if isinstance(function, AbsoluteSum) and not others:
                yield function, limit.bound / coefficient

    @property
    def is_discrete(self) -> bool:
        """Whether some limit is on what is held, so that the weights allowed are no convex set."""
        return self.holdings is not None or any(term.is_discrete for _, term in self.constraints)

    @cached_property
    def holdings(self) -> Holdings | None:
        """Limits on which assets are held, where there are any."""
        given = [limit for _, term in self.constraints if offers(term, "holdings") for limit in term.holdings(self)]
        if self.cardinality is None and self.min_position is None and not given:
            return None
        n = self.n_assets
        fewest, most = self.cardinality or (0, n)
        least = np.zeros(n) if self.min_position is None else self.min_position
        total = HeldLimit("cardinality", np.ones(n, dtype=bool), fewest, most)
        return Holdings([total, *given], least, self.lower, self.upper)

    def relaxed(self) -> "Problem":
        """The same problem without the limits on what is held."""
        kept = [(name, term) for name, term in self.constraints if not (term.is_discrete or offers(term, "holdings"))]
        return dataclasses.replace(self, constraints=kept, cardinality=None, min_position=None)

    def other_terms(self) -> Iterator[tuple[str, Any]]:
        """Constraints that only cvxpy understands."""
        return ((name, term) for name, term in self.constraints if offers(term, "constraints"))

    def violation(self, w: Array) -> float:
        """Largest amount by which weights break a bound or limit, in weights: limits are divided by their scale."""
        if not np.isfinite(w).all():
            return np.inf
        A, lower, upper = self.linear
        Aw = A @ w
        parts = [self.lower - w, w - self.upper, lower - Aw, Aw - upper]
        worst = max(0.0, *(float(part.max()) for part in parts if part.size)) / self.unit
        listed = [limit for limits in self.limits.values() for limit in limits]
        if self.holdings is not None:
            worst = max(worst, self.holdings.violation(w, self.unit) / self.unit)
        for _, term in self.constraints:
            if term.is_discrete:
                worst = max(worst, term.violation(self, w) / self.unit)
        return max([worst, *((limit.value(w) - limit.bound) / limit.scale(self.unit) for limit in listed)])

    def check(self) -> None:
        """Raise for whatever is wrong with a term or plainly contradictory, before any solver runs."""
        check_bounds(self)
        for name in self._blocks:
            check_row_reach(self, name)
        if self.holdings is not None:
            self.holdings.check(self.names, self.budget)
        # Computed here for their errors; both are kept for the solvers.
        _ = self.limits, self.scale
