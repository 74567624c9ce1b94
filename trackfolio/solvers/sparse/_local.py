"""Excellent portfolios at once: elimination from the relaxation, exchanges of names, and restarts."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from trackfolio._holdings import HELD, OPEN, OUT, SHORT, States
from trackfolio._validation import Array
from trackfolio.solvers.sparse._engines import Engine

# An exchange must improve the objective by this share of its size.
_IMPROVEMENT = 1e-9
# Exchanges that are solved before a portfolio counts as a local optimum, and names eliminated at a time.
_TRIED, _SHARE_ELIMINATED = 40, 0.1
# Elimination begins with the largest so many positions of the relaxation, or four times the names allowed.
_ELIMINATED = 300
# Added to scores, so that each name has a chance in restarts.
_EVEN = 0.02

Support = npt.NDArray[np.intp]
#: Out, in (-1 for none), and which positions are short afterwards.
Exchange = tuple[int, int, npt.NDArray[np.bool_]]


class LocalSearch:
    """Searches portfolios near others; keeps the best.

    Parameters
    ----------
    engine : Engine
        Solves the problem with a given set of names.
    generator : RandomState
        For restarts.
    is_over : callable
        Whether there is no time for another restart.
    """

    def __init__(self, engine: Engine, generator: np.random.RandomState, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over
        self.engine, self.program, self.generator = engine, engine.program, generator
        self.holdings = engine.program.holdings
        self.value, self.w = np.inf, np.zeros(engine.program.n_assets)
        self._long, self._short = self.holdings.sides
        self._most_eliminated = max(_ELIMINATED, 4 * self.holdings.most)
        self._always = self.holdings.always
        self._has_floors = bool((self.holdings.least > 0).any())
        self._has_sides = bool(self.holdings.can_be_short.any())

    def try_states(self, states: States, start: Array) -> tuple[float, Array]:
        """Best portfolio of some decisions, if all that are open are held."""
        states = np.where(states == OPEN, np.where(self.holdings.can_be_long, HELD, SHORT), states).astype(np.int8)
        return self._solve(np.flatnonzero(states != OUT), states == SHORT, start)

    def _solve(self, support: Support, is_short: npt.NDArray[np.bool_], start: Array) -> tuple[float, Array]:
        if not self._allowed(support):
            return np.inf, start
        lower, upper = self._long
        if self._has_sides:
            lower, upper = (np.where(is_short, s, b) for s, b in zip(self._short, self._long, strict=True))
        return self.keep(*self.engine.of_support(support, lower, upper, start))

    def keep(self, value: float, w: Array) -> tuple[float, Array]:
        """Remember a portfolio if it is the best."""
        if value < self.value:
            self.value, self.w = value, w
        return value, w

    def _allowed(self, support: Support) -> bool:
        if self._always[support].sum() < self._always.sum():
            return False
        return all(limit.fewest <= limit.members[support].sum() <= limit.most for limit in self.holdings.limits)

    def chosen(self, scores: Array, states: States) -> Support:
        """Names of the highest scores within the limits on how many, those that are held in any case among them."""
        taken = states > 0
        counts = [int(limit.members[taken].sum()) for limit in self.holdings.limits]
        order = [i for i in np.argsort(-scores, kind="stable") if states[i] == OPEN]
        if len(self.holdings.limits) == 1 and not self._has_floors:
            taken[order[: self.holdings.most - counts[0]]] = True
            return np.flatnonzero(taken)
        # First what the groups need, then the rest.
        for needed in (True, False):
            for i in order:
                inside = [k for k, limit in enumerate(self.holdings.limits) if limit.members[i]]
                if taken[i] or any(counts[k] >= self.holdings.limits[k].most for k in inside):
                    continue
                if needed and all(counts[k] >= self.holdings.limits[k].fewest for k in inside):
                    continue
                if not needed and scores[i] <= 0 and self._has_floors:
                    continue
                taken[i] = True
                for k in inside:
                    counts[k] += 1
        return np.flatnonzero(taken)

    def round(self, w: Array, z: Array, states: States) -> tuple[float, Array]:
        """Portfolio of the names that count most in a relaxation."""
        support = self.chosen(z + np.abs(w) / (1 + np.abs(w).sum()), states)
        return self._solve(support, w < 0, w)

    def eliminate(self, w: Array) -> tuple[float, Array]:
        """Drop the names whose loss costs least, from the relaxation on, until few enough are left."""
        if len(self.holdings.limits) > 1 or not self.program.is_plain or self._always.any():
            states = self.holdings.closed(np.zeros(len(w), dtype=np.int8))
            return (np.inf, w) if states is None else self.round(w, np.abs(w), states)
        is_short = w < 0
        free = np.sort(np.argsort(-np.abs(w), kind="stable")[: min(np.count_nonzero(w), self._most_eliminated)])
        box = self.holdings.box(np.zeros(len(w), dtype=np.int8))
        while len(free) > self.holdings.most:
            inverse = _projected_inverse(2 * self.program.Q[np.ix_(free, free)])[0]
            cost = w[free] ** 2 / np.maximum(np.diagonal(inverse), 1e-300)
            drop = max(1, min(len(free) - self.holdings.most, int(_SHARE_ELIMINATED * len(free))))
            free = np.sort(free[np.argsort(cost, kind="stable")[drop:]])
            if len(free) > self.holdings.most:
                w = self.engine.of_support(free, *box, w)[1]
        return self._solve(free, is_short, w)

    def descend(self, value: float, w: Array) -> tuple[float, Array]:
        """Exchange names one by one, while that improves the portfolio."""
        while np.isfinite(value):
            better = self._better(value, w)
            if better is None:
                return value, w
            value, w = better
        return value, w

    def _better(self, value: float, w: Array) -> tuple[float, Array] | None:
        """First exchange that improves a portfolio, those in order that would do best if bounds did not matter."""
        support = np.flatnonzero(w)
        least = value - _IMPROVEMENT * abs(value)
        for out, into, is_short in self._exchanges(support, w, least):
            names = support if out < 0 else support[support != out]
            names = names if into < 0 else np.sort(np.append(names, into))
            if not len(names):
                continue
            start = w.copy()
            if out >= 0 and into >= 0:
                start[into] = w[out]
            start[names[0]] += w.sum() - start[names].sum()
            found = self._solve(names, is_short, start)
            if found[0] < least:
                return found
        return None

    def _exchanges(self, support: Support, w: Array, least: float) -> list[Exchange]:
        """Exchanges (out, in; -1 for none) with the short positions after them, best first."""
        if not len(support):
            return [(-1, i, w < 0) for i in range(len(w))]
        value = self.program.value(w)
        gains, entering, sides = self._gains(support, w)
        short = w < 0
        found: list[Exchange] = []
        count = min(4 * _TRIED, gains.size)
        order = np.argpartition(gains, count - 1, axis=None)[:count]
        order = order[np.argsort(gains.ravel()[order], kind="stable")]
        for a, i in zip(*np.unravel_index(order, gains.shape), strict=True):
            if value + gains[a, i] >= least or len(found) >= _TRIED:
                break
            after = short.copy()
            after[entering[i]] = sides[i]
            found.append((int(support[a]), int(entering[i]), after))
        if len(support) < self.holdings.most:
            found += [(-1, int(entering[i]), short) for i in np.argsort(gains.min(axis=0))[:_TRIED]]
        if self._has_floors:
            found += [(int(a), -1, short) for a in support]
        return found

    def _gains(self, support: Support, w: Array) -> tuple[Array, Support, npt.NDArray[np.bool_]]:
        """Change of the objective by each exchange (out x in) if weights had no bounds, from updated inverses."""
        program, Q = self.program, self.program.Q
        g = program.gradient(w)
        entering = np.setdiff1d(np.arange(len(w)), support)
        inverse, y = _projected_inverse(2 * Q[np.ix_(support, support)])
        multiplier = float(y @ g[support])
        slopes = g[entering] - multiplier
        across = 2 * Q[np.ix_(support, entering)]
        moves = -inverse @ across - y[:, None]
        # The curvature along a new name's weight, all others following at their best.
        curvature = 2 * np.diagonal(Q)[entering] + np.sum(across * moves, axis=0)
        curvature += float(y @ (2 * Q[np.ix_(support, support)]) @ y) - y @ across
        curvature = np.maximum(curvature, 1e-12 * (np.abs(np.diagonal(Q)).max() or 1.0))
        steps = -slopes / curvature
        after = w[support][:, None] + moves * steps
        gains = -(slopes**2) / (2 * curvature) + after**2 / (
            2 * np.maximum(np.diagonal(inverse)[:, None] + moves**2 / curvature, 1e-300)
        )
        return gains, entering, np.asarray(steps < 0)

    def restart(self, times: int, scores: Array | None = None) -> None:
        """Descend again from the best portfolio with some names changed at random, those of high scores more often."""
        for _ in range(times):
            if not np.isfinite(self.value) or self._is_over():
                return
            support = np.flatnonzero(self.w)
            others = np.setdiff1d(np.arange(len(self.w)), support)
            movable = support[~self._always[support]]
            number = min(len(movable), len(others), self.generator.randint(2, 4 + len(support) // 10))
            if number < 1:
                return
            leaving = self.generator.choice(movable, number, replace=False)
            chances = None if scores is None else (scores[others] + _EVEN) / (scores[others] + _EVEN).sum()
            entering = self.generator.choice(others, number, replace=False, p=chances)
            names = np.sort(np.append(np.setdiff1d(support, leaving), entering))
            self.descend(*self._solve(names, self.w < 0, self.w))


def _projected_inverse(H: Array) -> tuple[Array, Array]:
    """Inverse of a curvature matrix on the moves that keep the sum, and the weights of sum 1 of least curvature."""
    n = len(H)
    inverse = np.linalg.inv(H + np.eye(n) * (1e-11 * (float(np.trace(H)) / n or 1.0)))
    ones = inverse.sum(axis=1)
    y = ones / ones.sum()
    return np.asarray(inverse - np.outer(y, ones)), np.asarray(y)
