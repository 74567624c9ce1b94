r"""What a search over holdings leaves behind, and the lower bound that follows from it and from the data.

A search splits the portfolios by what is held, until each part (a leaf) has a lower bound. In a leaf, assets are held
(I), not held, or open; at most K are held in all. For a convex function :math:`w'Mw + b'w + \tau + \sum_i d_i w_i^2`
that is nowhere above the quadratic objective within the limits, and any numbers :math:`\beta_i \ge 0`, every
portfolio of the leaf has

.. math::

    \sum_i d_i w_i^2 \ge \sum_i 2 \beta_i \sqrt{d_i}\,|w_i| - \sum_{i \in I} \beta_i^2
    - \text{the } K - |I| \text{ largest } \beta_i^2 \text{ of open assets}

since :math:`d w^2 \ge 2\beta\sqrt{d}|w| - \beta^2` for a held asset, and both sides are 0 for another one. With the
tangent of w'Mw at any point, multipliers of the linear limits, and the minimum over each weight's interval, the rest is
arithmetic: wrong numbers give a weak bound, never a false one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._functions import AbsoluteSum, least_each
from trackfolio._holdings import OPEN, Holdings, States
from trackfolio._quadratic import parts_of
from trackfolio._validation import Array

_EPS = float(np.finfo(float).eps)
# Leaves are bounded in chunks of this many numbers.
_CHUNK = 2_000_000


@dataclass(frozen=True, eq=False)
class Relaxation:
    """A function w'Mw + slope·w + Σ diagonal_i w_i², claimed to be below the quadratic objective but for a constant.

    The constant is what the data allow (see `checked`). Without a matrix, the slope is that of the objective, and M is
    what the diagonal leaves of its matrix.
    """

    diagonal: Array
    matrix: Array | None = None
    slope: Array | None = None


@dataclass(frozen=True, eq=False)
class Leaves:
    """Parts of the set of portfolios that cover it, and multipliers for each.

    Attributes
    ----------
    states : ndarray of int8 of shape (n_leaves, n_assets)
        What is decided of each asset: see `trackfolio._holdings`.
    origins : ndarray of int8 of shape (n_leaves, n_assets)
        The same for the part from which the multipliers come: the leaf itself, or one that holds it.
    points : sparse array of shape (n_leaves, n_assets)
        Weights at which the leaf's functions are replaced by tangents.
    shares : ndarray of shape (n_leaves,)
        Least β of the assets that may be held.
    row_duals : ndarray of shape (n_leaves, n_rows)
        Signed multipliers of the rows of `Problem.linear`.
    limit_duals : ndarray of shape (n_leaves, n_absolute_limits)
        Multipliers of `Problem.absolute_limits`.
    relaxation : ndarray of int of shape (n_leaves,)
        Which relaxation the bound is by; -1 for a leaf without a portfolio.
    """

    states: States
    origins: States
    points: Any
    shares: Array
    row_duals: Array
    limit_duals: Array
    relaxation: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.states)

    def part(self, where: Any) -> "Leaves":
        """Some of them."""
        return Leaves(*(getattr(self, name)[where] for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class SearchProof:
    """Relaxations and leaves: all that `certify` needs."""

    relaxations: list[Relaxation]
    leaves: Leaves


class _Checked(NamedTuple):
    """A relaxation as far as it holds: M is positive semidefinite up to `curvature`, the constant lowered if needed."""

    diagonal: Array
    matrix: Array
    slope: Array
    constant: float
    curvature: float


def proven_bound(problem: Any, proof: SearchProof, lower: Array, upper: Array) -> float:
    """Lower bound of the objective (of its square, for a root) that the leaves prove; -inf where they do not cover.

    Parameters
    ----------
    problem : Problem
        With holdings, and an objective that splits (`Problem.split`).
    proof : SearchProof
        Claims, none of which is believed.
    lower, upper : ndarray of shape (n_assets,)
        Bounds of the weights that follow from all limits.
    """
    holdings = replace(problem.holdings, lower=lower, upper=upper)
    if not covers_all(holdings, proof.leaves.states):
        return -np.inf
    relaxations = [checked(problem, relaxation, lower) for relaxation in proof.relaxations]
    return float(min(leaf_bounds(problem, holdings, relaxations, proof.leaves), default=-np.inf))


def checked(problem: Any, relaxation: Relaxation, lower: Array) -> _Checked:
    """What of a relaxation holds for the data."""
    n = problem.n_assets
    parts_given = (relaxation.diagonal, relaxation.matrix, relaxation.slope)
    if not all(part is None or np.isfinite(part).all() for part in parts_given):
        return _Checked(np.zeros(n), np.zeros((n, n)), np.zeros(n), -np.inf, 0.0)
    gram, linear, constant = problem.split.quadratic.gram()
    d = np.maximum(relaxation.diagonal, 0.0)
    if relaxation.matrix is None:
        matrix, slope, value = gram - np.diag(d), -2 * linear, constant
    else:
        matrix, slope = relaxation.matrix, relaxation.slope
        value = _constant_below(problem, relaxation, d, lower)
    matrix = (matrix + matrix.T) / 2
    size = float(np.abs(matrix).sum(axis=1).max())
    parts = parts_of(problem.split.quadratic) if relaxation.matrix is None else None
    # What factors and specific variances leave is positive semidefinite by its form.
    known = parts is not None and bool((d <= parts[1]).all())
    curvature = (0.0 if known else max(0.0, -float(np.linalg.eigvalsh(matrix)[0]))) + 4 * len(d) * _EPS * size
    assert slope is not None
    return _Checked(d, matrix, slope, value + problem.split.constant, curvature)


def _constant_below(problem: Any, relaxation: Relaxation, d: Array, lower: Array) -> float:
    """The constant with which the function is below the objective for weights >= 0 that sum to the budget.

    There, the objective is w'Hw with one matrix H, and so is the function: entrywise comparison is enough.
    """
    total = problem.budget[0]
    if not (total > 0 and problem.budget[1] == total and (lower >= 0).all()):
        return -np.inf
    homogeneous = homogenised(problem.split.quadratic.gram(), total)
    assert relaxation.matrix is not None
    assert relaxation.slope is not None
    b = relaxation.slope
    less = homogeneous - relaxation.matrix - np.diag(d) - (b[:, None] + b) / (2 * total)
    rounding = 32 * _EPS * float(np.abs(homogeneous).max() + np.abs(relaxation.matrix).max() + np.abs(d).max())
    return float(total**2 * (less.min() - rounding))


def homogenised(gram: tuple[Array, Array, float], total: float) -> Array:
    """Matrix H with w'Hw equal to the quadratic form, for weights of a given sum."""
    matrix, linear, constant = gram
    return np.asarray(matrix - (linear[:, None] + linear) / total + constant / total**2)


def leaf_bounds(problem: Any, holdings: Holdings, relaxations: list[_Checked], leaves: Leaves) -> Array:
    """Lower bound of each leaf."""
    bounds = np.full(len(leaves), -np.inf)
    step = max(1, _CHUNK // problem.n_assets)
    for k in np.unique(leaves.relaxation):
        rows = np.flatnonzero(leaves.relaxation == k)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            if k < 0:
                empty = [_is_empty(problem, holdings, leaves.states[i]) for i in part]
                bounds[part] = np.where(empty, np.inf, -np.inf)
            elif k < len(relaxations):
                bounds[part] = _bounds(problem, holdings, relaxations[k], leaves.part(part))
    return bounds


def _bounds(problem: Any, holdings: Holdings, relaxation: _Checked, leaves: Leaves) -> Array:
    d, matrix, slope, constant, curvature = relaxation
    closed = [holdings.closed(states) for states in leaves.states]
    empty = np.array([states is None for states in closed])
    states = np.array([own if done is None else done for own, done in zip(leaves.states, closed, strict=True)])
    lower, upper = holdings.box(states)
    x = leaves.points.toarray()
    A, row_lower, row_upper = problem.linear
    # A multiplier of a side that does not exist proves nothing; without it, the bound is weaker but true.
    duals = np.clip(
        leaves.row_duals, np.where(np.isinf(row_upper), 0, -np.inf), np.where(np.isinf(row_lower), 0, np.inf)
    )
    sides = np.where(duals > 0, row_lower, np.where(duals < 0, row_upper, 0.0))
    Mx = x @ matrix
    # w'Mw >= 2x'Mw - x'Mx - curvature |w - x|².
    reach = np.maximum(np.abs(lower - x), np.abs(upper - x))
    distance = np.sum(reach**2, axis=1)
    if (problem.lower >= 0).all():  # |w| is then at most the sum
        distance = np.minimum(distance, (problem.budget[1] + np.sqrt(np.sum(x**2, axis=1))) ** 2)
    lost = distance * curvature
    tilt = 2 * Mx + slope - (A.T @ duals.T).T
    prices = np.maximum(leaves.limit_duals, 0.0)
    priced = [*zip(prices.T[:, :, None], problem.absolute_limits, strict=True)]
    sums = [*problem.split.sums, *((price, function) for price, (function, _) in priced)]
    paid = sum((price[:, 0] * bound for price, (_, bound) in priced), np.zeros(len(x)))
    fixed = [duals * sides, np.stack([-np.sum(x * Mx, axis=1), -paid], 1)]
    beta, top = _multipliers(np.sqrt(d) * np.abs(x), states, leaves, holdings.most)
    pull = 2 * beta * np.sqrt(d)
    own = (1.0, AbsoluteSum(pull, pull, np.zeros(len(d))))
    parts = [*fixed, -top[:, None], least_each(tilt, lower, upper, [own, *sums])]
    with np.errstate(invalid="ignore"):
        value = constant + sum(np.sum(part, axis=1) for part in parts)
        size = abs(constant) + sum(np.sum(np.abs(part), axis=1) for part in parts)
        result = value - lost - 4 * _EPS * len(d) ** 0.5 * size
    return np.where(empty, np.inf, np.where(np.isnan(result), -np.inf, result))


def share_of(t: Array, states: States, most: int) -> float:
    """The β that open assets share where Σ t²/z is least over Σz <= most, z <= 1: those with t below it have z < 1."""
    rest = most - int((states > 0).sum())
    ordered = -np.sort(-t[states == OPEN])
    if rest <= 0 or len(ordered) <= rest:
        return 0.0
    shares = np.cumsum(ordered[::-1])[::-1][:rest] / (rest - np.arange(rest))
    return float(shares[np.argmax(ordered[:rest] <= shares)])


def _multipliers(t: Array, states: States, leaves: Leaves, most: int) -> tuple[Array, Array]:
    """β, and what the z of a leaf may cost in all: that of held assets, and of the largest open ones."""
    held, open_ = states > 0, states == OPEN
    # Any β will do; where an asset was held in the part from which the multipliers come, it was t there.
    beta = np.where(leaves.origins > 0, t, np.maximum(t, np.maximum(leaves.shares, 0.0)[:, None]))
    ordered = -np.sort(-np.where(open_, beta**2, 0.0), axis=1)
    largest = np.where(np.arange(t.shape[1]) < (most - held.sum(axis=1))[:, None], ordered, 0.0)
    return beta, np.sum(np.where(held, beta**2, 0.0), axis=1) + largest.sum(axis=1)


def _is_empty(problem: Any, holdings: Holdings, decided: States) -> bool:
    """Whether a leaf has no portfolio: by its limits on what is held, or, checked by HiGHS, by all linear limits."""
    states = holdings.closed(decided)
    if states is None:
        return True
    lower, upper = holdings.box(states)
    return bool((lower > upper).any()) or not is_linearly_feasible(problem, lower, upper)


def is_linearly_feasible(problem: Any, lower: Array, upper: Array) -> bool:
    """Whether some weights of these bounds keep the linear limits and those on sums of absolute values."""
    from scipy.optimize import linprog

    n, unit = problem.n_assets, problem.unit
    A, row_lower, row_upper = problem.linear
    # In units of the weights: tolerances of solvers are absolute.
    lower, upper, row_lower, row_upper = (side / unit for side in (lower, upper, row_lower, row_upper))
    A, absolute = sp.csr_array(A), list(problem.absolute_limits)
    above, below = np.flatnonzero(np.isfinite(row_upper)), np.flatnonzero(np.isfinite(row_lower))
    # Weights, then for each limit the summands of its sum, which are above both of their slopes.
    extra = n * len(absolute)
    rows = sp.vstack([A[above], -A[below]])
    blocks = [sp.hstack([rows, sp.csr_array((rows.shape[0], extra))])]
    right = [row_upper[above], -row_lower[below]]
    for k, (f, bound) in enumerate(absolute):
        own = sp.eye_array(n, extra, k=n * k)
        for slope in (f.up, -f.down):
            blocks.append(sp.hstack([sp.diags_array(slope), -own]))
            right.append(slope * f.centre / unit)
        blocks.append(sp.hstack([sp.csr_array((1, n)), sp.csr_array(np.ones((1, n)) @ own)]))
        right.append(np.array([bound / unit]))
    result = linprog(
        np.zeros(n + extra),
        A_ub=sp.vstack(blocks, format="csr"),
        b_ub=np.concatenate(right),
        bounds=np.column_stack([np.append(lower, np.zeros(extra)), np.append(upper, np.full(extra, np.inf))]),
        method="highs",
    )
    return bool(result.status != 2)  # 2: infeasible; only what was shown counts


def covers_all(holdings: Any, states: States) -> bool:
    """Whether leaves hold every portfolio: some asset is decided in all of them, in all its ways, and so on."""
    return all(len(rows) == 1 for rows in _split(states, holdings.ways)) if len(states) else False


def _split(states: States, ways: list[list[int]]) -> Iterator[npt.NDArray[np.intp]]:
    """Leaves below each branching, one by one where they cover it; an empty one stands for what is not covered."""
    stack = [(np.arange(len(states)), np.zeros(states.shape[1], dtype=bool))]
    while stack:
        rows, done = stack.pop()
        if len(rows) == 1 and not (states[rows[0]] != OPEN)[~done].any():
            yield rows
            continue
        decided = np.flatnonzero((states[rows] != OPEN).all(axis=0) & ~done)
        if not len(decided):
            yield rows[:0]
            return
        column = decided[0]
        for way in ways[column]:
            below = rows[states[rows, column] == way]
            if not len(below):
                yield below
                return
            stack.append((below, done | (np.arange(len(done)) == column)))
