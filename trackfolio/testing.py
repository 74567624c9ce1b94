"""Checks for risks, constraints and solvers, ours and those that others write."""

import dataclasses
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from trackfolio._cone_form import cone_form
from trackfolio._constraint import checked_rows, kinds_of
from trackfolio._functions import RiskOf, Summand
from trackfolio._paths import drawdowns
from trackfolio._position import CvxpyWeights, Position
from trackfolio._shape import Shape
from trackfolio._terms import offers
from trackfolio._validation import Array
from trackfolio.constraints import Constraint
from trackfolio.problem import Problem
from trackfolio.risks import MeanAbsoluteDeviation, Risk, RootMeanSquare, Variance
from trackfolio.risks._calls import evaluated
from trackfolio.solution import Solution
from trackfolio.solvers import Conic, Solver, solve

__all__ = ["check_constraint", "check_risk", "check_solver"]

_N_PERIODS, _N_ASSETS = 60, 5


def check_risk(risk: Risk, *, random_state: int = 0) -> None:
    """Check a risk measure: every promise that estimators and proofs rely on.

    `value` (numpy) equals `expression` (cvxpy); the risk is convex; `gradient`, if there is one, is a subgradient;
    `support`, if there is one, is nowhere above the risk;
    `quadratic`, if there is one, is the risk or its square; `shape`, if there is one, is the risk; the risk clones.

    Parameters
    ----------
    risk : Risk
        An instance.
    random_state : int, default=0
        Seed of the returns that are tried.

    Raises
    ------
    AssertionError
        With the promise that is broken.

    Examples
    --------
    >>> from trackfolio.risks import RootMeanSquare
    >>> from trackfolio.testing import check_risk
    >>> check_risk(RootMeanSquare())
    """
    import cvxpy as cp

    clone(risk)
    rng = np.random.default_rng(random_state)
    X, y, weights = _market(rng)
    for sample_weight in (None, rng.integers(1, 4, _N_PERIODS).astype(float)):
        position = Position(X, y, sample_weight=sample_weight)
        try:
            values = [risk.at(position, w) for w in weights]
        except ValueError:
            assert sample_weight is not None, "the risk refuses plain returns"
            continue  # a risk may refuse sample weights, by an error
        for w, value in zip(weights, values, strict=True):
            written = risk.write_at(position, CvxpyWeights(cp.Constant(w)))
            found = value * evaluated((written.expression / value, written.constraints)) if value > 0 else value
            # Auxiliary variables are found by a solver, which stops short of the last digits.
            _close(found, value, "expression equals value", 1e-6 if written.constraints else 1e-8)
        variable = risk.write_at(position, CvxpyWeights(cp.Variable(_N_ASSETS)))
        assert variable.is_dcp(), "expression is convex by cvxpy's rules"
        middle = risk.at(position, weights.mean(axis=0))
        assert middle <= np.mean(values) + 1e-12, "the risk is convex: of a mixture it is at most the mean"
        assert min(values) >= risk.least_value, "no value is below least_value"
        if risk.is_provable:
            _check_minorant(risk, position, weights, values, rng)
        if offers(risk, "quadratic"):
            _check_quadratic(risk, position, weights, values)
        if offers(risk, "shape"):
            for w, value in zip(weights, values, strict=True):
                _close(_of_shape(risk.shape_at(position), position.returns(w)), value, "shape is the risk")


def _check_minorant(
    risk: Risk, position: Position, weights: Array, values: list[float], rng: np.random.Generator
) -> None:
    """Whatever the multipliers are, what comes out stays below the risk."""
    import cvxpy as cp

    link = risk.write_at(position, CvxpyWeights(cp.Variable(_N_ASSETS))).link
    size = link.size if offers(risk, "quadratic") else _N_PERIODS
    for w, value in zip(weights, values, strict=True):
        for pull in (None, rng.standard_normal(size), -rng.dirichlet(np.ones(size))):
            below = risk.minorant_at(position, w, pull)
            for v, other in zip(weights, values, strict=True):
                assert other >= below.value + below.slope @ (v - w) - 1e-12 * max(abs(value), 1e-6), (
                    "gradient or support stays below the risk"
                )


def _of_shape(shape: Shape, returns: Array) -> float:
    """Value of a shape, by its definition."""
    if shape.of == "drawdowns":
        returns = -drawdowns(returns)
    elif shape.of == "pairs":
        first, second = np.triu_indices(len(returns), 1)
        returns = returns[first] - returns[second]
    arguments = shape.sign * (returns if shape.centre is None else returns - shape.centre @ returns) - shape.offset
    there = shape.upper > shape.lower
    # As a function of the free scalar the sum is convex and, without curvature, has its kinks at the arguments.
    thresholds = [0.0] if shape.free is None else list(arguments[there])
    sums = [(shape.free or 0.0) * t + _sum_of_pieces(shape, arguments - t, there) for t in thresholds]
    return float(np.sqrt(min(sums)) if shape.is_root else min(sums))


def _sum_of_pieces(shape: Shape, arguments: Array, there: npt.NDArray[np.bool_]) -> float:
    lower, upper, x = shape.lower[there], shape.upper[there], arguments[there]
    if shape.curvature is None:
        slopes = np.where(x > 0, upper, lower)
        return float(np.sum(slopes * x, where=x != 0))
    rho = shape.curvature[there]
    slopes = np.clip(x / rho, lower, upper)
    return float(np.sum(slopes * x - rho * slopes**2 / 2))


def _check_quadratic(risk: Any, position: Position, weights: Array, values: list[float]) -> None:
    matrix, linear, constant = risk.quadratic(position).gram()
    R, r = risk.quadratic(position).root()
    for w, value in zip(weights, values, strict=True):
        square = value**2 if risk.is_root else value
        _close(w @ matrix @ w - 2 * linear @ w + constant, square, "quadratic's gram() is the risk")
        _close(np.sum((R @ w - r) ** 2), square, "quadratic's root() is the risk")


def check_constraint(constraint: Constraint, problem: Problem | None = None) -> None:
    """Check a constraint: it gives rows or cvxpy constraints of the right shape, and a solution respects it.

    Of one on what is held or traded, that it is respected, and that more freedom is no loss.

    Parameters
    ----------
    constraint : Constraint
        An instance that makes sense for five assets named x0 to x4 (with benchmark and previous weights of 0.2 each).
    problem : Problem or None, default=None
        Another problem to try it in.

    Raises
    ------
    AssertionError
        With the promise that is broken.

    Examples
    --------
    >>> from trackfolio.constraints import MaxTurnover
    >>> from trackfolio.testing import check_constraint
    >>> check_constraint(MaxTurnover(0.1))
    """
    clone(constraint)
    problem = example_problem() if problem is None else problem
    kinds = kinds_of(constraint)
    assert len(kinds) == 1, f"one of rows, limits and constraints is defined (found {kinds})"
    limited = dataclasses.replace(problem, constraints=[("checked", constraint)])
    if limited.is_discrete:
        _check_discrete(limited)
        return
    solution = solve(limited, Conic())
    form = cone_form(limited)
    form.set_weights(limited, solution.weights)
    of_cvxpy = [float(np.max(c.violation(), initial=0.0)) for parts in form.others.values() for c in parts]
    worst = max([limited.violation(solution.weights), *of_cvxpy])
    assert worst <= 1e-7, f"the solution respects the constraint (violation {worst:.1e})"
    if offers(constraint, "rows"):
        rows = checked_rows(constraint.rows(limited), "checked", limited.n_assets)
        Aw = rows.A @ solution.weights
        assert np.all((Aw >= rows.lower - 1e-7) & (Aw <= rows.upper + 1e-7)), "rows are respected"
        _close(
            solve(limited).objective,
            solution.objective,
            "the automatic choice and Conic agree",
            1e-6,
        )


def _check_discrete(limited: Problem) -> None:
    limited = dataclasses.replace(
        limited, objective=[Summand("risk", 1.0, RiskOf(MeanAbsoluteDeviation(), limited.portfolio))]
    )
    solution = solve(limited)
    worst = limited.violation(solution.weights)
    assert worst <= 1e-7, f"the solution respects the constraint (violation {worst:.1e})"
    free = solve(limited.relaxed())
    assert solution.objective >= free.objective - 1e-7 * limited.scale, "a limit is no gain"


def check_solver(solver: Solver, problems: Iterable[Problem] | None = None) -> None:
    """Check a solver against `Conic` on problems that it takes: objective, limits and proof.

    One for limits on what is held is checked against all sets of names, each solved by `Conic`.

    Parameters
    ----------
    solver : Solver
        An instance.
    problems : iterable of Problem, optional
        Problems to try; those for which the solver says that it lacks something are passed over, but not all of them.

    Raises
    ------
    AssertionError
        With the promise that is broken.

    Examples
    --------
    >>> from trackfolio.solvers import DenseQP
    >>> from trackfolio.testing import check_solver
    >>> check_solver(DenseQP())
    """
    clone(solver)
    if problems is None:
        problems = [example_problem(risk) for risk in (RootMeanSquare(), Variance(), MeanAbsoluteDeviation())]
        if solver.takes_holdings:
            problems = [dataclasses.replace(problem, cardinality=(0, 2)) for problem in problems]
    problems = list(problems)
    taken = [problem for problem in problems if not solver.lacking(problem)]
    assert taken, f"{type(solver).__name__} takes none of the problems: {solver.lacking(problems[0])}"
    for problem in taken:
        ours, reference = solve(problem, solver), _reference(problem)
        assert ours.primal_violation <= 1e-7, f"limits are respected (violation {ours.primal_violation:.1e})"
        assert abs(ours.objective - reference.objective) <= 1e-7 * problem.scale, (
            f"{ours.objective} is not Conic's {reference.objective}"
        )
        assert ours.gap <= max(solver.tolerance, 1e-7), f"the multipliers prove the answer (gap {ours.gap:.1e})"


def _reference(problem: Problem) -> Solution:
    """Solution by Conic; of problems that limit the number of names, the best of all sets of names."""
    if problem.holdings is None:
        return solve(problem, Conic())
    found = []
    for names in combinations(range(problem.n_assets), problem.holdings.most):
        upper = np.where(np.isin(np.arange(problem.n_assets), names), problem.upper, 0.0)
        found.append(solve(dataclasses.replace(problem.relaxed(), upper=upper), Conic()))
    return min(found, key=lambda solution: solution.objective)


def example_problem(risk: Risk | None = None) -> Problem:
    """Long-only tracking problem of five assets, with benchmark and previous weights of 0.2 each."""
    X, y, _ = _market(np.random.default_rng(0))
    equal = np.full(_N_ASSETS, 1 / _N_ASSETS)
    return Problem(
        names=[f"x{i}" for i in range(_N_ASSETS)],
        objective=[Summand("risk", 1.0, RiskOf(RootMeanSquare() if risk is None else risk, Position(X, y)))],
        portfolio=Position(X),
        active=Position(X, y),
        lower=np.zeros(_N_ASSETS),
        upper=np.ones(_N_ASSETS),
        benchmark_weights=equal,
        previous_weights=equal,
    )


def _market(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Returns of assets and benchmark, and some weights to try."""
    X = 0.01 * rng.standard_t(5, (_N_PERIODS, _N_ASSETS)) + 0.01 * rng.standard_normal((_N_PERIODS, 1))
    y = X @ rng.dirichlet(np.ones(_N_ASSETS)) + 0.001 * rng.standard_normal(_N_PERIODS)
    return X, y, rng.dirichlet(np.ones(_N_ASSETS), 6)


def _close(actual: Any, expected: float, promise: str, tolerance: float = 1e-8) -> None:
    assert abs(float(actual) - expected) <= tolerance * max(abs(expected), 1e-6), (
        f"{promise}: {float(actual)!r} was found, {expected!r} expected"
    )
