"""The best portfolio of few names by trying every set of them, each solved by PIQP: nothing of the library is used."""

import itertools
from dataclasses import dataclass, field

import numpy as np
import piqp


@dataclass
class Instance:
    """Minimise w'Qw - 2h'w + constant + price · Σ |w - previous| within limits, with numbers worked out by hand.

    Half of that sum, the turnover, is at most `turnover`; `groups` are (members, fewest, most), `rows` (a, low, high).
    """

    Q: np.ndarray
    h: np.ndarray
    constant: float = 0.0
    fewest: int = 0
    most: int = 10**6
    groups: list = field(default_factory=list)
    lower: np.ndarray = None
    upper: np.ndarray = None
    least: np.ndarray = None
    rows: list = field(default_factory=list)
    budget: tuple = (1.0, 1.0)
    previous: np.ndarray = None
    turnover: float = np.inf
    price: float = 0.0

    def __post_init__(self):
        n = len(self.h)
        self.lower = np.zeros(n) if self.lower is None else self.lower
        self.upper = np.ones(n) if self.upper is None else self.upper
        self.least = np.zeros(n) if self.least is None else self.least
        # Solved in units in which the objective is about 1.
        self.unit = float(np.trace(self.Q)) / n

    def value(self, w):
        paid = 2 * self.price * _turnover(self, w)
        return float(w @ self.Q @ w - 2 * self.h @ w) + self.constant + paid


def brute_force(instance):
    """Least objective and its weights; infinite and None where no set of names will do."""
    return min(((value, w) for _, value, w in portfolios(instance)), key=lambda each: each[0], default=(np.inf, None))


def best_by_number(instance):
    """Least objective with so many names, from 0 to the most."""
    values = np.full(min(instance.most, len(instance.h)) + 1, np.inf)
    for sides, value, _ in portfolios(instance):
        k = np.count_nonzero(sides)
        values[k] = min(values[k], value)
    return values


def portfolios(instance):
    """The best portfolio of each set of names, held long (1) or, where both are possible, short (2) instead."""
    n = len(instance.h)
    must = (instance.lower > 0) | (instance.upper < 0)
    for k in range(instance.fewest, min(instance.most, n) + 1):
        for names in itertools.combinations(range(n), k):
            held = np.isin(np.arange(n), names)
            counts = all(fewest <= (held & members).sum() <= most for members, fewest, most in instance.groups)
            if not counts or must[~held].any():
                continue
            for chosen in itertools.product(*(_sides(instance, i) for i in names)):
                sides = np.zeros(n, dtype=int)
                sides[held] = [side for side, *_ in chosen]
                box = np.array([bounds for _, *bounds in chosen]).reshape(-1, 2)
                yield sides, *_solved(instance, list(names), box)


def _sides(instance, i):
    low, high, least = instance.lower[i], instance.upper[i], instance.least[i]
    if least == 0:
        yield 1, low, high
        return
    if high >= least:
        yield 1, max(low, least), high
    if low <= -least:
        yield 2, low, min(high, -least)


def _solved(instance, names, box):
    """With the names held: weights, then what is bought and sold of each where trades count."""
    n, k = len(instance.h), len(names)
    w = np.zeros(n)
    left = instance.turnover - _turnover(instance, w, names)
    rows = [(np.ones(n), *instance.budget), *instance.rows]
    if left < 0 or (k == 0 and any(low > 0 or high < 0 for _, low, high in rows)):
        return np.inf, None
    if k == 0:
        return instance.value(w), w
    size = k if instance.previous is None else 3 * k
    P, c = np.zeros((size, size)), np.zeros(size)
    P[:k, :k] = 2 * instance.Q[np.ix_(names, names)] / instance.unit
    c[:k] = -2 * instance.h[names] / instance.unit
    lower, upper = np.zeros(size), np.full(size, np.inf)
    lower[:k], upper[:k] = box.T
    G = np.zeros((len(rows), size))
    G[:, :k] = [row[names] for row, _, _ in rows]
    bounds = [(low, high) for _, low, high in rows]
    if instance.previous is not None:
        centre = instance.previous[names]
        c[k:] = instance.price / instance.unit
        trades = np.hstack([np.eye(k), -np.eye(k), np.eye(k)])
        G = np.vstack([G, trades])
        bounds += zip(centre, centre, strict=True)
        if np.isfinite(left):
            G = np.vstack([G, np.repeat([0.0, 0.5], [k, 2 * k])])
            bounds.append((-np.inf, left))
    x = _by_piqp(P, c, G, np.array(bounds).T, lower, upper)
    if x is None:
        return np.inf, None
    w[names] = x[:k]
    return instance.value(w), w


def _turnover(instance, w, apart=()):
    if instance.previous is None:
        return 0.0
    return float(np.delete(np.abs(w - instance.previous), list(apart)).sum()) / 2


def _by_piqp(P, c, G, bounds, lower, upper):
    solver, (low, high) = piqp.DenseSolver(), bounds
    solver.settings.eps_abs, solver.settings.eps_rel = 1e-11, 0.0
    equal = low == high
    rest = (G[~equal], low[~equal], high[~equal]) if (~equal).any() else (None, None, None)
    solver.setup(np.asfortranarray(P), c, G[equal], low[equal], *rest, lower, upper)
    return np.array(solver.result.x) if solver.solve() == piqp.PIQP_SOLVED else None
