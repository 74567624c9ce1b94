"""What multipliers say of each limit, where the others keep one out of reach: how much it can help at most.

The least value v of a function is convex in what the other limits give, and multipliers are a subgradient of it: with
gives t, v(t) >= v(0) - λ't. What no weights can use of a give counts for nothing.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from trackfolio._functions import AbsoluteSum
from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds
from trackfolio.solvers._infeasible._draft import ENDLESS, Draft, Part
from trackfolio.solvers._infeasible._reach import Miss

# Multipliers below this, relative to the largest, are noise of interior points.
_NOISE = 1e-7
# Limits are left out that together explain no more than this share of what is missed.
_SPARE = 0.9
_OWN = ("budget", "min_weights", "max_weights")

_Box = tuple[Array, Array]


@dataclass
class Blame:
    """The limits of a problem with a miss; all of its `parts` are in `draft`."""

    miss: Miss
    parts: list[Part]
    draft: Draft
    known: dict[tuple[tuple[str, int], ...], tuple[_Box, _Box]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the multipliers, in declared units, by key and side."""
        problem, found = self.miss.problem, self.miss.found
        self.pushes: dict[tuple[str, int], Array] = {}
        if found.row_duals is not None:
            signed = found.row_duals / problem.row_units
            for key, rows in problem.row_slices.items():
                self.pushes[key, -1] = np.maximum(signed[rows], 0)
                self.pushes[key, 1] = np.maximum(-signed[rows], 0)
        for key, sign in (("min_weights", -1), ("max_weights", 1)):
            # Where the bounds have no multipliers, as with risks of one's own, what they do is not known.
            self.pushes[key, sign] = np.asarray(found.multipliers.get(key, np.inf))
        for key, duals in found.limit_duals.items():
            self.pushes[key, 1] = np.abs(np.asarray(duals))
        known = [values[np.isfinite(values)] for values in map(np.atleast_1d, self.pushes.values())]
        self.largest = max((float(np.max(values, initial=0.0)) for values in known), default=0.0)

    def suspects(self) -> tuple[list[Part], bool]:
        """Limits that keep the function out of reach, and whether it is proven that they do without the others."""
        kept = list(self.parts)
        # Budget and bounds stay rather than others: they are in most problems, and the simplest to see.
        for part in sorted(self._others, key=lambda part: (part.key in _OWN, float(self._of(part).sum()))):
            fewer = [other for other in kept if other is not part]
            if self._explained(fewer) < _SPARE * self.miss.excess:
                kept = fewer
        loud = [part for part in kept if part.key == self.miss.key or self._is_loud(part)]
        return loud, len(loud) == len(kept)

    def may_help(self, part: Part) -> bool:
        """Whether it is not excluded that a change of one limit is enough."""
        rest = [other for other in self.parts if other is not part]
        return part.key == self.miss.key or self._explained(rest) >= self.miss.excess

    def least_more(self, part: Part) -> float | None:
        """By how much more a part has to give, at least: where the tangent of the least value meets the limit."""
        slope = 0.0 if part.key == self.miss.key or not part.is_affine else float(self._of(part).sum())
        return self.miss.excess / slope if 0 < slope < np.inf else None

    @property
    def _others(self) -> list[Part]:
        return [part for part in self.parts if part.key != self.miss.key]

    def _of(self, part: Part) -> Array:
        """Multipliers of a part's own rows."""
        values = np.atleast_1d(self.pushes.get((part.key, part.end), np.zeros(1)))
        return values if part.rows is None or len(values) == 1 else values[part.rows]

    def _is_loud(self, part: Part) -> bool:
        return bool(self._of(part).max(initial=0.0) > _NOISE * self.largest)

    def _explained(self, kept: list[Part]) -> float:
        """By how much the least value can fall, at most, without all parts but these."""
        bounds, near = self._boxes([part for part in kept if part.key in _OWN])
        total = 0.0
        for part in self._others:
            if part not in kept:
                push = self._of(part)
                within = bounds if self._is_loud(part) else near
                push, usable = np.broadcast_arrays(push, self._usable(part, *within))
                both = (push > 0) & (usable > 0)
                total += float(push[both] @ usable[both])
        return total

    def _boxes(self, own: list[Part]) -> tuple[_Box, _Box]:
        """Bounds that budget and bounds imply, and the same for noise: it takes weights without bounds no farther."""
        key = tuple((part.key, part.end) for part in own)
        if key not in self.known:
            base = self.draft.base
            lower, upper = implied_bounds(Draft.of(base, dict.fromkeys(own, 0.0)).problem())
            near = (np.maximum(lower, -ENDLESS * base.unit), np.minimum(upper, ENDLESS * base.unit))
            self.known[key] = (lower, upper), near
        return self.known[key]

    def _usable(self, part: Part, lower: Array, upper: Array) -> Array | float:
        """What weights within bounds can use of what a part gives, row by row."""
        draft, key = self.draft, part.key
        if key in ("min_weights", "max_weights"):
            ends = (upper, draft.upper) if part.end > 0 else (draft.lower, lower)
            return np.maximum(np.subtract(*ends, out=np.zeros_like(lower), where=np.isfinite(ends[part.end > 0])), 0.0)
        if key in (name for name, _, _ in draft.absolute):
            (c, f), bound = draft.limits[key].summands[0], draft.limits[key].bound
            assert isinstance(f, AbsoluteSum)
            return max(c * float(np.maximum(f.each(lower), f.each(upper)).sum()) - bound, 0.0)
        if not part.is_affine or not (key == "budget" or key in draft.rows):
            return np.inf
        n = draft.base.n_assets
        A: Any  # dense or sparse
        A, low, high = (np.ones((1, n)), *map(np.atleast_1d, draft.budget)) if key == "budget" else draft.rows[key]
        own = np.arange(len(low)) if part.rows is None else part.rows
        A = A[own].toarray() if sp.issparse(A) else A[own]
        with np.errstate(invalid="ignore"):
            ends = np.where(A == 0, 0.0, A * lower), np.where(A == 0, 0.0, A * upper)
        most, least = np.maximum(*ends).sum(axis=1), np.minimum(*ends).sum(axis=1)
        more: Array = np.maximum(most - high[own] if part.end > 0 else low[own] - least, 0.0)
        return more
