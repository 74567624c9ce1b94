"""How far one limit has to give way, as one convex program: the give is the weight of one more asset, of no return."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from trackfolio._constraint import GivenLimits, Rows
from trackfolio._functions import AbsoluteSum, Limit, Linear, RiskOf, Summand
from trackfolio._position import Position
from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers._infeasible._draft import ENDLESS, Draft, key_of
from trackfolio.solvers._infeasible._linear import Gives, LinearLimits
from trackfolio.solvers._unbounded import boxed, is_at_end


def is_suited(draft: Draft) -> bool:
    """Whether all functions of a draft are known for one more asset."""
    functions = [f for limit in draft.limits.values() for _, f in limit.summands]
    is_convex = not draft.others and not draft.is_discrete
    return is_convex and draft.base.portfolio.X is not None and all(_can_grow(f) for f in functions)


def least_give(
    draft: Draft, relaxed: Draft, without: Draft, solve: Callable[[Problem], Solution | None]
) -> tuple[float, float, Array] | None:
    """A bound of the least give of one limit from below, a give that is enough, and its weights; None for no answer.

    `relaxed` is the draft with 1 given, from which follows what each row, bound or sum gets of it; `without` is the
    draft without that limit.
    """
    own = LinearLimits(draft)
    gives, free = Gives.between(own, LinearLimits(relaxed)), without.problem()
    found = solve(_with_column(own, relaxed, gives, boxed(free)))
    if found is None or is_at_end(free, found.weights[:-1]) or found.weights[-1] > 0.5 * ENDLESS * own.unit:
        return None
    return found.lower_bound / gives.size, found.objective / gives.size, found.weights[:-1]


def _with_column(own: LinearLimits, relaxed: Draft, gives: Gives, within: Problem) -> Problem:
    draft, n = own.draft, own.draft.base.n_assets
    sums = {key: give for (key, _, _), give in zip(own.sums, gives.sums, strict=True)}
    grown = _Grown(n)
    limits = [(key, GivenLimits([grown.limit(x, sums.get(key, 0.0))])) for key, x in draft.limits.items()]
    lower, upper = implied_bounds(within)
    return replace(
        within,
        names=[*within.names, "give"],
        objective=[Summand(key_of("give"), 1.0, Linear(np.append(np.zeros(n), 1.0)))],
        portfolio=grown.position(within.portfolio),
        active=None,
        lower=np.append(lower, 0.0),
        upper=np.append(upper, ENDLESS * own.unit),
        budget=(-np.inf, np.inf),  # a row like the others: it does not count the give
        constraints=[(key_of("rows"), GivenLimits(_rows(own, gives, relaxed))), *limits],
        benchmark_weights=None,
        previous_weights=None,
        given_returns=None,
        near=None,
        gap_unit=None,
    )


def _rows(own: LinearLimits, gives: Gives, relaxed: Draft) -> Rows:
    """Linear limits, and bounds that give way, with a last column."""
    draft, unit, n = own.draft, own.unit, own.draft.base.n_assets
    is_sparse = sp.issparse(own.A)
    eye = sp.eye_array(n, format="csr") if is_sparse else np.eye(n)
    low, high = np.where(gives.low > 0, -np.inf, own.low), np.where(gives.high > 0, np.inf, own.high)
    kept = np.isfinite(low) | np.isfinite(high)
    blocks = [(own.A[kept], np.zeros(kept.sum()), unit * low[kept], unit * high[kept])]
    for sign, give, end in ((-1, gives.low, own.low), (1, gives.high, own.high)):
        where = give > 0
        blocks.append(_one_sided(sign, own.A[where], give[where], unit * end[where]))
    for sign, old, new in ((-1, draft.lower, relaxed.lower), (1, draft.upper, relaxed.upper)):
        where = np.isfinite(old) & (old != new)
        blocks.append(_one_sided(sign, eye[where], np.ones(where.sum()), old[where]))
    hstack, vstack = (sp.hstack, sp.vstack) if is_sparse else (np.hstack, np.vstack)
    wide = vstack([hstack([block, give[:, None]]) for block, give, _, _ in blocks])
    return Rows(wide, *(np.concatenate([block[k] for block in blocks]) for k in (2, 3)))


def _one_sided(sign: int, A: Any, give: Array, end: Array) -> tuple[Any, Array, Array, Array]:
    free = np.full(len(end), np.inf)
    return A, -sign * give, -free if sign > 0 else end, end if sign > 0 else free


def _can_grow(f: Any) -> bool:
    if isinstance(f, RiskOf):
        # A covariance that was estimated would be another with one more asset.
        return f.position.X is not None and getattr(f.risk, "covariance", None) is None
    return isinstance(f, Linear | AbsoluteSum)


class _Grown:
    """Positions and functions with one more asset, of no return; each position once, so that sums still share it."""

    def __init__(self, n_assets: int) -> None:
        self.n_assets = n_assets
        self.known: dict[int, Position] = {}

    def position(self, given: Position) -> Position:
        if id(given) not in self.known:
            X = given.X
            held = given.benchmark_weights
            self.known[id(given)] = Position(
                None if X is None else np.column_stack([X, np.zeros(len(X), dtype=X.dtype)]),
                given.y,
                benchmark_weights=None if held is None else np.append(held, 0.0),
                sample_weight=given.sample_weight,
            )
        return self.known[id(given)]

    def limit(self, limit: Limit, give: float) -> Limit:
        """A limit that gets so much of the give."""
        summands: list[tuple[float, Any]] = [(c, self._function(f)) for c, f in limit.summands]
        if give > 0:  # of a sum alone, in its own units
            summands.append((limit.summands[0][0], Linear(np.append(np.zeros(self.n_assets), -give))))
        return Limit(summands, limit.bound)

    def _function(self, f: Any) -> Any:
        if isinstance(f, RiskOf):
            return RiskOf(f.risk, self.position(f.position))
        if isinstance(f, Linear):
            return Linear(np.append(f.slope, 0.0), f.constant)
        return AbsoluteSum(*(np.append(part, 0.0) for part in (f.up, f.down, f.centre)))
