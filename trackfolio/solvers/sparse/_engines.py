"""How parts of a search are solved: by compiled code where there are bounds and a budget, else by other solvers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from trackfolio._constraint import GivenLimits
from trackfolio._functions import AbsoluteSum, Limit, OfQuadratic, Summand
from trackfolio._holdings import OUT, States
from trackfolio._position import Position
from trackfolio._quadratic import GramQuadratic
from trackfolio._search_proof import Leaves, Relaxation, checked, is_linearly_feasible, leaf_bounds, share_of
from trackfolio._validation import Array
from trackfolio.constraints import Constraint, LinearConstraint
from trackfolio.exceptions import InfeasibleError, SolverFailure
from trackfolio.problem import Problem
from trackfolio.solvers._base import Solver
from trackfolio.solvers.conic import Conic
from trackfolio.solvers.dense_qp import DenseQP
from trackfolio.solvers.interior_point import InteriorPoint
from trackfolio.solvers.sparse import _kernels
from trackfolio.solvers.sparse._barrier import Perspective
from trackfolio.solvers.sparse._program import Program

# Semismooth Newton steps of a node; each solves a quadratic program.
_ROUNDS = 12
# From this number of assets on, few factors are kept apart.
_MANY = 150
# Quadratic programs of a node where other solvers are used, which cost more; z below this counts as this there.
_FEWER_ROUNDS, _LEAST_SHARE, _SETTLED = 6, 1e-6, 1e-2


@dataclass(frozen=True, eq=False)
class Node:
    """Lower bound of a part of the portfolios, with all that it follows from.

    `value` is that of the relaxation at the weights w, which are where the next ones begin; `z` is how far each asset
    counts as held, `share` the β of those that count in part (see `_search_proof`).
    """

    bound: float
    value: float
    w: Array
    z: Array
    share: float
    row_duals: Array
    limit_duals: Array


def nothing(program: Program) -> Node:
    """Node of a part without a portfolio."""
    n, duals, prices = program.n_assets, len(program.problem.linear.lower), len(program.limits)
    return Node(np.inf, np.inf, np.zeros(n), np.zeros(n), 0.0, np.zeros(duals), np.zeros(prices))


class Engine(ABC):
    """Solves parts of a program: with all of a set held, and relaxed."""

    def __init__(self, program: Program) -> None:
        self.program = program
        # The objective itself, and the best other one so far.
        self.relaxations: list[Relaxation] = [Relaxation(np.zeros(program.n_assets))]
        self._ready: list[Any] = []

    def improved(
        self, relaxation: Relaxation, states: States, start: Array, least: float, cutoff: float
    ) -> "Node | None":
        """Bound by another relaxation, number 1 from now on, if it is above `least`; else None, and it is forgotten."""
        self.relaxations.append(relaxation)
        node = self.relaxed(states, start, len(self.relaxations) - 1, cutoff)
        is_better = node is not None and node.bound > least
        dropped = slice(1, -1) if is_better else slice(-1, None)
        del self.relaxations[dropped], self._ready[dropped]
        return node if is_better else None

    def ready(self, number: int) -> Any:
        """A relaxation, as far as it holds."""
        holdings = self.program.holdings
        while len(self._ready) <= number:
            given = self.relaxations[len(self._ready)]
            self._ready.append(checked(self.program.problem, given, holdings.lower))
        return self._ready[number]

    def bounds(self, leaves: Leaves, number: int) -> Array:
        """Bounds of leaves by one relaxation, whichever they name."""
        holdings = self.program.holdings
        return leaf_bounds(self.program.problem, holdings, [self.ready(number)], leaves)

    @cached_property
    def _allows_nothing(self) -> bool:
        """Whether to hold nothing keeps all limits."""
        problem = self.program.problem.relaxed()
        return problem.violation(np.zeros(problem.n_assets)) <= 0

    def _empty_node(self, states: States, number: int) -> "Node | None":
        """Node of a part in which nothing is held."""
        if not self._allows_nothing:
            return None
        program, n = self.program, self.program.n_assets
        duals, prices = np.zeros(len(program.problem.linear.lower)), np.zeros(len(program.limits))
        return proven_node(program, states, self.ready(number), np.zeros(n), np.ones(n), duals, prices)

    def of_support(self, support: Any, lower: Array, upper: Array, start: Array) -> tuple[float, Array]:
        """Least objective over weights of some assets, within bounds (given for all), and the weights."""
        program = self.program
        if not len(support):
            w = np.zeros(program.n_assets)
            return (program.value(w) if self._allows_nothing else np.inf), w
        return self._of_support(support, lower, upper, start)

    def _of_support(self, support: Any, lower: Array, upper: Array, start: Array) -> tuple[float, Array]:
        """The same for one asset at least: by compiled code, where there are bounds and a budget alone."""
        program = self.program
        value, w = _kernels.restricted(program.Q, program.h, support, lower, upper, program.budget, start)
        return value + program.constant, w

    def relaxed(self, states: States, start: Array, number: int, cutoff: float) -> Node | None:
        """Lower bound over portfolios of these states by a relaxation, or None where there are none.

        It may stop above the cutoff.
        """
        kept = np.flatnonzero(states != OUT)
        lower, upper = self.program.holdings.box(states)
        if not len(kept):
            return self._empty_node(states, number)
        if (lower > upper).any():
            return None
        return self._relaxed(states, kept, lower, upper, start, number, cutoff)

    @abstractmethod
    def _relaxed(
        self, states: States, kept: Any, lower: Array, upper: Array, start: Array, number: int, cutoff: float
    ) -> Node | None:
        """The same, where some assets are kept and their bounds do not cross."""


class Direct(Engine):
    """By compiled code: bounds and a fixed sum."""

    @property
    def _has_few_factors(self) -> bool:
        return 4 * len(self.program.factors[0]) < self.program.n_assets

    def _relaxed(
        self, states: States, kept: Any, lower: Array, upper: Array, start: Array, number: int, cutoff: float
    ) -> Node | None:
        lower, upper = lower[kept], upper[kept]
        free = bool((lower < upper).all())
        if self.relaxations[number].matrix is None and len(kept) >= _MANY and self._has_few_factors and free:
            return self._by_factors(states, kept, lower, upper, number, cutoff)
        program, relaxation = self.program, self.ready(number)
        constant = relaxation.constant
        bound, value, x, z, common, multiplier = _kernels.relaxed(
            np.ascontiguousarray(relaxation.matrix[np.ix_(kept, kept)]),
            relaxation.slope[kept],
            relaxation.diagonal[kept],
            program.holdings.most,
            lower,
            upper,
            states[kept] > 0,
            program.budget,
            start[kept],
            cutoff - constant,
            _ROUNDS,
        )
        if value == np.inf:
            return None
        w, share = np.zeros(program.n_assets), np.zeros(program.n_assets)
        w[kept], share[kept] = x, z
        return Node(bound + constant, value + constant, w, share, common, np.array([multiplier]), np.zeros(0))

    def _by_factors(
        self, states: States, kept: Any, lower: Array, upper: Array, number: int, cutoff: float
    ) -> Node | None:
        """The same by an interior point, in factor form."""
        program, relaxation, n = self.program, self.ready(number), self.program.n_assets
        w, z, duals = np.zeros(n), np.zeros(n), np.zeros(1)
        if lower.sum() > program.budget or upper.sum() < program.budget:
            return None
        held, d = states[kept] > 0, self.relaxations[number].diagonal[kept]
        factors, specific = program.factors[0][:, kept], program.factors[1][kept]
        problem = Perspective(
            factors, specific - d, d, relaxation.slope[kept], lower, upper, held, program.budget, program.holdings.most
        )
        size = abs(cutoff) if np.isfinite(cutoff) else abs(program.value(np.full(n, program.budget / n)))
        w[kept], z[kept], duals[0] = problem.solve(size or 1.0)
        return proven_node(program, states, relaxation, w, z, duals, np.zeros(0))


def proven_node(
    program: Program, states: States, relaxation: Any, w: Array, z: Array, row_duals: Array, limit_duals: Array
) -> Node:
    """Node of weights and multipliers from elsewhere, with the bound that they prove."""
    d, matrix, slope, constant, _ = relaxation
    holdings = program.holdings
    share = share_of(np.sqrt(d) * np.abs(w), states, holdings.most)
    leaf = Leaves(
        states[None], states[None], sp.csr_array(w[None]), np.array([share]), row_duals[None], limit_duals[None],
        np.zeros(1, dtype=np.int16),
    )  # fmt: skip
    bound = float(leaf_bounds(program.problem, holdings, [relaxation], leaf)[0])
    value = float(w @ matrix @ w + slope @ w) + constant + float(np.sum(d * w**2 / np.maximum(z, 1e-300)))
    value += sum(float(c * f.value(w)) for c, f in program.sums)
    return Node(bound, value, w, z, share, row_duals, limit_duals)


class General(Engine):
    """By the solvers for convex problems: with linear limits, turnover and proportional costs, or with shorts."""

    def _of_support(self, support: Any, lower: Array, upper: Array, start: Array) -> tuple[float, Array]:
        program = self.program
        if program.is_plain:
            return super()._of_support(support, lower, upper, start)
        found = self._solved(program.Q[np.ix_(support, support)], program.h[support], lower, upper, support)
        if found is None:
            return np.inf, np.zeros(program.n_assets)
        return program.value(found.weights), found.weights

    def _relaxed(
        self, states: States, kept: Any, lower: Array, upper: Array, start: Array, number: int, cutoff: float
    ) -> Node | None:
        program, relaxation = self.program, self.ready(number)
        d = relaxation.diagonal[kept]
        matrix, slope = relaxation.matrix[np.ix_(kept, kept)], relaxation.slope[kept]
        best: Node | None = None
        w = start
        for _ in range(_FEWER_ROUNDS if d.any() else 1):
            curved = matrix + self._curvature(np.sqrt(d) * np.abs(w[kept]), d, states[kept] > 0)
            found = self._solved(curved, -slope / 2, lower, upper, kept)
            if found is None:
                return best or self._unsolved(states, start, lower, upper)
            w = found.weights
            z = self._shares(w, states, relaxation.diagonal)
            node = proven_node(program, states, relaxation, w, z, found.row_duals, found.limit_duals)
            best = node if best is None or node.bound > best.bound else best
            if best.bound >= cutoff or best.value - best.bound <= _SETTLED * abs(cutoff - best.bound):
                break
        return best

    def _unsolved(self, states: States, start: Array, lower: Array, upper: Array) -> Node | None:
        """None where there is no portfolio, else a part of which nothing is known: it will be split."""
        problem = self.program.problem
        if not is_linearly_feasible(problem, lower, upper):
            return None
        duals, prices = np.zeros(len(problem.linear.lower)), np.zeros(len(self.program.limits))
        return Node(-np.inf, -np.inf, start, np.where(states > 0, 1.0, 0.5), 0.0, duals, prices)

    def _curvature(self, t: Array, d: Array, held: Any) -> Array:
        """Matrix of which w'Cw is Σ d w²/z at the best z, while the same assets count in full.

        With shorts, where that is no quadratic form near 0, the z of the last weights are kept instead.
        """
        full, rest, tail = _kernels.held_in_full(t, held, self.program.holdings.most)
        if (self.program.holdings.lower < 0).any():
            z = np.where(full, 1.0, t * rest / tail if tail > 0 else 1.0)
            return np.diag(d / np.maximum(z, _LEAST_SHARE))
        part = np.where(full, 0.0, np.sqrt(d))
        return np.diag(np.where(full, d, 0.0)) + np.outer(part, part) / max(rest, 1)

    def _shares(self, w: Array, states: States, d: Array) -> Array:
        """How far each asset counts as held: z at which Σ d w²/z is least."""
        t = np.sqrt(d) * np.abs(w)
        full, rest, tail = _kernels.held_in_full(t, states > 0, self.program.holdings.most)
        share = tail / rest if rest > 0 else 0.0
        return np.where(full, 1.0, t / share if share > 0 else 0.0)

    def _solved(self, matrix: Array, linear: Array, lower: Array, upper: Array, kept: Any) -> "_Found | None":
        """Least of w'Mw - 2h'w and the proportional costs over the weights that are kept."""
        program, problem = self.program, self.program.problem
        lower, upper = lower[kept], upper[kept]
        slack = 1e-12 * problem.unit
        if (lower > upper).any() or lower.sum() > problem.budget[1] + slack:
            return None
        if upper.sum() < problem.budget[0] - slack:
            return None
        rows = problem.linear
        A = rows.A.toarray() if hasattr(rows.A, "toarray") else rows.A
        out = np.setdiff1d(np.arange(program.n_assets), kept)
        none = np.zeros(program.n_assets)
        terms: list[tuple[str, Constraint]] = []
        if len(A) > 1:
            terms = [("rows", LinearConstraint(A[1:, kept], rows.lower[1:], rows.upper[1:]))]
        for k, (f, bound) in enumerate(program.limits):
            left = bound - float(f.each(none)[out].sum())
            if left < 0:
                return None
            terms.append((f"limit{k}", GivenLimits([Limit([(1.0, _part(f, kept))], left)])))
        objective = [Summand("quadratic", 1.0, OfQuadratic(GramQuadratic(matrix, linear)))]
        objective += [Summand(f"cost{k}", c, _part(f, kept)) for k, (c, f) in enumerate(program.sums)]
        small = Problem(
            names=[problem.names[i] for i in kept],
            objective=objective,
            portfolio=Position(None, covariance=matrix),
            active=None,
            lower=lower,
            upper=upper,
            budget=problem.budget,
            constraints=terms,
        )
        return self._by_others(small, kept)

    def _by_others(self, small: Problem, kept: Any) -> "_Found | None":
        plain = not self.program.sums and not self.program.limits
        solvers: list[Solver] = [DenseQP(), InteriorPoint()] if plain else [InteriorPoint(), Conic()]
        for solver in solvers:
            try:
                found = solver.solve(small)
            except InfeasibleError:
                return None
            except (SolverFailure, np.linalg.LinAlgError):
                continue
            if small.violation(found.weights) <= 1e-7:
                w = np.zeros(self.program.n_assets)
                w[kept] = found.weights
                assert found.row_duals is not None
                limits = [found.limit_duals[name][0] for name, _ in small.constraints if name in found.limit_duals]
                return _Found(w, found.row_duals / small.row_units, np.array(limits))
        return None


@dataclass(frozen=True, eq=False)
class _Found:
    """Weights of all assets, and multipliers of rows and limits of the program."""

    weights: Array
    row_duals: Array
    limit_duals: Array


def _part(f: AbsoluteSum, kept: Any) -> AbsoluteSum:
    return AbsoluteSum(f.up[kept], f.down[kept], f.centre[kept])


def engine_of(program: Program) -> Engine:
    """The fast one where it will do."""
    plain = program.is_plain and bool((program.holdings.lower >= 0).all())
    return Direct(program) if plain else General(program)
