"""Limits of a problem one by one, as parts of a draft."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from trackfolio._constraint import Rows, names_of_rows, shaped_rows
from trackfolio._functions import Limit
from trackfolio._holdings import HeldLimit
from trackfolio._terms import offers
from trackfolio._validation import Array
from trackfolio.constraints import (
    ActiveBounds,
    ConditionalBudget,
    GroupBounds,
    GroupCardinality,
    GroupRatio,
    MaxActiveShare,
    MaxLeverage,
    MaxTrades,
    MaxTurnover,
    MinReturn,
)
from trackfolio.problem import Problem
from trackfolio.risks._base import RiskLimit
from trackfolio.solvers._infeasible._draft import Draft, Part, key_of

_FAMILY: dict[type, str] = {
    MaxTurnover: "trades",
    MaxTrades: "trades",
    GroupBounds: "groups",
    GroupRatio: "groups",
    ActiveBounds: "bounds",
    MaxLeverage: "bounds",
    GroupCardinality: "holdings",
    ConditionalBudget: "holdings",
    MinReturn: "return",
    RiskLimit: "risk",
    MaxActiveShare: "tracking",
}


def parts_of(problem: Problem) -> list[Part]:
    """All limits of a problem; the estimator's own at the end."""
    parts = [part for name, term in problem.constraints for part in _of_term(problem, name, term)]
    return [*parts, *_of_holdings(problem), *_of_estimator(problem)]


def _one_number(values: Array) -> float | None:
    return float(values[0]) if len(values) and (values == values[0]).all() else None


def _of_estimator(problem: Problem) -> list[Part]:
    low, high = problem.budget
    moves = low == high

    def budget(k: int, value: float, sign: int) -> Part:
        def place(draft: Draft, give: float) -> None:
            draft.budget[k] = value + sign * give

        side = "" if moves else ("lower", "upper")[k]
        return Part("budget", "budget", sign, place, side, limit=value, key="budget", end=sign, moves=moves)

    def bound(name: str, values: Array, sign: int) -> Part:
        def place(draft: Draft, give: float) -> None:
            setattr(draft, name.replace("min_weights", "lower").replace("max_weights", "upper"), values + sign * give)

        return Part(name, "bounds", sign, place, limit=_one_number(values), key=name, end=sign)

    pairs = [("min_weights", problem.lower, -1), ("max_weights", problem.upper, 1)]
    bounds = [bound(*pair) for pair in pairs if np.isfinite(pair[1]).any()]
    ends = [(0, low, -1), (1, high, 1)]
    return [*(budget(*end) for end in ends if np.isfinite(end[1])), *bounds]


def _of_holdings(problem: Problem) -> list[Part]:
    parts, n, least = [], problem.n_assets, problem.min_position
    if problem.cardinality is not None:
        for k, (side, value, sign) in enumerate(zip(("fewest", "most"), problem.cardinality, (-1, 1), strict=True)):

            def place(draft: Draft, give: float, k: int = k, value: int = value, sign: int = sign) -> None:
                draft.cardinality = draft.cardinality or [0, n]
                draft.cardinality[k] = min(max(value + sign * int(give), 0), n)

            if value > 0 if k == 0 else value < n:
                shown = "fewest" if side == "fewest" else ""
                most = value if k == 0 else n - value
                parts.append(
                    Part("cardinality", "holdings", sign, place, shown, None, value, 1, most, key_of("cardinality"))
                )
    if least is not None and (least > 0).any():
        largest = float(least.max())

        def lowered(draft: Draft, give: float) -> None:
            draft.min_position = np.minimum(least, max(largest - give, 0.0))

        parts.append(
            Part(
                "min_position",
                "holdings",
                -1,
                lowered,
                limit=largest,
                most=largest,
                key=key_of("min_position"),
                is_affine=False,
            )
        )
    return parts


def _of_term(problem: Problem, name: str, term: Any) -> list[Part]:
    family = next((family for kind, family in _FAMILY.items() if isinstance(term, kind)), "")
    if isinstance(term, GroupRatio):
        return _of_ratio(name, term)
    if isinstance(term, GroupCardinality):
        return _of_group_numbers(problem, name, term)
    if offers(term, "rows"):
        return _of_rows(problem, name, term, term.rows(problem), family or "exposures")
    if offers(term, "limits"):
        given = term.limits(problem)
        if isinstance(given, Rows):
            return _of_rows(problem, name, term, given, family or "exposures")
        family = "tracking" if family == "risk" and term.active else family
        return _of_limits(name, term, given, family or "risk")
    if isinstance(term, MaxTrades | ConditionalBudget):
        return [_of_number(problem, name, term, family)]
    return [_of_other(name, term)]


def _of_rows(problem: Problem, name: str, term: Any, given: Rows, family: str) -> list[Part]:
    """The sides of linear limits: one part where a side is one number or one an asset, else one for each row."""
    A, lower, upper = shaped_rows(given, name, problem.n_assets)
    m, parts = A.shape[0], []
    labels = names_of_rows(term, problem.names) or [f"row {k}" for k in range(m)]
    for side, values, sign in (("lower", lower, -1), ("upper", upper, 1)):
        rows = np.flatnonzero(np.isfinite(values))
        if not len(rows):
            continue
        own: Any = getattr(term, side, getattr(term, "limit", None))
        alike = side in getattr(term, "by_asset", ()) or (np.ndim(own) == 0 and not isinstance(own, Mapping))
        shown = side if hasattr(term, side) or not hasattr(term, "limit") else ""
        for where in [rows] if alike or m == 1 else [rows[[k]] for k in range(len(rows))]:
            label = None if alike or m == 1 else labels[int(where[0])]
            limit = _own_number(own, label) if own is not None else _one_number(values[where])
            parts.append(_row_part(name, family, sign, A, values, where, side=shown, label=label, limit=limit))
    return parts


def _own_number(own: Any, label: str | None) -> float | None:
    """The number as the user gave it, without what a benchmark adds; None where it is not to be found."""
    if np.ndim(own) == 0 and not isinstance(own, Mapping):
        return float(own)
    named = (
        own.items() if isinstance(own, Mapping | pd.Series) else ((f"row {k}", x) for k, x in enumerate(np.ravel(own)))
    )
    values = [float(value) for key, value in named if label is None or str(key) == label]
    return values[0] if len(set(values)) == 1 else None


def _row_part(
    name: str, family: str, sign: int, A: Any, values: Array, where: npt.NDArray[np.intp], **shown: Any
) -> Part:
    m, k = len(values), 2 if sign > 0 else 1

    def place(draft: Draft, give: float) -> None:
        block = draft.rows.setdefault(name, (A, np.full(m, -np.inf), np.full(m, np.inf)))
        block[k][where] = values[where] + sign * give

    return Part(name, family, sign, place, key=name, end=sign, rows=where, **shown)


def _of_limits(name: str, term: Any, given: list[Limit], family: str) -> list[Part]:
    sides = [side for side in ("gross", "long", "short") if getattr(term, side, None) is not None]
    parts = []
    for i, limit in enumerate(given):
        key = name if len(given) == 1 else key_of(name, i)

        def place(draft: Draft, give: float, key: str = key, limit: Limit = limit) -> None:
            draft.limits[key] = limit._replace(bound=limit.bound + give)

        # A net return is limited from below: in the user's words, its limit falls.
        sign = -1 if isinstance(term, MinReturn) else 1
        side = sides[i] if len(sides) == len(given) else str(i) if len(given) > 1 else ""
        parts.append(Part(name, family, sign, place, side, limit=sign * limit.bound, key=key, end=1))
    return parts


def _of_ratio(name: str, term: GroupRatio) -> list[Part]:
    parts = []
    for side, sign in (("lower", -1), ("upper", 1)):
        value = getattr(term, side)
        if value is None:
            continue

        def place(draft: Draft, give: float, side: str = side, sign: int = sign, value: float = value) -> None:
            other = {"lower": "upper", "upper": "lower"}[side]
            one = clone(term).set_params(**{side: max(value + sign * give, 0.0), other: None})
            A, low, _ = one.rows(draft.base)
            draft.rows[key_of(name, side)] = (A, np.array([low]), np.array([np.inf]))

        most = value if sign < 0 else np.inf
        parts.append(
            Part(name, "groups", sign, place, side, None, value, 0, most, key_of(name, side), -1, is_affine=False)
        )
    return parts


def _of_group_numbers(problem: Problem, name: str, term: GroupCardinality) -> list[Part]:
    parts = []
    for side, sign in (("fewest", -1), ("most", 1)):
        own = getattr(term, side)
        if own is None:
            continue
        one = clone(term).set_params(fewest=None, most=None).set_params(**{side: own})
        named = zip(term._members(problem.names), one.holdings(problem), strict=True)
        limits = [(g, x) for g, x in named if (x.fewest if sign < 0 else int(x.members.sum()) - x.most) > 0]
        alike = np.ndim(own) == 0 and not isinstance(own, Mapping)
        for pairs in [limits] if alike and limits else [[each] for each in limits]:
            some = [x for _, x in pairs]

            def place(draft: Draft, give: float, some: list[HeldLimit] = some, sign: int = sign) -> None:
                g = int(give)
                draft.held += [
                    x._replace(fewest=max(x.fewest - g, 0)) if sign < 0 else x._replace(most=x.most + g) for x in some
                ]

            value = some[0].fewest if sign < 0 else some[0].most
            most = value if sign < 0 else max(int(x.members.sum()) for x in some) - value
            label = None if alike else pairs[0][0]
            parts.append(Part(name, "holdings", sign, place, side, label, value, 1, most, name, is_affine=False))
    return parts


def _of_number(problem: Problem, name: str, term: Any, family: str) -> Part:
    """A constraint with integer variables and one limit."""

    def place(draft: Draft, give: float) -> None:
        draft.others.append((name, clone(term).set_params(limit=term.limit + give)))

    step = int(isinstance(term, MaxTrades))
    most = problem.n_assets - float(term.limit) if step else np.inf
    return Part(name, family, 1, place, limit=float(term.limit), step=step, most=most, key=name, is_affine=False)


def _of_other(name: str, term: Any) -> Part:
    """A constraint of which only cvxpy knows what it is: it stands, or is left out."""

    def place(draft: Draft, give: float) -> None:
        draft.others.append((name, term))

    return Part(name, "risk", 1, place, key=name, most=0, is_affine=False)
