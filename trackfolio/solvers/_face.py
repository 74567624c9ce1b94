"""The set of all optimal weights, as far as linear algebra tells it from the multipliers of one solution.

All optimal weights share the multipliers: with them, each weight stays within an interval (at its bound where that has
a price), limits that have a price stay met with equality, curved functions keep their arguments, and periods that stand
at a kink stay there. These are linear equations and inequalities of the step d from the weights that were found. Where
the equations have no solution but 0, the weights are unique.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.linalg.lapack import dpotrf, dpstrf

from trackfolio._functions import AbsoluteSum, Limit, Linear
from trackfolio._position import Position
from trackfolio._power_sum import PowerSum
from trackfolio._products import chunks, transposed_times
from trackfolio._quadratic import Quadratic, RowsQuadratic, factors_of
from trackfolio._shape import Shape
from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds, reduced_costs
from trackfolio.problem import Problem
from trackfolio.solution import Solution

# In the scale of the objective: what weights may differ by in their prices and still be as good.
_SLACK = 1e-9
# From this share of the scale on, a multiplier says that its limit is met with equality on all of the set.
_PRICED = 1e-7
# In the unit of the weights, and in the size of the returns: nearer than this is at a bound, or at a kink.
_AT = 1e-7
# Squared, relative to the assets' own sizes: flatter directions are flat.
_FLAT = 1e-12
# With more, linear programs would take longer than the fit.
_MOST_DIRECTIONS = 10
_MOST_PERIODS = 1000


@dataclass(frozen=True)
class Step:
    """Conditions of a step d of the open weights and of the scalars within risks.

    K is a sum of squares, 0 where all equations hold; beside them low <= d <= high and below <= G d <= above. The
    equations are sufficient; those that are known to be necessary as well have the sum of squares `necessary`.
    """

    open: npt.NDArray[np.intp]
    low: Array
    high: Array
    K: Array
    necessary: Array
    G: Array
    below: Array
    above: Array
    is_complete: bool

    @property
    def size(self) -> int:
        """Number of open weights."""
        return len(self.open)

    @property
    def n_scalars(self) -> int:
        """Number of scalars."""
        return len(self.K) - self.size

    @cached_property
    def is_nowhere(self) -> bool:
        """Whether d = 0 alone meets the equations."""
        return self._is_regular(self.K)

    @cached_property
    def is_unique(self) -> bool:
        """Whether d = 0 alone meets the equations that are necessary."""
        return self.is_nowhere if self.is_complete else self._is_regular(self.necessary)

    def _is_regular(self, K: Array) -> bool:
        if self.size == 0:
            return True
        scaled = _scaled(K)
        scaled[np.diag_indices(len(scaled))] -= self._flat
        return bool(dpotrf(scaled, lower=1, overwrite_a=1, clean=0)[1] == 0)

    def narrowed(self) -> "Step":
        """The same for fewer weights, those with the most room, where there are more directions than are looked at."""
        rank = int(dpstrf(_scaled(self.K), tol=self._flat, lower=1)[2])
        kept = rank + _MOST_DIRECTIONS - self.n_scalars
        if self.size <= kept:
            return self
        room = np.minimum(-self.low, self.high)
        places = np.sort(np.argsort(-room, kind="stable")[:kept])
        both = np.concatenate([places, np.arange(self.size, len(self.K))])
        return replace(
            self, open=self.open[places], low=self.low[places], high=self.high[places],
            K=self.K[np.ix_(both, both)], necessary=self.necessary[np.ix_(both, both)], G=self.G[:, both],
        )  # fmt: skip

    @cached_property
    def directions(self) -> Array:
        """Steps that meet the equations, as columns."""
        values, vectors = np.linalg.eigh(_scaled(self.K))
        flat = vectors[:, values <= self._flat] / _units(self.K)[:, None]
        # Of the weights, not of the scalars alone.
        _, sizes, across = np.linalg.svd(flat[: self.size], full_matrices=False)
        kept = sizes > 1e-9 * max(float(np.max(sizes, initial=0.0)), 1e-300)
        directions: Array = flat @ (across[kept].T / sizes[kept])
        return directions

    @property
    def _flat(self) -> float:
        return max(_FLAT, 10 * len(self.K) * float(np.finfo(float).eps))


def _units(K: Array) -> Array:
    own = np.sqrt(np.maximum(np.diagonal(K), 0.0))  # below 0 by rounding
    return np.where(own > 0, own, 1.0)


def _scaled(K: Array) -> Array:
    units = _units(K)
    return np.asfortranarray(K / np.outer(units, units))


def step_within_optima(problem: Problem, solution: Solution) -> Step:
    """Conditions that all other optimal weights meet; incomplete where some function has none of that kind."""
    slack = max(_SLACK * problem.scale, 10 * abs(solution.gap) * problem.gap_unit_at(solution.objective))
    is_least = solution.objective <= problem.least_value + slack
    if is_least:  # no limit can have a price, whatever is left of slopes that were divided by an objective of 0
        none = np.zeros(len(problem.linear.lower))
        solution = replace(solution, row_duals=none, limit_duals={}, pulls={})
    low, high, of_sums = _intervals(problem, solution, slack, is_least)
    open_ = np.flatnonzero(high - low > 10 * _AT * problem.unit)
    conditions = _Conditions(problem, solution, open_, is_least)
    conditions.add_rows()
    conditions.add_functions(of_sums)
    w = solution.weights[open_]
    return conditions.step(low[open_] - w, high[open_] - w)


def _intervals(problem: Problem, solution: Solution, slack: float, is_least: bool) -> tuple[Array, Array, list[Array]]:
    """Where each weight is as good as the best, by its own price; and the slopes of absolute values there.

    Prices are convex with kinks: the best ones are an interval between bounds and kinks.
    """
    (slope, sums), w, unit = reduced_costs(problem, solution), solution.weights, problem.unit
    slope = 0 * slope if is_least else slope
    lower, upper = implied_bounds(problem)
    lower, upper = np.maximum(lower, w - unit), np.minimum(upper, w + unit)  # far enough to see a difference
    centres = [np.clip(s.centre, lower, upper) for _, s in sums]
    ends = np.sort(np.array([lower, upper, *centres]), axis=0)
    values = slope * ends + np.sum([nu * s.each(ends) for nu, s in sums], axis=0)
    good = values - values.min(axis=0) <= slack
    # A weight between two ends is as good as they are, whatever rounding says of its price.
    near = _AT * unit
    below, above = (
        np.where(ends <= w + near, ends, -np.inf).max(axis=0),
        np.where(ends >= w - near, ends, np.inf).min(0),
    )
    inside = (w > below + near) & (w < above - near)
    low, high = np.where(good, ends, np.inf).min(axis=0), np.where(good, ends, -np.inf).max(axis=0)
    low, high = np.where(inside, np.minimum(low, below), low), np.where(inside, np.maximum(high, above), high)
    width = np.where(high > low, high - low, 1.0)
    return low, high, [(s.each(high) - s.each(low)) / width for _, s in sums]


class _Conditions:
    """Equations and inequalities of a step, while they are collected."""

    def __init__(self, problem: Problem, solution: Solution, open_: npt.NDArray[np.intp], is_least: bool) -> None:
        self.problem, self.solution, self.open, self.is_least = problem, solution, open_, is_least
        self.squares: list[Array] = []
        self.sufficient: list[Array] = []
        self.equations: list[Array] = []
        self.of_periods: list[tuple[Array, Array, float, float, int | None]] = []
        self.inequalities: list[tuple[Array, Array, Array, int | None]] = []
        self.n_scalars, self.is_complete = 0, True

    def add_rows(self) -> None:
        """Linear limits: met with equality where they have a price, and kept where they have none."""
        A, lower, upper = self.problem.linear
        duals = self.solution.row_duals
        assert duals is not None, "only asked of solutions with multipliers"
        block = A[:, self.open]
        block = block.toarray() if sp.issparse(block) else block
        there = np.abs(block).max(axis=1, initial=0.0) > 0
        priced = (lower == upper) | (np.abs(duals) * self.problem.unit > _PRICED * self.problem.scale)
        self.equations.append(block[there & priced])
        Aw, kept = A @ self.solution.weights, there & ~priced
        self.inequalities.append((block[kept], (lower - Aw)[kept], (upper - Aw)[kept], None))

    def add_functions(self, of_sums: list[Array]) -> None:
        """Curved functions and kinks of the objective, and of limits that have a price."""
        n_objective = len(self.problem.objective)
        slopes = iter(of_sums)
        for _, coefficient, function in self.problem.objective:
            if isinstance(function, AbsoluteSum):
                next(slopes)
            self._add(coefficient, function, is_constant=n_objective == 1)
        for name, limits in self.problem.limits.items():
            pulls = iter(self.solution.pulls.get(name, []))
            for nu, limit in zip(self.solution.limit_duals.get(name, []), limits, strict=False):
                self._add_limit(limit, max(nu, 0.0), slopes, pulls)

    def _add_limit(self, limit: Limit, nu: float, slopes: Iterator[Array], pulls: Iterator[Array | None]) -> None:
        """A limit that has a price is met with equality; without one, it is looked at when a step is tried."""
        total, is_affine = np.zeros(len(self.open)), True
        is_priced = nu * limit.scale(self.problem.unit) > _PRICED * self.problem.scale
        for coefficient, function in limit.summands:
            pull = next(pulls, None)
            if isinstance(function, AbsoluteSum):
                total += coefficient * (next(slopes)[self.open] if nu > 0 else 0.0)
            elif is_priced:
                self._add(nu * coefficient, function, is_constant=len(limit.summands) == 1)
                given = None if pull is None or function.quadratic is not None else pull / (nu * coefficient)
                is_affine &= given is not None or not hasattr(function, "position") or function.quadratic is not None
                total += coefficient * function.minorant(self.solution.weights, given).slope[self.open]
        size = float(np.max(np.abs(total), initial=0.0))
        if is_priced and is_affine and size > 0:
            self.equations.append(total[None, :] / size)

    def _add(self, coefficient: float, function: Any, *, is_constant: bool) -> None:
        if isinstance(function, Linear | AbsoluteSum):
            return
        if isinstance(function, PowerSum):
            least = _SLACK * self.problem.scale / self.problem.unit**function.exponent
            self.squares.append(np.diag(1.0 * (coefficient * function.coefficients[self.open] > least)))
            return
        shape = getattr(function, "shape", None) if function.quadratic is None else None
        if function.quadratic is not None:
            self._add_curved(function, is_constant=is_constant)
        elif shape is not None and shape.of == "returns" and (is_constant or not shape.is_root):
            self._add_pieces(function.position, shape)
        elif hasattr(function, "position"):
            # Not all there is to know, but where no return changes, no risk does.
            self._add_returns(function.position)
        else:
            self.is_complete = False

    def _add_curved(self, function: Any, *, is_constant: bool) -> None:
        """A quadratic form: flat in the kernel of its matrix, a root beside others also along its own argument."""
        matrix = _gram_on(function.quadratic, self.open)
        if function.is_root and not is_constant:
            w = self.solution.weights
            square, pull = function.value(w) ** 2, function.quadratic.gradient(w)[self.open] / 2
            if square <= 0:
                self.is_complete = False
            else:
                matrix = matrix - np.outer(pull, pull) / square
        size = float(np.max(np.diagonal(matrix), initial=0.0))
        self.squares.append(matrix / (size or 1.0))

    def _add_returns(self, position: Position) -> None:
        self.is_complete = False
        if position.X is not None:
            everything = np.ones(len(position.rows), dtype=bool)
            self.sufficient.append(self._gram(position, everything, np.zeros(len(self.open)))[0] / len(everything))

    def _add_pieces(self, position: Position, shape: Shape) -> None:
        """Periods at a kink, or where a piece is curved, keep their argument; the others their side of it."""
        unit = position.return_unit * self.problem.unit
        returns, mean = position.returns(self.solution.weights) / unit, np.zeros(len(self.open))
        if shape.centre is not None:
            mean = transposed_times(position.rows, shape.centre)[self.open]
            returns = returns - shape.centre @ returns
        counts, arguments, scalar = shape.upper > shape.lower, shape.sign * returns - shape.offset / unit, None
        if shape.free is not None:
            scalar, self.n_scalars = self.n_scalars, self.n_scalars + 1
            arguments = arguments - _threshold(arguments[counts], shape.upper[counts], shape.free)
        bend = np.zeros(len(arguments)) if shape.curvature is None else shape.curvature / unit
        with np.errstate(invalid="ignore"):
            first, last = (np.where(bend > 0, bend * side, 0.0) for side in (shape.lower, shape.upper))
        kept = (arguments > first + _AT) & (arguments < last - _AT) | ((bend == 0) & (np.abs(arguments) <= _AT))
        if self.is_least and shape.free is None:
            kept &= shape.lower < 0  # a shortfall of 0 may become a surplus
        self.of_periods.append((*self._gram(position, counts & kept, mean), shape.sign, scalar))
        above = arguments > last + _AT
        room = np.where(above, arguments - last, np.maximum(first - arguments, 0.0))
        # Of many periods the nearest to their kinks; the others are looked at when a step is tried.
        others = np.flatnonzero(counts & ~kept)
        near = others[np.argsort(room[others], kind="stable")[:_MOST_PERIODS]]
        rows = np.asarray(position.rows[near], dtype=np.float64)[:, self.open] - mean
        low, high = np.where(above, -room, -np.inf)[near], np.where(above, np.inf, room)[near]
        self.inequalities.append((shape.sign / position.return_unit * rows, low, high, scalar))

    def _gram(self, position: Position, chosen: npt.NDArray[np.bool_], mean: Array) -> tuple[Array, Array, float]:
        """Products of the open assets' returns less their mean over chosen periods, and sums; in their typical size."""
        n = len(self.open)
        squares, sums = np.zeros((n, n)), np.zeros(n)
        for part, rows in chunks(position.rows):
            block = (rows[chosen[part]][:, self.open] - mean) / position.return_unit
            squares += block.T @ block
            sums += block.sum(axis=0)
        return squares, sums, float(chosen.sum())

    def step(self, low: Array, high: Array) -> Step:
        """All of it."""
        n, m = len(self.open), self.n_scalars
        K = np.zeros((n + m, n + m))
        for square in self.squares:
            K[:n, :n] += square
        for rows in self.equations:
            K[:n, :n] += rows.T @ rows
        for square, sums, count, sign, place in self.of_periods:
            K[:n, :n] += square
            if place is not None:  # it is subtracted from each argument
                K[:n, n + place] -= sign * sums
                K[n + place, :n] -= sign * sums
                K[n + place, n + place] += count
        necessary = K.copy()
        for square in self.sufficient:
            K[:n, :n] += square
        wide = [self._widened(rows, scalar) for rows, _, _, scalar in self.inequalities]
        below, above = (np.concatenate([part[k] for part in self.inequalities]) for k in (1, 2))
        return Step(
            self.open, np.minimum(low, 0.0), np.maximum(high, 0.0), K, necessary,
            np.vstack(wide), np.minimum(below, 0.0), np.maximum(above, 0.0), self.is_complete,
        )  # fmt: skip

    def _widened(self, rows: Array, scalar: int | None) -> Array:
        """Rows with the coefficients of the scalars: a threshold is subtracted from each argument."""
        wide = np.zeros((len(rows), len(self.open) + self.n_scalars))
        wide[:, : len(self.open)] = rows
        if scalar is not None:
            wide[:, len(self.open) + scalar] = -1.0
        return wide


def _threshold(arguments: Array, most: Array, price: float) -> float:
    """The free scalar of a tail: where those above it have that price in all."""
    order = np.argsort(-arguments)
    place = int(np.searchsorted(np.cumsum(most[order]), price * (1 - 1e-12)))
    return float(arguments[order[min(place, len(order) - 1)]])


def _gram_on(quadratic: Quadratic, open_: npt.NDArray[np.intp]) -> Array:
    """Matrix of a form on some of the weights, without the whole of it where it has few factors or rows."""
    parts = factors_of(quadratic)
    if parts is not None:
        U = parts[0][:, open_]
        return np.asarray(U.T @ U + np.diag(parts[1][open_]))
    if isinstance(quadratic, RowsQuadratic) and quadratic.is_wide:
        R = quadratic.root()[0][:, open_]
        return np.asarray(R.T @ R)
    return quadratic.gram()[0][np.ix_(open_, open_)]
