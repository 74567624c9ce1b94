"""From a problem to the program of the method, and from its point back to weights and multipliers.

Weights are measured in the unit of the problem, the objective in its scale, returns in their typical size, and each
limit in its own: all numbers are then near 1.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._functions import AbsoluteSum, Limit, Linear, RiskOf
from trackfolio._position import Position
from trackfolio._products import transposed_times
from trackfolio._quadratic import mean_diagonal, rows_of
from trackfolio._shape import Shape
from trackfolio._validation import Array
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers.interior_point._bounds import Bounds
from trackfolio.solvers.interior_point._cone import Cone
from trackfolio.solvers.interior_point._factored import Factored, added, scaled
from trackfolio.solvers.interior_point._forms import form_of, is_root, is_single, root_of, shape_of
from trackfolio.solvers.interior_point._maps import Chosen, Map, Pairs, Rows, SparseRows
from trackfolio.solvers.interior_point._pieces import Pieces
from trackfolio.solvers.interior_point._program import Point, Program

Mask = npt.NDArray[np.bool_]
#: Reads a subgradient of a function of the returns, times its coefficient, from a point.
Pull = Callable[[Point], Array | None]


@dataclass
class _Affine:
    """Coefficients of weights and scalars that are still being collected."""

    weights: Array
    scalars: dict[int, float] = field(default_factory=dict)

    def row(self, n_scalars: int) -> Array:
        row = np.concatenate([self.weights, np.zeros(n_scalars)])
        for j, c in self.scalars.items():
            row[len(self.weights) + j] = c
        return row


@dataclass(frozen=True)
class _Argument:
    """Arguments of a sum of pieces; `pull` reads the pull on the returns, given the number of the sum."""

    map: Map | None
    sign: float
    offset: Array
    scalars: dict[int, float]
    local: tuple[int, str] | None
    pull: Callable[[int], Pull]


class Translation:
    """The program of a problem, or of the square of its objective, with the notes by which a point of it is read."""

    def __init__(self, problem: Problem, *, squared: bool = False) -> None:
        self.problem, self.squared, self.size, n = problem, squared, problem.unit, problem.n_assets
        self._cost, self._n_scalars = _Affine(np.zeros(n)), 0
        self._equations: list[tuple[_Affine, float]] = []
        self._limits: list[tuple[_Affine, float]] = []
        self._quadratic: Array | Factored | None = None
        self._pieces: list[Pieces] = []
        self._cones: list[Cone] = []
        self._groups: list[int] = []
        self._returns: dict[tuple[int, float], Rows] = {}
        # How to read pulls and multipliers of limits: by name, in order.
        self._pulls: dict[str, list[Pull]] = {}
        self._limit_duals: dict[str, list[Callable[[Point], float]]] = {}
        self._row_duals: list[Callable[[Point], Array]] = []
        self._bounds = Bounds(problem)
        self._add_rows()
        self._add_bounds()
        for name, coefficient, f in problem.objective:
            self._add_objective(name, coefficient / problem.scale, f)
        for name, limits in problem.limits.items():
            for limit in limits:
                self._add_limit(name, limit)
        self.program = self._assembled()

    def _assembled(self) -> Program:
        k = self._n_scalars
        return Program(
            n_assets=self.problem.n_assets,
            cost=self._cost.row(k),
            A=np.array([e.row(k) for e, _ in self._equations]).reshape(-1, self.problem.n_assets + k),
            b=np.array([b for _, b in self._equations]),
            quadratic=self._quadratic,
            pieces=self._pieces,
            cones=self._cones,
            limits=[(p.row(k), bound) for p, bound in self._limits],
            groups=self._groups,
        )

    # Linear limits.

    def _add_rows(self) -> None:
        A, lower, upper = self.problem.linear
        lower, upper = lower / self.size, upper / self.size
        folded = np.isin(np.arange(len(lower)), self._bounds.rows)
        for k in np.flatnonzero(lower == upper):
            row = A[[k]].toarray()[0] if sp.issparse(A) else A[k]
            self._row_duals.append(partial(_at_row, int(k), len(lower), len(self._equations)))
            self._equations.append((_Affine(np.array(row)), float(upper[k])))
        for sign, bound in ((1.0, upper), (-1.0, lower)):
            i = np.flatnonzero(np.isfinite(bound) & (lower != upper) & ~folded)
            if len(i):
                rows: Map = SparseRows(A[i]) if sp.issparse(A) else Rows(np.asarray(A[i]))
                self._row_duals.append(partial(_at_rows, i, len(lower), sign, len(self._pieces)))
                self._inequality(rows, sign, sign * bound[i])

    def _add_bounds(self) -> None:
        n, lower, upper, fixed = self.problem.n_assets, self._bounds.lower, self._bounds.upper, self._bounds.fixed
        self._equations += [(_Affine(np.eye(1, n, int(k))[0]), float(upper[k])) for k in np.flatnonzero(fixed)]
        # What the other bounds and the budget imply is not said twice.
        implied = np.zeros(n, dtype=bool)
        if np.isfinite(lower).all() and np.isfinite(self.problem.budget[1]):
            implied = upper >= self.problem.budget[1] / self.size - (lower.sum() - lower)
        for sign, bound, needless in ((1.0, upper, implied | fixed), (-1.0, lower, fixed)):
            i = np.flatnonzero(np.isfinite(bound) & ~needless)
            if len(i):
                number = self._inequality(Chosen(i, np.ones(len(i)), n), sign, sign * bound[i])
                self._row_duals.append(partial(self._bounds.duals, i, sign, number))

    def _inequality(self, chosen: Map | None, sign: float, offset: Array, **more: Any) -> int:
        """Arguments that must not be positive; the number of the sum."""
        zero = np.zeros(len(offset))
        self._pieces.append(Pieces(chosen, sign, offset, zero, zero + np.inf, **more))
        return len(self._pieces) - 1

    # Functions.

    def _add_objective(self, name: str, c: float, f: Any) -> None:
        if self.squared:
            self._pulls[name] = [self._add_square(f, c**2)]
        else:
            self._pulls[name] = [self._add(f, c, None)]

    def _add_limit(self, name: str, limit: Limit) -> None:
        pulls, duals = self._pulls.setdefault(name, []), self._limit_duals.setdefault(name, [])
        if is_single(limit):
            (c, f), power = limit.summands[0], 1 if is_root(limit.summands[0][1]) else 2
            most = (limit.bound / c) ** (1 / power)
            number, pull = self._add_cone(f, {}, 1 / most)
            pulls.append(pull)
            duals.append(lambda point: float(point.cones[number][1][0]) / (power * limit.bound))
            return
        k, scale = len(self._limits), limit.scale(self.size)
        self._limits.append((_Affine(np.zeros(self.problem.n_assets)), limit.bound / scale))
        pulls += [self._add(f, c / scale, k) for c, f in limit.summands]
        duals.append(lambda point: float(point.prices[k]) / scale)

    def _add(self, f: Any, c: float, limit: int | None) -> Pull:
        """Add c times a function to the objective or to a limit; how to read its pull."""
        shape = shape_of(f)
        if isinstance(f, Linear):
            self._charge(limit, weights=c * self.size * f.slope, constant=c * f.constant)
        elif isinstance(f, AbsoluteSum):
            self._add_absolute(f, c * self.size, limit)
        elif is_root(f):
            if shape is None:  # a covariance alone has no returns
                unit = float(np.sqrt(mean_diagonal(f.quadratic, self.size))) or 1.0
            else:
                unit = self._unit(f.position)
            v = self._scalar()
            self._charge(limit, scalars={v: c * unit})
            return self._add_cone(f, {v: 1.0}, 1 / unit)[1]
        elif shape is not None:
            return self._add_shape(f, shape, c, limit)
        else:
            return self._add_square(f, c)
        return _no_pull

    def _add_absolute(self, f: AbsoluteSum, c: float, limit: int | None) -> None:
        i = np.flatnonzero(f.up + f.down > 0)
        chosen = Chosen(i, np.ones(len(i)), len(f.centre))
        self._pieces.append(Pieces(chosen, 1.0, f.centre[i] / self.size, -c * f.down[i], c * f.up[i], price=limit))

    def _add_square(self, f: Any, c: float) -> Pull:
        """Add c times a quadratic form, or a sum of squares of shortfalls, to the objective."""
        shape = shape_of(f)
        if shape is not None:
            return self._add_shape(f, shape, c, None)
        own, matrix = self._quadratic, scaled(form_of(f.quadratic), 2 * c * self.size**2)
        self._quadratic = matrix if own is None else added(own, matrix)
        self._cost.weights += c * self.size * f.quadratic.gradient(np.zeros(self.problem.n_assets))
        return _no_pull

    def _add_shape(self, f: RiskOf, shape: Shape, c: float, limit: int | None) -> Pull:
        """Add c times a sum of pieces of the returns."""
        unit, keep = self._unit(f.position), shape.upper > shape.lower
        argument = self._argument(f.position, shape, keep)
        if shape.free is not None:
            alpha = self._scalar()
            argument.scalars[alpha] = -1.0
            self._charge(limit, scalars={alpha: c * unit * shape.free})
        self._pieces.append(
            Pieces(
                argument.map,
                argument.sign,
                argument.offset,
                c * unit * shape.lower[keep],
                c * unit * shape.upper[keep],
                0.0 if shape.curvature is None else shape.curvature[keep] / (c * unit**2),
                argument.scalars,
                argument.local,
                limit,
            )
        )
        return argument.pull(len(self._pieces) - 1)

    def _argument(self, position: Position, shape: Shape, keep: Mask) -> "_Argument":
        """Arguments of the pieces that count."""
        unit, y = self._unit(position), 0.0 if position.y is None else position.y
        offset = np.full(len(keep), shape.offset / unit)
        if shape.of == "drawdowns":
            group, chain = self._path(position)
            return _Argument(None, 1.0, offset, {}, (group, "plus"), lambda _: partial(_slopes, chain, -1 / unit, keep))
        if shape.of == "pairs":
            pairs = Pairs(position.double_rows, self.size / unit, keep)
            offset = offset[keep] + shape.sign * pairs.of_series(np.broadcast_to(y, len(position.rows))) / unit
            return _Argument(
                pairs,
                shape.sign,
                offset,
                {},
                None,
                lambda number: lambda point: shape.sign / unit * pairs.to_series(point.pieces[number].slope),
            )
        scalars = {}
        if shape.centre is not None:
            mean = self._scalar()
            scalars[mean] = -shape.sign
            row = _Affine(self.size / unit * transposed_times(position.rows, shape.centre), {mean: -1.0})
            self._equations.append((row, float(np.sum(shape.centre * y)) / unit))
        offset = (offset + shape.sign * y / unit)[keep]
        return _Argument(
            self._rows(position, keep),
            shape.sign,
            offset,
            scalars,
            None,
            lambda number: partial(_slopes, number, shape.sign / unit, keep),
        )

    def _add_cone(self, f: Any, head: dict[int, float], factor: float) -> tuple[int, Pull]:
        """Cone that holds factor times the function (its root, if it is a square) below a scalar, or below 1."""
        number, constant, shape = len(self._cones), 0.0 if head else 1.0, shape_of(f)
        if shape is None:
            R, r = root_of(f.quadratic)
            R = scaled(R, (factor * self.size) ** 2) if isinstance(R, Factored) else factor * self.size * R
            same = rows_of(f.quadratic)
            returns = None if same is None else (same[0], factor * self.size * same[1])
            self._cones.append(Cone(R, factor * r, constant, head, returns=returns))
            return number, lambda point: -factor * point.cones[number][1][1:]
        assert shape.curvature is not None, "roots are of squares"
        unit, keep = self._unit(f.position), shape.upper > shape.lower
        weight = factor * unit / np.sqrt(2 * shape.curvature[keep])
        argument, inequality = self._argument(f.position, shape, keep), -1
        local = argument.local
        if local is None:
            # Variables of their own above the arguments; drawdowns have such variables already.
            self._groups.append(len(weight))
            local = len(self._groups) - 1, "minus"
            inequality = self._inequality(
                argument.map, argument.sign, argument.offset, scalars=argument.scalars, local=local
            )
        self._cones.append(Cone(weight, np.zeros(len(weight)), constant, head, local[0]))
        return number, argument.pull(inequality)

    def _path(self, position: Position) -> tuple[int, int]:
        """Number of the local variables that are the drawdowns, and of the inequalities of their path."""
        unit, n = self._unit(position), len(position.rows)
        self._groups.append(n)
        group = len(self._groups) - 1
        y = np.zeros(n) if position.y is None else position.y
        rows = self._rows(position, np.ones(n, dtype=bool))
        chain = self._inequality(rows, -1.0, -y / unit, local=(group, "chain"))
        self._inequality(None, 1.0, np.zeros(n), local=(group, "minus"))
        return group, chain

    # Bookkeeping.

    def _unit(self, position: Position) -> float:
        return position.typical_return(self.size)

    def _rows(self, position: Position, keep: Mask) -> Rows:
        """Returns of the periods that count; sums of the same periods share one map."""
        factor = self.size / self._unit(position)
        if not keep.all():
            return Rows(position.rows[keep], factor)
        # A benchmark with larger returns than the assets gives the same assets another unit.
        return self._returns.setdefault((id(position.rows), factor), Rows(position.rows, factor))

    def _scalar(self) -> int:
        self._n_scalars += 1
        return self._n_scalars - 1

    def _charge(
        self,
        limit: int | None,
        weights: Array | None = None,
        scalars: dict[int, float] | None = None,
        constant: float = 0.0,
    ) -> None:
        """Add a linear function to the objective, or to the left-hand side of a limit."""
        target = self._cost
        if limit is not None:
            target, bound = self._limits[limit]
            self._limits[limit] = (target, bound - constant)
        if weights is not None:
            target.weights += weights
        target.scalars |= scalars or {}

    # Reading.

    def solution(self, point: Point, iterations: int) -> Solution:
        """Weights and multipliers in declared units."""
        w = self.size * point.x[: self.problem.n_assets]
        per_unit = self.problem.multiplier_unit(w, squared=self.squared)
        row_duals = np.zeros(len(self.problem.linear.lower))
        for read in self._row_duals:
            row_duals += read(point)
        return Solution(
            weights=w,
            solver="InteriorPoint",
            iterations=iterations,
            row_duals=row_duals * (per_unit / self.size),
            limit_duals={name: [per_unit * read(point) for read in reads] for name, reads in self._limit_duals.items()},
            pulls={
                name: [None if pull is None else per_unit * pull for pull in (read(point) for read in reads)]
                for name, reads in self._pulls.items()
            },
        )


def _no_pull(point: Point) -> None:
    return None


def _slopes(number: int, factor: float, keep: Mask, point: Point) -> Array:
    slopes = np.zeros(len(keep))
    slopes[keep] = factor * point.pieces[number].slope
    return slopes


def _at_row(row: int, n_rows: int, equation: int, point: Point) -> Array:
    duals = np.zeros(n_rows)
    duals[row] = -point.y[equation]
    return duals


def _at_rows(rows: npt.NDArray[np.intp], n_rows: int, sign: float, piece: int, point: Point) -> Array:
    duals = np.zeros(n_rows)
    duals[rows] = -sign * point.pieces[piece].slope
    return duals
