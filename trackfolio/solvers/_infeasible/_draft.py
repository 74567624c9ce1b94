"""A problem in the making, of limits one by one, each of which can be left out or give way by a number."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._constraint import Constraint, GivenLimits, Rows
from trackfolio._functions import AbsoluteSum, Limit
from trackfolio._holdings import HeldLimit
from trackfolio._validation import Array
from trackfolio.constraints import ConditionalBudget, MaxTrades
from trackfolio.problem import Problem

# Bounds, in units of the weights, where integers need some and there are none.
FAR = 10.0
# In proofs, weights without bounds go no farther, in units of the weights.
ENDLESS = 1e3


def key_of(*parts: object) -> str:
    """A key that no limit of a user has: names hold no double underscore."""
    return "__".join(["", *map(str, parts)])


@dataclasses.dataclass(eq=False)
class Draft:
    """A problem in the making: only those limits that were placed."""

    base: Problem
    lower: Array
    upper: Array
    budget: list[float]
    rows: dict[str, tuple[Any, Array, Array]]
    limits: dict[str, Limit]
    others: list[tuple[str, Any]]
    held: list[HeldLimit]
    cardinality: list[int] | None = None
    min_position: Array | None = None

    @classmethod
    def of(cls, base: Problem, gives: "Mapping[Part, float]") -> "Draft":
        """The parts, each with what it gives; infinity leaves it out."""
        n = base.n_assets
        draft = cls(base, np.full(n, -np.inf), np.full(n, np.inf), [-np.inf, np.inf], {}, {}, [], [])
        for part, give in gives.items():
            if give < np.inf:
                part.place(draft, give)
        return draft

    @property
    def is_crossed(self) -> bool:
        """Whether some limit from below is above that from above."""
        pairs = [(self.lower, self.upper), self.budget, *((low, high) for _, low, high in self.rows.values())]
        slack = 1e-12 * self.base.unit
        return any(bool(np.any(np.asarray(low) > np.asarray(high) + slack)) for low, high in pairs)

    @property
    def is_discrete(self) -> bool:
        """Whether some limit is on what is held or traded."""
        some = self.cardinality is not None or self.min_position is not None or bool(self.held)
        return some or any(term.is_discrete for _, term in self.others)

    @property
    def absolute(self) -> list[tuple[str, AbsoluteSum, float]]:
        """Limits on one sum of absolute values, with their bounds."""
        found = []
        for key, limit in self.limits.items():
            (c, f), *more = limit.summands
            if isinstance(f, AbsoluteSum) and not more:
                found.append((key, f, limit.bound / c))
        return found

    @property
    def convex(self) -> dict[str, Limit]:
        """All other limits on functions."""
        linear = {key for key, _, _ in self.absolute}
        return {key: limit for key, limit in self.limits.items() if key not in linear}

    def problem(self) -> Problem:
        """The draft as a problem."""
        constraints: list[tuple[str, Any]] = [(name, GivenLimits(Rows(*rows))) for name, rows in self._finite_rows()]
        constraints += [(key, GivenLimits([limit])) for key, limit in self.limits.items()]
        constraints += [*self.others, *((key_of("held", k), _GivenHoldings(h)) for k, h in enumerate(self.held))]
        few, lower, upper = self.cardinality, self.lower, self.upper
        if self.is_discrete:  # integers need bounds
            far = FAR * self.base.unit
            # A conditional budget is only defined for weights that are not negative.
            positive = any(isinstance(term, ConditionalBudget) for _, term in self.others)
            least = np.minimum(0.0 if positive else -far, upper)
            lower = np.where(np.isfinite(lower), np.maximum(lower, 0.0) if positive else lower, least)
            upper = np.where(np.isfinite(upper), upper, np.maximum(far, lower))
        return dataclasses.replace(
            self.base,
            lower=lower,
            upper=np.maximum(upper, lower),  # they cross by rounding at most
            budget=(self.budget[0], max(self.budget)),
            constraints=constraints,
            cardinality=None if few is None else (few[0], few[1]),
            min_position=self.min_position,
        )

    def in_trades(self) -> "Draft":
        """The same limits on what is traded, where one on the number of trades is the only one on integers.

        Then few trades are held, in place of few weights; elsewhere it is the draft itself.
        """
        few = self.cardinality is not None or self.min_position is not None or bool(self.held)
        if few or self.convex or len(self.others) != 1 or not isinstance(self.others[0][1], MaxTrades):
            return self
        term = self.others[0][1]
        before = self.base.require_previous_weights("MaxTrades")
        lower, upper = self.lower - before, self.upper - before
        rows = {key: (A, low - A @ before, high - A @ before) for key, (A, low, high) in self.rows.items()}
        # Where previous weights are outside of their bounds, not to trade is not allowed.
        rows[key_of("weights")] = (sp.eye_array(len(before), format="csr"), lower, upper)
        return dataclasses.replace(
            self,
            lower=np.minimum(lower, 0.0),
            upper=np.maximum(upper, 0.0),
            budget=[end - float(before.sum()) for end in self.budget],
            rows=rows,
            limits={key: _moved(limit, before) for key, limit in self.limits.items()},
            others=[],
            cardinality=[0, min(int(term.limit), len(before))],
        )

    def _finite_rows(self) -> list[tuple[str, tuple[Any, Array, Array]]]:
        """Blocks of rows with at least one limit."""
        return [
            (name, (A, lower, np.maximum(upper, lower)))
            for name, (A, lower, upper) in self.rows.items()
            if (np.isfinite(lower) | np.isfinite(upper)).any()
        ]


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """One number of a limit, or several that give way alike.

    `place(draft, give)` writes it into a draft, relaxed by that much. `sign` is the direction in which it gives way;
    `step` is 1 for whole numbers; `most` is a give beyond which nothing changes. `key`, `end` and `rows` are the place
    of its limit in a draft: its name, from below (-1) or from above (1), and the rows. `is_affine`: the draft's numbers
    move in proportion to the give.
    """

    name: str
    family: str
    sign: int
    place: Callable[[Draft, float], None]
    side: str = ""
    label: str | None = None
    limit: float | None = None
    step: int = 0
    most: float = np.inf
    key: str = ""
    end: int = 0
    rows: npt.NDArray[np.intp] | None = None
    is_affine: bool = True
    #: Whether it is an equation of one number, which moves as a whole.
    moves: bool = False


class _GivenHoldings(Constraint):
    def __init__(self, given: HeldLimit) -> None:
        self.given = given

    def holdings(self, problem: Any) -> list[HeldLimit]:
        return [self.given]


def _moved(limit: Limit, before: Array) -> Limit:
    """A limit on sums of absolute values, in what is traded."""
    sums = [(c, f) for c, f in limit.summands if isinstance(f, AbsoluteSum)]
    return limit._replace(summands=[(c, dataclasses.replace(f, centre=f.centre - before)) for c, f in sums])
