"""Whether few names can keep all limits: mixed-integer linear programs, by HiGHS through scipy."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from trackfolio._constraint import Rows
from trackfolio._functions import AbsoluteSum, Limit
from trackfolio._holdings import Holdings
from trackfolio._terms import offers
from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds
from trackfolio.problem import Problem

_SECONDS = 20.0


def is_infeasible(result: Any) -> bool:
    """Whether HiGHS says so, by scipy, which calls a model of impossible numbers the same."""
    return bool(result.status == 2 and "Model error" not in result.message)


def feasible_weights(
    problem: Problem, near: Array | None = None, *, seconds: float = _SECONDS, unit: float | None = None
) -> Array | None:
    """Weights within all limits, near given ones (in the sum of absolute differences); None if there are none.

    The program is in units of the weights, of the problem or as given.

    Raises
    ------
    TimeoutError
        If neither was found in time.
    """
    program = Integers(problem, near, unit=unit)
    result = scipy.optimize.milp(
        program.cost,
        constraints=[scipy.optimize.LinearConstraint(A, low, high) for A, low, high in program.rows()],
        bounds=scipy.optimize.Bounds(program.lower, program.upper),
        integrality=program.integral,
        options={"time_limit": max(min(seconds, _SECONDS), 0.0)},
    )
    if is_infeasible(result):
        return None
    if result.x is None:
        raise TimeoutError
    w = program.unit * np.array(result.x[: problem.n_assets])
    held = (result.x[program.long] > 0.5) | (result.x[program.short] > 0.5)
    return np.where(held, w, 0.0)


class Integers:
    """Columns: weights, held long, held short, distances, and the summands of each limit on absolute values.

    All in units of the weights: tolerances of solvers are absolute. Bounds of the weights are those of the problem, and
    what its limits imply, or given ones that are wider.
    """

    def __init__(
        self,
        problem: Problem,
        near: Array | None = None,
        within: tuple[Array, Array] | None = None,
        unit: float | None = None,
    ) -> None:
        holdings = problem.holdings
        assert holdings is not None, "only asked of problems with limits on what is held"
        unit, n = unit or problem.unit, problem.n_assets
        self.unit = unit
        self.problem, self.near = problem, None if near is None else near / unit
        lower, upper = (bound / unit for bound in within or implied_bounds(problem))
        least = holdings.least / unit
        self.holdings: Holdings = dataclasses.replace(holdings, lower=lower, upper=upper, least=least)
        self.absolute = list(problem.absolute_limits)
        self.long, self.short, self.away = (slice(k * n, (k + 1) * n) for k in (1, 2, 3))
        self.n_columns = n * (4 + len(self.absolute))
        self.cost = np.zeros(self.n_columns)
        self.cost[self.away] = 1.0
        infinite = np.full(n * (1 + len(self.absolute)), np.inf)
        two = self.holdings.can_be_short
        self.lower = np.concatenate([np.minimum(lower, 0), np.zeros(self.n_columns - n)])
        self.upper = np.concatenate([np.maximum(upper, 0), self.holdings.can_be_long, two, infinite])
        self.integral = np.concatenate([np.zeros(n), np.ones(2 * n), np.zeros(len(infinite))])

    def _block(self, **parts: object) -> sp.csr_array:
        """Rows from those of the kinds of columns that are named; no slices are stacked, which takes longer."""
        n = self.problem.n_assets
        places = {"w": 0, "long": 1, "short": 2, "away": 3} | {f"sum{k}": 4 + k for k in range(len(self.absolute))}
        entries = [(places[name], sp.coo_array(part)) for name, part in parts.items()]
        data = np.concatenate([part.data for _, part in entries])
        rows = np.concatenate([part.coords[0] for _, part in entries])
        columns = np.concatenate([part.coords[1] + n * place for place, part in entries])
        return sp.csr_array((data, (rows, columns)), shape=(entries[0][1].shape[0], self.n_columns))

    def rows(self) -> Iterator[Rows]:
        """All linear limits."""
        holdings, eye = self.holdings, sp.eye_array(self.problem.n_assets)
        unit = self.unit
        A, low, high = self.problem.linear
        yield Rows(self._block(w=A), low / unit, high / unit)
        # A weight is within the bounds of its side if it is held, else 0.
        limits = ((0.0, np.inf), (-np.inf, 0.0))
        for (least, most), long, short in zip(limits, *holdings.sides, strict=True):
            yield Rows(self._block(w=eye, long=sp.diags_array(-long), short=sp.diags_array(-short)), least, most)
        yield Rows(self._block(long=eye, short=eye), -np.inf, 1)
        for limit in holdings.limits:
            members = limit.members.astype(float)[None]
            yield Rows(self._block(long=members, short=members), limit.fewest, limit.most)
        if self.near is not None:
            yield Rows(self._block(w=eye, away=-eye), -np.inf, self.near)
            yield Rows(self._block(w=-eye, away=-eye), -np.inf, -self.near)
        for k, (f, bound) in enumerate(self.absolute):
            name = f"sum{k}"
            yield Rows(self._block(w=sp.diags_array(f.up), **{name: -eye}), -np.inf, f.up * f.centre / unit)
            yield Rows(self._block(w=sp.diags_array(-f.down), **{name: -eye}), -np.inf, -f.down * f.centre / unit)
            yield Rows(self._block(**{name: np.ones((1, self.problem.n_assets))}), -np.inf, bound / unit)


def unsupported_limits(problem: Problem) -> list[str]:
    """Names of limits that are neither linear, nor on absolute values, nor on what is held."""
    known = {name for name, limits in problem.limits.items() if len(limits) == 1 and _is_absolute(limits[0])}
    return [
        name
        for name, term in problem.constraints
        if name not in problem.row_slices and name not in known and not offers(term, "holdings")
    ]


def _is_absolute(limit: Limit) -> bool:
    return len(limit.summands) == 1 and isinstance(limit.summands[0][1], AbsoluteSum)
