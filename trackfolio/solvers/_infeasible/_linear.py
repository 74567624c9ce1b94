"""Linear limits and sums of absolute values: whether they can be kept, and how far one has to give way, by HiGHS."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._validation import Array
from trackfolio.solvers._infeasible._draft import ENDLESS, Draft
from trackfolio.solvers.sparse._feasible import is_infeasible

# Multipliers below this are none.
_NO_MULTIPLIER = 1e-9
# Up to so many assets, matrices are dense: sparse ones take longer to put together.
_SMALL = 50
# Sums of bounds miss a budget that they meet by no more, in units of the weights.
_ROUNDING = 1e-12
# Tolerance of HiGHS, below what solvers of trackfolio keep limits to.
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-9}


class UnsettledError(Exception):
    """A question that was not settled, or not in time."""


#: Key of a limit, side (-1 from below, 1 from above), and row.
Holder = tuple[str, int, int]


class Give(NamedTuple):
    """Least give of one limit, what is proven of it, weights, and what holds it there: keys of limits, sides, rows.

    `proven` follows from the multipliers and the data alone: with a give below it, there are no weights.
    """

    give: float
    proven: float
    weights: Array
    holders: set[Holder]


@dataclass(frozen=True)
class _Columns:
    """Each weight as a base and pieces between the kinks of all sums, in which every sum is linear.

    Slopes of every sum grow from piece to piece, so that no sum is lower where pieces are filled out of order.
    """

    base: Array
    lower: Array
    upper: Array
    natural_lower: Array
    natural_upper: Array
    starts: Array

    @classmethod
    def of(cls, lower: Array, upper: Array, centres: list[Array]) -> "_Columns":
        n, c = len(lower), np.sort(np.array(centres).reshape(len(centres), len(lower)), axis=0)
        if not len(c):
            free = np.full((1, n), np.inf)
            return cls(np.zeros(n), lower[None], upper[None], -free, free, -free)
        starts = np.vstack([np.full((1, n), -np.inf), c])
        # Pieces are measured from their kink: the first from its end, the others from their start.
        zero = np.vstack([c[:1], c])
        natural_lower = np.vstack([np.full((1, n), -np.inf), np.zeros_like(c)])
        natural_upper = np.vstack([np.zeros((1, n)), np.diff(c, axis=0), np.full((1, n), np.inf)])
        low, high = (np.clip(end - zero, natural_lower, natural_upper) for end in (lower, upper))
        return cls(c[0], low, high, natural_lower, natural_upper, starts)

    def slopes(self, centre: Array, up: Array, down: Array) -> Array:
        """Slope of a sum in each piece."""
        return np.where(self.starts >= centre, up, -down)


class LinearLimits:
    """The linear part of a draft, in units of its weights."""

    def __init__(self, draft: Draft) -> None:
        self.draft, self.unit, n = draft, draft.base.unit, draft.base.n_assets
        blocks = [(np.ones((1, n)), *(np.array([x]) for x in draft.budget)), *draft.rows.values()]
        self.keys = [("budget", 0), *((key, k) for key, (A, _, _) in draft.rows.items() for k in range(A.shape[0]))]
        dense = not any(sp.issparse(block[0]) for block in blocks)
        A = (
            np.vstack([b[0] for b in blocks])
            if dense
            else sp.vstack([sp.csr_array(b[0]) for b in blocks], format="csr")
        )
        largest = np.abs(A).max(axis=1) if dense else abs(A).max(axis=1).toarray().ravel()
        self.scales = np.where(largest > 0, largest, 1.0)
        self.A = A / self.scales[:, None] if dense else sp.csr_array(sp.diags_array(1 / self.scales) @ A)
        self.low, self.high = (np.concatenate([b[k] for b in blocks]) / self.scales / self.unit for k in (1, 2))
        self.sums = draft.absolute

    def is_possible(self) -> bool:
        """Whether some weights keep all of them."""
        draft = self.draft
        if draft.is_crossed or not self._meets_budget():
            return False
        if self.A.shape[0] == 1 and not self.sums:
            return True
        return self._solve(None) is not None

    def _meets_budget(self) -> bool:
        """Whether bounds alone allow for the budget."""
        lower, upper = (bound.sum() / self.unit for bound in (self.draft.lower, self.draft.upper))
        return bool(lower <= self.high[0] + _ROUNDING and upper >= self.low[0] - _ROUNDING)

    def least_give(self, relaxed: "LinearLimits") -> Give | None:
        """Least multiple of the difference to a draft that is relaxed by 1; None where no multiple is enough."""
        if self.A.shape[0] == 1 and not self.sums and not (self.draft.lower > self.draft.upper).any():
            return self._by_sums_of_bounds(relaxed)
        return self._solve(relaxed)

    def _by_sums_of_bounds(self, relaxed: "LinearLimits") -> Give | None:
        """The same where there are but the budget and bounds: as much as their sums fall short of it."""
        old, new = self.draft, relaxed.draft
        for side, low, high in ((-1, old.budget[0], old.upper), (1, old.budget[1], old.lower)):
            short = side * (float(high.sum()) - low)
            if short <= 0:
                continue
            new_low, new_high = (new.budget[0], new.upper) if side < 0 else (new.budget[1], new.lower)
            with np.errstate(invalid="ignore"):
                gain = float(np.nansum(np.abs(new_high - high))) + np.nan_to_num(abs(new_low - low))
            if gain == 0:
                return None
            key = ("max_weights", 1, 0) if side < 0 else ("min_weights", -1, 0)
            w = high + short / gain * np.nan_to_num(new_high - high)
            return Give(short / gain, short / gain, w, {("budget", side, 0), key})
        return Give(0.0, 0.0, self.draft.lower, set())

    def _solve(self, relaxed: "LinearLimits | None") -> Give | None:
        from scipy.optimize import linprog

        draft, n = self.draft, self.draft.base.n_assets
        lower, upper = draft.lower / self.unit, draft.upper / self.unit
        by_bound = []
        if relaxed is not None:
            by_bound = [(1, upper)] if not np.array_equal(draft.upper, relaxed.draft.upper) else []
            by_bound += [(-1, lower)] if not np.array_equal(draft.lower, relaxed.draft.lower) else []
        for sign, _ in by_bound:
            lower, upper = (lower, np.full(n, np.inf)) if sign > 0 else (np.full(n, -np.inf), upper)
        columns = _Columns.of(lower, upper, [f.centre / self.unit for _, f, _ in self.sums])
        if (columns.lower > columns.upper + 1e-12).any():
            return None
        rows = _Rows(columns, self, None if relaxed is None else Gives.between(self, relaxed))
        rows.add_linear()
        rows.add_sums()
        for sign, own in by_bound:
            rows.add_bounds(sign, own)
        cost = np.zeros(rows.width)
        cost[-1] = 1.0
        box = np.column_stack([
            np.append(columns.lower.ravel(), 0.0), np.append(np.maximum(columns.upper, columns.lower).ravel(), np.inf)
        ])  # fmt: skip
        result = linprog(cost, *rows.upper_rows, *rows.equal_rows, bounds=box, method="highs", options=_OPTIONS)
        if is_infeasible(result):
            return None
        if result.status != 0:
            raise UnsettledError
        w = columns.base + result.x[:-1].reshape(columns.lower.shape).sum(axis=0)
        size = self.unit / rows.gives.size
        return Give(
            float(result.x[-1]) * size, rows.bound(cost, box, result) * size, w * self.unit, rows.holders(result)
        )

    def slack(self, w: Array) -> float:
        """Least distance of weights to a limit, in units of the weights; below 0 where one is broken."""
        draft, Aw = self.draft, self.A @ w / self.unit
        sums = [(bound - f.value(w)) / self.unit for _, f, bound in self.sums]
        parts = [(w - draft.lower) / self.unit, (draft.upper - w) / self.unit, Aw - self.low, self.high - Aw]
        return min(float(np.min(part)) for part in [*parts, np.array([*sums, np.inf])])


class Gives(NamedTuple):
    """What each row gets per unit of the last column, which is `size` times what the limit gives."""

    low: Array
    high: Array
    sums: list[float]
    size: float

    @classmethod
    def between(cls, own: LinearLimits, relaxed: LinearLimits) -> "Gives":
        with np.errstate(invalid="ignore"):
            low = np.nan_to_num(own.low - relaxed.low) * own.unit
            high = np.nan_to_num(relaxed.high - own.high) * own.unit
        sums = [new - old for (_, _, old), (_, _, new) in zip(own.sums, relaxed.sums, strict=True)]
        # Coefficients near 1, whatever the unit of an exposure is.
        size = max(float(low.max()), float(high.max()), *sums, 0.0) or 1.0
        return cls(low / size, high / size, [x / size for x in sums], size)


class _Rows:
    """Rows of the linear program, one-sided, each with the limit that it comes from."""

    def __init__(self, columns: _Columns, limits: LinearLimits, gives: Gives | None) -> None:
        self.columns, self.limits = columns, limits
        zero = np.zeros(len(limits.low))
        self.gives = gives or Gives(zero, zero, [0.0] * len(limits.sums), 1.0)
        self.pieces, self.n = columns.lower.shape
        self.width = self.pieces * self.n + 1
        self.above: list[tuple[Any, Array, list[Holder]]] = []
        self.equal: list[tuple[Any, Array, list[Holder]]] = []

    def _wide(self, A: Any, give: Array) -> Any:
        if sp.issparse(A):
            return sp.hstack([*[A] * self.pieces, sp.csr_array(give[:, None])], format="csr")
        return np.hstack([*[A] * self.pieces, give[:, None]])

    def add_linear(self) -> None:
        """Linear limits; those that give way carry the last column."""
        own, A = self.limits, self.limits.A
        shift = A @ self.columns.base
        low, high, *_ = self.gives
        equal = (own.low == own.high) & (low == 0) & (high == 0)
        if equal.any():
            keys = [(own.keys[k][0], 0, own.keys[k][1]) for k in np.flatnonzero(equal)]
            self.equal.append((self._wide(A[equal], low[equal]), (own.high - shift)[equal], keys))
        for sign, end, give in ((-1, own.low, low), (1, own.high, high)):
            where = np.flatnonzero(np.isfinite(end) & ~equal)
            if len(where):
                keys = [(own.keys[k][0], sign, own.keys[k][1]) for k in where]
                self.above.append((self._wide(sign * A[where], -give[where]), sign * (end - shift)[where], keys))

    def add_sums(self) -> None:
        """Limits on sums of absolute values."""
        unit = self.limits.unit
        for k, (key, f, bound) in enumerate(self.limits.sums):
            centre = f.centre / unit
            slopes = self.columns.slopes(centre, f.up, f.down)
            d = self.columns.base - centre
            value = float(np.sum(np.where(d > 0, f.up * d, -f.down * d)))
            row = np.append(slopes.ravel(), -self.gives.sums[k])[None]
            self.above.append((row, np.array([bound / unit - value]), [(key, 1, 0)]))

    def add_bounds(self, sign: int, own: Array) -> None:
        """Bounds that give way, all alike."""
        where = np.flatnonzero(np.isfinite(own))
        eye = np.eye(self.n)[where] if self.n <= _SMALL else sp.csr_array(sp.eye_array(self.n, format="csr")[where])
        right = sign * (own - self.columns.base)[where]
        key = "max_weights" if sign > 0 else "min_weights"
        self.above.append((self._wide(sign * eye, -np.ones(len(where))), right, [(key, sign, 0)] * len(where)))

    @property
    def upper_rows(self) -> tuple[Any, Any]:
        """Rows below a limit."""
        return self._stacked(self.above)

    @property
    def equal_rows(self) -> tuple[Any, Any]:
        """Equations."""
        return self._stacked(self.equal)

    @staticmethod
    def _stacked(rows: list[tuple[Any, Array, list[Holder]]]) -> tuple[Any, Any]:
        if not rows:
            return None, None
        parts, right = [row for row, _, _ in rows], np.concatenate([right for _, right, _ in rows])
        if any(sp.issparse(part) for part in parts):
            return sp.vstack([sp.csr_array(part) for part in parts], format="csr"), right
        return np.vstack(parts), right

    def bound(self, cost: Array, box: Array, result: Any) -> float:
        """Lower bound on the last column for any multipliers of the right sign: y'b plus the least of the rest."""
        slope, value = cost.copy(), 0.0
        for (A, right), marginals, most in (
            (self.upper_rows, result.ineqlin.marginals, 0.0), (self.equal_rows, result.eqlin.marginals, np.inf)
        ):  # fmt: skip
            if A is not None:
                y = np.minimum(marginals, most)
                slope, value = slope - A.T @ y, value + float(y @ right)
        # Slopes that are 0 but for rounding, against weights without bounds: as far as weights go.
        box = np.where(np.isinf(box) & (np.abs(slope) < _NO_MULTIPLIER)[:, None], np.sign(box) * ENDLESS, box)
        ends = np.where(slope == 0, 0.0, slope * np.where(slope > 0, box[:, 0], box[:, 1]))
        return value + float(ends.sum())

    def holders(self, result: Any) -> set[Holder]:
        """Limits with a multiplier, and the side that holds."""
        found: set[Holder] = set()
        for rows, values, signed in ((self.above, result.ineqlin, False), (self.equal, result.eqlin, True)):
            keys = [key for _, _, own in rows for key in own]
            for (key, sign, row), dual in zip(keys, values.marginals, strict=True):
                if abs(dual) > _NO_MULTIPLIER:
                    found.add((key, (-1 if dual > 0 else 1) if signed else sign, row))
        slope = (result.lower.marginals + result.upper.marginals)[:-1].reshape(self.columns.lower.shape)
        own: npt.NDArray[np.bool_] = self.columns.lower > self.columns.natural_lower
        if (own & (slope > _NO_MULTIPLIER)).any():
            found.add(("min_weights", -1, 0))
        own = self.columns.upper < self.columns.natural_upper
        if (own & (slope < -_NO_MULTIPLIER)).any():
            found.add(("max_weights", 1, 0))
        return found
