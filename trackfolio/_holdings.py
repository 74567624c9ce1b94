"""Limits on which assets are held: how many, of which groups, and how small a position may be."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array
from trackfolio.exceptions import InfeasibleError

States = npt.NDArray[np.int8]

#: What is decided of an asset: not held, open, held (long, where both sides are possible), held short.
OUT, OPEN, HELD, SHORT = -1, 0, 1, 2

# Positions below this, in units of the weights, are none.
_NOTHING = 1e-9


class HeldLimit(NamedTuple):
    r"""At least `fewest` and at most `most` of the `members` are held: what `Constraint.holdings` returns.

    .. math:: fewest \le |\{i \in members : w_i \ne 0\}| \le most

    Attributes
    ----------
    name : str
        What errors call the limit.
    members : ndarray of bool of shape (n_assets,)
        Assets that are counted.
    fewest, most : int
        Limits of their number.

    Examples
    --------
    >>> import numpy as np
    >>> from trackfolio.constraints import HeldLimit
    >>> HeldLimit("banks", np.array([True, True, False]), fewest=0, most=1).most
    1
    """

    name: str
    members: npt.NDArray[np.bool_]
    fewest: int
    most: int


@dataclass(frozen=True, eq=False)
class Holdings:
    """How many assets may be held, of all and of groups; how small a position may be; and the bounds of all weights.

    Attributes
    ----------
    limits : list of HeldLimit
        The first is that on all assets, "cardinality".
    least : ndarray of shape (n_assets,)
        Smallest size of a position, 0 where any is allowed.
    lower, upper : ndarray of shape (n_assets,)
        Bounds of the weights.
    """

    limits: list[HeldLimit]
    least: Array
    lower: Array
    upper: Array

    @property
    def fewest(self) -> int:
        """Least number of assets held."""
        return self.limits[0].fewest

    @property
    def most(self) -> int:
        """Largest number of assets held."""
        return self.limits[0].most

    @property
    def can_be_long(self) -> npt.NDArray[np.bool_]:
        """Where state HELD is possible."""
        return np.asarray((self.least == 0) | (self.upper >= self.least))

    @property
    def can_be_short(self) -> npt.NDArray[np.bool_]:
        """Where state SHORT differs from HELD: long and short positions are two intervals, with a hole between them."""
        return np.asarray((self.least > 0) & (self.lower <= -self.least))

    @property
    def ways(self) -> list[list[int]]:
        """How each asset can be decided."""
        pairs = zip(self.can_be_long, self.can_be_short, strict=True)
        return [[OUT, *([HELD] if long else []), *([SHORT] if short else [])] for long, short in pairs]

    def box(self, states: States) -> tuple[Array, Array]:
        """Bounds of the weights for states of shape (n_assets,) or (n, n_assets)."""
        long = np.where(self.least > 0, np.maximum(self.lower, self.least), self.lower)
        lower = np.where(states == HELD, long, np.minimum(self.lower, 0.0))
        upper = np.where(states == SHORT, np.minimum(self.upper, -self.least), np.maximum(self.upper, 0.0))
        upper = np.where(states == HELD, self.upper, upper)
        out = states == OUT
        return np.where(out, 0.0, lower), np.where(out, 0.0, upper)

    def room(self, w: Array) -> npt.NDArray[np.bool_]:
        """Which assets could be held in any size beside those that are held."""
        held = w != 0
        full = [limit.members for limit in self.limits if (held & limit.members).sum() >= limit.most]
        return np.asarray((self.least == 0) & ~np.any([np.zeros_like(held), *full], axis=0))

    @property
    def sides(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Bounds of all weights if they are held long (or at all), and if they are held short."""
        long = np.full(len(self.least), HELD, dtype=np.int8)
        return self.box(long), self.box(np.full_like(long, SHORT))

    def states_of(self, w: Array) -> States:
        """What is held at given weights, decided for each asset."""
        short = self.can_be_short & ((w < 0) | ~self.can_be_long)
        return np.where(w == 0, OUT, np.where(short, SHORT, HELD)).astype(np.int8)

    @property
    def always(self) -> npt.NDArray[np.bool_]:
        """Assets that are held in any case, since their bounds exclude 0."""
        return np.asarray((self.lower > 0) | (self.upper < 0))

    def closed(self, states: States) -> States | None:
        """What follows from states: a limit that is reached decides the rest; None where no portfolio is left."""
        states = states.copy()
        states[(states == OPEN) & (self.lower > 0)] = HELD
        below = (states == OPEN) & (self.upper < 0)
        states[below] = np.where(self.can_be_short[below], SHORT, HELD)
        # What can be held in no way, or only with a weight of 0.
        never = ~(self.can_be_long | self.can_be_short) | ((self.lower == 0) & (self.upper == 0))
        states[(states == OPEN) & never] = OUT
        changed = True
        while changed:
            changed = False
            for limit in self.limits:
                inside = states[limit.members]
                held, open_ = int((inside > 0).sum()), int((inside == OPEN).sum())
                if held > limit.most or held + open_ < limit.fewest:
                    return None
                where = limit.members & (states == OPEN)
                if open_ and held == limit.most:
                    states[where] = OUT
                    changed = True
                elif open_ and held + open_ == limit.fewest:
                    one_sided = where & ~(self.can_be_short & self.can_be_long)
                    states[one_sided & self.can_be_long] = HELD
                    states[one_sided & ~self.can_be_long] = SHORT
                    changed = bool(one_sided.any())
        if ((states == OUT) & self.always).any():
            return None
        return states

    def violation(self, w: Array, unit: float) -> float:
        """Largest weight that would have to go, or to be added, to keep all limits on what is held."""
        size = np.where(np.abs(w) > _NOTHING * unit, np.abs(w), 0.0)
        missing = np.where(size > 0, self.least - size, 0.0)
        worst = [float(missing.max(initial=0.0))]
        for limit in self.limits:
            inside = np.sort(size[limit.members])[::-1]
            if limit.most < len(inside):
                worst.append(float(inside[limit.most]))
            if limit.fewest > 0:
                worst.append(float(np.min(self.least[limit.members])) - float(inside[limit.fewest - 1]))
        return max(worst)

    def check(self, names: list[str], budget: tuple[float, float]) -> None:
        """Raise `InfeasibleError` where numbers clash, before any search."""
        n = len(names)
        for limit in self.limits:
            if limit.fewest > 0 and not (self.least[limit.members] > 0).all():
                raise ValueError(
                    f"{limit.name} asks for at least {limit.fewest} names, which says little while a position may be "
                    "as small as you like: set min_position, the least weight of a held asset."
                )
        if self.fewest > n:
            raise InfeasibleError(f"cardinality asks for at least {self.fewest} names, but there are only {n}.")
        self._check_positions(names, budget)
        for limit in self.limits:
            inside = int(limit.members.sum())
            if limit.fewest > inside:
                raise InfeasibleError(f"{limit.name} asks for at least {limit.fewest} names, but has only {inside}.")
            must = int((self.always & limit.members).sum())
            if must > limit.most:
                raise InfeasibleError(
                    f"{limit.name} allows at most {limit.most} names, but min_weights or max_weights hold {must} of "
                    "them away from 0: set min_weights to 0 and min_position to what a held asset needs."
                )
        self._check_groups()
        self._check_reach(budget)

    def _check_positions(self, names: list[str], budget: tuple[float, float]) -> None:
        wanted = (self.upper > 0) | (self.lower < 0)
        impossible = np.flatnonzero(wanted & (self.least > self.upper) & (self.least > -self.lower))
        if len(impossible):
            i = int(impossible[0])
            side = f"max_weights of {self.upper[i]:.10g}"
            raise InfeasibleError(
                f"min_position of {names[i]!r} is {self.least[i]:.10g}, above its {side} ({len(impossible)} of "
                f"{len(names)} assets): it could never be held. Lower min_position, or raise max_weights."
            )
        if self.fewest > 0 and (self.lower >= 0).all():
            least = float(np.sort(np.maximum(self.least, self.lower))[: self.fewest].sum())
            if least > budget[1] * (1 + 1e-12):
                raise InfeasibleError(
                    f"cardinality asks for at least {self.fewest} names of at least min_position each, which add up to "
                    f"{least:.10g}, above the budget of {budget[1]:.10g}: lower one of them."
                )

    def _check_groups(self) -> None:
        total, groups = self.limits[0], self.limits[1:]
        for limit in groups:
            if limit.fewest > total.most:
                raise InfeasibleError(
                    f"{limit.name} asks for at least {limit.fewest} names, cardinality for at most {total.most} in all."
                )
        families: dict[str, list[HeldLimit]] = {}
        for limit in groups:
            families.setdefault(limit.name.partition(" ")[0], []).append(limit)
        for name, family in families.items():
            if (np.sum([limit.members for limit in family], axis=0) > 1).any():
                continue
            fewest = sum(limit.fewest for limit in family)
            if fewest > total.most:
                raise InfeasibleError(
                    f"The groups of {name} ask for at least {fewest} names together, cardinality for at most "
                    f"{total.most}."
                )
            covered = np.any([limit.members for limit in family], axis=0)
            most = sum(min(limit.most, int(limit.members.sum())) for limit in family) + int((~covered).sum())
            if most < total.fewest:
                raise InfeasibleError(
                    f"cardinality asks for at least {total.fewest} names, the groups of {name} allow at most {most}."
                )

    def _check_reach(self, budget: tuple[float, float]) -> None:
        """The largest weights allowed must reach the budget, the smallest must not pass it."""
        upper = np.sort(np.maximum(self.upper, 0.0))[::-1][: self.most]
        if upper.sum() < budget[0] * (1 - 1e-12):
            raise InfeasibleError(
                f"cardinality of at most {self.most} and max_weights allow a sum of {upper.sum():.10g}, below the "
                f"budget of {budget[0]:.10g}: raise one of them."
            )
        if (self.lower >= 0).all() and (self.least > 0).all() and budget[0] > 0 and self.least.min() > budget[1]:
            raise InfeasibleError(
                f"min_position is {self.least.min():.10g} or more, above the budget of {budget[1]:.10g}: no asset can "
                "be held."
            )


def cardinality_of(value: Any) -> tuple[int, int] | None:
    """`cardinality` as (fewest, most), or an error."""
    if value is None:
        return None
    pair = value if isinstance(value, tuple | list) else (0, value)
    good = len(pair) == 2 and all(isinstance(k, int | np.integer) and not isinstance(k, bool | np.bool_) for k in pair)
    if not good or not 0 <= pair[0] <= pair[1]:
        raise ValueError(
            f"cardinality must be None, a whole number, or a pair (fewest, most) of whole numbers, got {value!r}."
        )
    if pair[1] == 0:
        raise ValueError(f"cardinality={value!r} allows no asset at all; give a number of at least 1.")
    return int(pair[0]), int(pair[1])
