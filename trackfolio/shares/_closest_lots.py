"""The whole lots that are nearest to target amounts: an exact search from the linear relaxation, lot by lot."""

import math
from typing import Any, NamedTuple

import numpy as np

from trackfolio._validation import Array

# Lots by which a target may fall short of a whole number and still be one.
_EXACT = 1e-9
# Above so many, floats do not count lots exactly.
_MOST_LOTS = 2.0**50
# Shares of the invested amount: what rounding leaves of a sum, and by how much it may overdraw the cash.
_NOISE, _OVERDRAFT = 1e-13, 1e-12
# Choices of lots that are kept side by side, and looked at in all: a limit in states, not in seconds, so that the same
# portfolio gives the same shares everywhere. The last is how much cash that is left counts when some must go.
_WIDEST, _MOST_WORK, _NEARER = 20_000, 3_000_000, 1e-3


class _Lots(NamedTuple):
    """Lots that may be taken or left, one entry each: what they cost, what they cover, whether they are taken at first.

    `number` lots of an asset go together.
    """

    cost: Array
    cover: Array
    taken: Any
    asset: Any
    number: Array


def closest_lots(target: Array, unit: Array) -> tuple[Array, float]:
    """Whole lots with the least shortfall, and by how much it could at most be smaller, as an amount: see `Shares`."""
    quotient = target / unit
    floor = np.floor(quotient + np.maximum(_EXACT, 1e-15 * np.abs(quotient)))
    rest = target - floor * unit
    rest = np.where(rest > _EXACT * unit, rest, 0.0)
    room = float(rest.sum())
    gross = float(np.abs(target).sum())
    order = np.argsort(-rest / unit, kind="stable")
    order = order[rest[order] > 0]
    if not len(order):
        return floor, 0.0

    # The first lot that the cash does not reach for. There is one, as all rests are below a lot, but for rounding.
    split = int(np.searchsorted(np.cumsum(unit[order]), room + _OVERDRAFT * gross, side="right"))
    before = order[:split]
    if split == len(order):
        return floor + np.isin(np.arange(len(unit)), before), 0.0
    ratio = float(rest[order[split]] / unit[order[split]])
    start = (room - float(unit[before].sum()), room - float(rest[before].sum()))
    relaxed = start[1] - ratio * start[0]
    greedy = _greedy(unit, rest, order, room + _OVERDRAFT * gross)
    best = room - float(rest[greedy].sum())
    spare = best - relaxed + _NOISE * gross
    items = _candidates(floor, unit, rest, before, target, ratio, spare)
    search = _Search(items, ratio, relaxed, gross)
    changed, bound = search.run(start, best)
    lots = floor.copy()
    np.add.at(lots, greedy if changed is None else before, 1.0)
    if changed is not None:
        np.add.at(lots, items.asset[changed], np.where(items.taken, -items.number, items.number)[changed])
    unproven = search.best - bound
    return lots, unproven if unproven > 10 * _NOISE * gross else 0.0


def _greedy(unit: Array, rest: Array, order: Any, room: float) -> Any:
    """Lots that still fit, in the order of what they cover for their cost."""
    chosen = []
    for i in order:
        if unit[i] <= room:
            chosen.append(i)
            room -= unit[i]
    return np.array(chosen, dtype=np.intp)


def _candidates(
    floor: Array, unit: Array, rest: Array, before: Any, target: Array, ratio: float, spare: float
) -> _Lots:
    """Lots of which it is open whether they are taken: to decide against the relaxation costs less than it can gain."""
    beyond = np.flatnonzero((rest > 0) & (np.abs(rest - ratio * unit) <= spare))
    taken = np.isin(beyond, before)
    # Lots below the target cover all they cost. The sign of the weight stays: longs have only so many to give up.
    most = np.minimum(np.floor(spare / ((1 - ratio) * unit)), _MOST_LOTS)
    most = np.where(target > 0, np.minimum(most, floor), most)
    parts = []
    for i in np.flatnonzero(most > 0):
        left, size = float(most[i]), 1.0
        while left > 0:  # 1, 2, 4, ... lots together: any number is a sum of few
            parts.append((i, min(size, left)))
            left, size = left - min(size, left), 2 * size
    below = np.array([i for i, _ in parts], dtype=np.intp)
    several = np.array([number for _, number in parts])
    whole = several * unit[below]
    items = _Lots(
        cost=np.concatenate([unit[beyond], whole]),
        cover=np.concatenate([rest[beyond], whole]),
        taken=np.concatenate([taken, np.ones(len(below), dtype=bool)]),
        asset=np.concatenate([beyond, below]),
        number=np.concatenate([np.ones(len(beyond)), several]),
    )
    nearest = np.argsort(np.abs(items.cover / items.cost - ratio), kind="stable")
    return _Lots(*(column[nearest] for column in items))


class _Search:
    """Choices of lots side by side, each as the cash it leaves and its shortfall, decided lot by lot.

    Cash may be overdrawn on the way, as long as lots that are taken remain to be given up.
    """

    def __init__(self, items: _Lots, ratio: float, relaxed: float, gross: float) -> None:
        self.items, self.relaxed = items, relaxed
        self.noise, self.overdraft = _NOISE * gross, _OVERDRAFT * gross
        self.loss = np.abs(items.cover - ratio * items.cost)
        rates = items.cover / items.cost
        # The most that a lot yet to be taken covers for its cost, the least that one to be given up does.
        ahead = np.append(np.where(items.taken, 0.0, rates), 0.0)
        behind = np.append(np.where(items.taken, rates, np.inf), np.inf)
        self.add = np.maximum.accumulate(ahead[::-1])[::-1]
        self.give = np.minimum.accumulate(behind[::-1])[::-1]
        self.best, self.best_path = math.inf, (0, -1)
        self.steps: list[tuple[int, Any]] = []
        self.given_up = math.inf

    def run(self, start: tuple[float, float], best: float) -> tuple[Any, float]:
        """Items to decide against the start (None: the best known before is the best), and the bound."""
        self.best, work = best, 0
        room, shortfall = np.array([start[0]]), np.array([start[1]])
        if shortfall[0] < best - self.noise:
            self.best, self.best_path = float(shortfall[0]), (0, 0)
        for j in range(len(self.items.cost)):
            if self.relaxed + self.loss[j] > self.best - self.noise:
                continue  # to decide against it costs more than it can gain
            room, shortfall, code = self._branch(j, room, shortfall)
            at = int(np.argmin(np.where(room >= -self.overdraft, shortfall, np.inf)))
            if room[at] >= -self.overdraft and shortfall[at] < self.best - self.noise:
                self.best, self.best_path = float(shortfall[at]), (len(self.steps) + 1, int(code[at]))
            keep, bounds = self._promising(j, room, shortfall)
            room, shortfall = room[keep], shortfall[keep]
            self.steps.append((j, code[keep]))
            work += len(room)
            if not len(room):
                break
            if work > _MOST_WORK:
                self.given_up = min(self.given_up, float(bounds.min()))
                break
        return self._changed(), max(self.relaxed, min(self.best, self.given_up))

    def _branch(self, j: int, room: Array, shortfall: Array) -> tuple[Array, Array, Any]:
        """Each choice with lot j as it was and the other way; only those that leave more cash or cost less remain."""
        sign = 1.0 if self.items.taken[j] else -1.0
        room = np.concatenate([room, room + sign * self.items.cost[j]])
        shortfall = np.concatenate([shortfall, shortfall + sign * self.items.cover[j]])
        half = len(room) // 2
        code = np.concatenate([2 * np.arange(half), 2 * np.arange(half) + 1]).astype(np.int32)
        order = np.lexsort((shortfall, -room))
        room, shortfall, code = room[order], shortfall[order], code[order]
        least = np.minimum.accumulate(shortfall)
        better = np.append(True, shortfall[1:] < least[:-1] - self.noise)
        return room[better], shortfall[better], code[better]

    def _promising(self, j: int, room: Array, shortfall: Array) -> tuple[Any, Array]:
        """Choices whose relaxation beats the best known, at most the widest number, and their bounds."""
        bounds = shortfall - np.where(room >= -self.overdraft, self.add[j + 1], self.give[j + 1]) * room
        keep = np.flatnonzero(bounds < self.best - self.noise)
        if len(keep) > _WIDEST:
            # Where many bounds are equal, choices with little cash left are the nearer to a good end.
            ranked = np.argpartition(bounds[keep] + _NEARER * np.abs(room[keep]), _WIDEST)
            self.given_up = min(self.given_up, float(bounds[keep[ranked[_WIDEST:]]].min()))
            keep = np.sort(keep[ranked[:_WIDEST]])
        return keep, bounds[keep]

    def _changed(self) -> Any:
        """Items decided against the start on the way to the best choice."""
        length, code = self.best_path
        if code < 0:
            return None
        changed = []
        for step in range(length, 0, -1):
            if code & 1:
                changed.append(self.steps[step - 1][0])
            code = int(self.steps[step - 2][1][code >> 1]) if step > 1 else 0
        return np.array(changed, dtype=np.intp)
