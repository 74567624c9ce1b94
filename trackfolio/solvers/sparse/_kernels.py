"""The inner loops of the search, compiled by numba: small quadratic programs, and relaxations of nodes.

Compiled at the first call (some seconds) and kept on disk for the next process.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from trackfolio._validation import Array

Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

# Added to the diagonal, relative to its mean, so that flat directions have a step; the larger one where rounding has
# made a matrix indefinite. Slopes within the tolerance, relative to the largest, count as zero.
_REGULARISATION, _STRONGER = 1e-11, 1e-7
_SLOPE_TOLERANCE = 1e-10
# Error of the bound of a node that will be split, by how far it is below the cutoff.
_ROUGH = 0.01


@njit(cache=True)
def _factor(A: Array, n: int) -> bool:
    """Cholesky factor of the leading block, in place, from its lower triangle; whether there is one."""
    for j in range(n):
        pivot = A[j, j]
        for k in range(j):
            pivot -= A[j, k] * A[j, k]
        if pivot <= 0.0:
            return False
        pivot = np.sqrt(pivot)
        A[j, j] = pivot
        for i in range(j + 1, n):
            entry = A[i, j]
            for k in range(j):
                entry -= A[i, k] * A[j, k]
            A[i, j] = entry / pivot
    return True


@njit(cache=True)
def _solve_factored(A: Array, n: int, v: Array) -> None:
    """Solve in place, with the factor from `_factor`."""
    for i in range(n):
        entry = v[i]
        for k in range(i):
            entry -= A[i, k] * v[k]
        v[i] = entry / A[i, i]
    for i in range(n - 1, -1, -1):
        v[i] /= A[i, i]
        for k in range(i):
            v[k] -= A[i, k] * v[i]


@njit(cache=True)
def _make_feasible(lower: Array, upper: Array, total: float, x: Array) -> bool:
    """Move x into its bounds and to its sum, in place, each weight by its share of the room; whether it can be."""
    sum_ = 0.0
    for i in range(len(x)):
        x[i] = min(max(x[i], lower[i]), upper[i])
        sum_ += x[i]
    for _ in range(3):  # once, but for rounding
        missing = total - sum_
        room = 0.0
        for i in range(len(x)):
            room += upper[i] - x[i] if missing > 0 else x[i] - lower[i]
        if room <= 0.0:
            break
        share = min(1.0, abs(missing) / room)
        sum_ = 0.0
        for i in range(len(x)):
            x[i] += share * (upper[i] - x[i]) if missing > 0 else share * (lower[i] - x[i])
            sum_ += x[i]
    return abs(total - sum_) <= 1e-10 * max(1.0, abs(total))


@njit(cache=True)
def _step(
    P: Array, g: Array, free: Mask, x: Array, lower: Array, upper: Array, index: Index, A: Array, u: Array, v: Array
) -> tuple[float, int, bool]:
    """One step of the free weights to their optimum, or to the first bound in the way.

    Returns the multiplier of the sum, the number of free weights (-1 where P has no factor), and whether a bound was
    hit. x, g and free change in place.
    """
    n, m, trace = len(x), 0, 0.0
    for i in range(n):
        trace += P[i, i]
        if free[i]:
            index[m] = i
            m += 1
    if m == 0:
        return 0.0, 0, False
    unit = trace / n if trace > 0.0 else 1.0
    for regularisation in (_REGULARISATION, _STRONGER):
        for a in range(m):
            for b in range(a + 1):
                A[a, b] = P[index[a], index[b]]
            A[a, a] += regularisation * unit
        done = _factor(A, m)
        if done:
            break
    if not done:
        return 0.0, -1, False
    for a in range(m):
        u[a] = g[index[a]]
        v[a] = 1.0
    _solve_factored(A, m, u)
    _solve_factored(A, m, v)
    sum_u, sum_v = 0.0, 0.0
    for a in range(m):
        sum_u += u[a]
        sum_v += v[a]
    multiplier = sum_u / sum_v
    length, hit = 1.0, -1
    for a in range(m):
        u[a] = multiplier * v[a] - u[a]  # the step
        i = index[a]
        if u[a] < 0.0 and x[i] + u[a] < lower[i]:
            reach = (lower[i] - x[i]) / u[a]
        elif u[a] > 0.0 and x[i] + u[a] > upper[i]:
            reach = (upper[i] - x[i]) / u[a]
        else:
            continue
        if reach < length:
            length, hit = max(reach, 0.0), a
    for a in range(m):
        step = length * u[a]
        if step != 0.0:
            i = index[a]
            x[i] += step
            for j in range(n):
                g[j] += step * P[i, j]
    if hit >= 0:
        i = index[hit]
        x[i] = lower[i] if u[hit] < 0.0 else upper[i]
        free[i] = False
    return multiplier, m, hit >= 0


@njit(cache=True)
def minimise(P: Array, c: Array, lower: Array, upper: Array, x: Array, free: Mask, most: int) -> tuple[Array, bool]:
    """Minimise ½x'Px + c'x within bounds, the sum kept as it is: a primal active set, from a feasible x, in place.

    Each step goes to the optimum of the free weights or the first bound in the way, which then holds; at an optimum
    the bound with the most wrong multiplier is let go. The objective never rises. Returns the gradient, and whether
    the bounds settled within the most steps allowed.
    """
    n = len(x)
    g = P @ x + c
    index, A, u, v = np.empty(n, np.int64), np.empty((n, n)), np.empty(n), np.empty(n)
    for _ in range(most):
        multiplier, m, hit = _step(P, g, free, x, lower, upper, index, A, u, v)
        if m < 0:
            return g, False
        if hit:
            continue
        if m == 0:  # the pair of weights that gains most by an exchange
            into, out_of = -1, -1
            for i in range(n):
                if x[i] < upper[i] and (into < 0 or g[i] < g[into]):
                    into = i
                if x[i] > lower[i] and (out_of < 0 or g[i] > g[out_of]):
                    out_of = i
            if into < 0 or out_of < 0 or g[out_of] - g[into] <= _SLOPE_TOLERANCE * np.abs(g).max():
                return g, True
            free[into] = free[out_of] = True
            continue
        worst, loosened = _SLOPE_TOLERANCE * np.abs(g).max(), -1
        for i in range(n):
            if free[i] or lower[i] == upper[i]:
                continue
            slope = g[i] - multiplier
            wrong = -slope if x[i] <= lower[i] else slope
            if wrong > worst:
                worst, loosened = wrong, i
        if loosened < 0:
            return g, True
        free[loosened] = True
    return g, False


@njit(cache=True)
def restricted(
    Q: Array, h: Array, support: Index, lower: Array, upper: Array, total: float, start: Array
) -> tuple[float, Array]:
    """Least w'Qw - 2h'w over weights of a support that sum to the total, and the weights; infinite if there are none.

    Bounds, start and result are of all assets.
    """
    k = len(support)
    P, c, x, free = np.empty((k, k)), np.empty(k), np.empty(k), np.empty(k, np.bool_)
    own_lower, own_upper, w = np.empty(k), np.empty(k), np.zeros(len(h))
    for a in range(k):
        i = support[a]
        for b in range(k):
            P[a, b] = 2.0 * Q[i, support[b]]
        c[a] = -2.0 * h[i]
        x[a], own_lower[a], own_upper[a] = start[i], lower[i], upper[i]
    if not _make_feasible(own_lower, own_upper, total, x):
        return np.inf, w
    for a in range(k):
        free[a] = own_lower[a] < x[a] < own_upper[a]
    g, _ = minimise(P, c, own_lower, own_upper, x, free, 50 + 5 * k)
    value = 0.0
    for a in range(k):
        value += 0.5 * x[a] * (g[a] + c[a])
        w[support[a]] = x[a]
    return value, w


@njit(cache=True)
def held_in_full(t: Array, held: Mask, most: int) -> tuple[Mask, int, float]:
    """Which assets count as held in full where Σ t²/z is least over Σz <= most, 0 <= z <= 1, z = 1 for those held.

    The others share what is left, z = t·rest/tail. Returns them, the rest and the tail.
    """
    full = held.copy()
    rest, tail, others = most, 0.0, 0
    for a in range(len(t)):
        if held[a]:
            rest -= 1
        else:
            tail += t[a]
            others += 1
    if others <= rest:
        full[:] = True
        return full, 0, 0.0
    changed = True
    while changed and rest > 0:
        changed = False
        for a in range(len(t)):
            if not full[a] and t[a] > 0.0 and t[a] * rest >= tail * (1.0 - 1e-13):
                full[a] = True
                rest -= 1
                tail -= t[a]
                changed = True
                if rest == 0:
                    break
    return full, rest, max(tail, 0.0)


@njit(cache=True)
def _knapsack(g: Array, lower: Array, upper: Array, total: float) -> tuple[float, float]:
    """Least g'v over the bounds and the sum, and the multiplier of the sum."""
    value, left = 0.0, total
    for a in range(len(g)):
        value += g[a] * lower[a]
        left -= lower[a]
    multiplier = 0.0
    for a in np.argsort(g):
        multiplier = g[a]
        room = min(upper[a] - lower[a], left)
        value += g[a] * room
        left -= room
        if left <= 0.0:
            break
    return value, multiplier


@njit(cache=True)
def relaxed(
    M: Array, b: Array, d: Array, most: int, lower: Array, upper: Array, held: Mask, total: float, start: Array,
    cutoff: float, rounds: int,
) -> tuple[float, float, Array, Array, float, float]:  # fmt: skip
    r"""Least w'Mw + b'w + Σ d_i w_i²/z_i over z with Σz <= most (z = 1 for those held), weights w >= 0 of this sum.

    A quadratic program for each set of assets that count in full, until that set is right (a semismooth Newton
    method); it ends early where the bound reaches the cutoff, or plainly never will. Returns a lower bound, the value,
    the weights, z, the share of those that
    do not count in full, and the multiplier of the sum.
    """
    m = len(lower)
    x, z = start.copy(), np.ones(m)
    if not _make_feasible(lower, upper, total, x):
        return np.inf, np.inf, x, z, 0.0, 0.0
    root = np.sqrt(d)
    P, c, free = np.empty((m, m)), np.empty(m), np.empty(m, np.bool_)
    bound, multiplier, value, best_share = -np.inf, 0.0, np.inf, 0.0
    best, best_z = x.copy(), z.copy()
    for _ in range(rounds):
        t = root * x
        full, rest, tail = held_in_full(t, held, most)
        share = tail / rest if rest > 0 else 0.0
        Mx = M @ x
        g = 2.0 * Mx + b
        value = 0.0
        for a in range(m):
            value += x[a] * (Mx[a] + b[a])
            if full[a]:
                z[a] = 1.0
                value += t[a] * t[a]
                g[a] += 2.0 * root[a] * t[a]
            else:
                z[a] = t[a] / share if share > 0.0 else 0.0
                value += t[a] * share
                g[a] += 2.0 * root[a] * share
        least, multiplier_now = _knapsack(g, lower, upper, total)
        now = value - np.dot(g, x) + least
        if now > bound:
            bound, multiplier, best_share = now, multiplier_now, share
            best[:], best_z[:] = x, z
        slack, size = value - bound, min(abs(cutoff), abs(value))
        # Its least value is below the cutoff anyway: then a rough bound will do.
        hopeless = value < cutoff < np.inf and slack < _ROUGH * (cutoff - value)
        if bound >= cutoff or slack < 1e-9 * size or hopeless:
            break
        for a in range(m):
            c[a] = b[a]
            for q in range(m):
                P[a, q] = 2.0 * M[a, q]
                if rest > 0 and not full[a] and not full[q]:
                    P[a, q] += 2.0 * root[a] * root[q] / rest
            if full[a]:
                P[a, a] += 2.0 * d[a]
            free[a] = lower[a] < x[a] < upper[a]
        minimise(P, c, lower, upper, x, free, 50 + 5 * m)
    return bound, value, best, best_z, best_share, multiplier
