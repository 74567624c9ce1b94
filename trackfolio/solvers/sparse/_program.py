"""The parts of a problem with holdings that a search works on, as plain arrays."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from trackfolio._functions import AbsoluteSum
from trackfolio._holdings import Holdings
from trackfolio._quadratic import parts_of
from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds
from trackfolio.problem import Problem


@dataclass(frozen=True, eq=False)
class Program:
    """Minimise w'Qw - 2h'w + constant + sums of absolute values, within limits, and of few names.

    Attributes
    ----------
    problem : Problem
        Where all of it comes from.
    Q, h, constant : ndarray, ndarray, float
        The quadratic objective; the square, where the declared one is a root.
    holdings : Holdings
        Limits on what is held, with bounds that follow from all limits.
    budget : float
        Sum of the weights; nan where it may vary.
    sums : list of (float, AbsoluteSum)
        Proportional costs in the objective.
    limits : list of (AbsoluteSum, float)
        Limits on sums of absolute values, such as the turnover.
    """

    problem: Problem
    Q: Array
    h: Array
    constant: float
    holdings: Holdings
    budget: float
    sums: list[tuple[float, AbsoluteSum]]
    limits: list[tuple[AbsoluteSum, float]]

    @classmethod
    def of(cls, problem: Problem) -> "Program":
        """Of a problem that `Sparse` can take."""
        split, holdings = problem.split, problem.holdings
        assert split is not None, "lacking() lets only quadratic objectives pass"
        assert holdings is not None, "lacking() lets only limits on what is held pass"
        lower, upper = implied_bounds(problem)
        Q, h, constant = split.quadratic.gram()
        least, most = problem.budget
        return cls(
            problem=problem,
            Q=np.ascontiguousarray((Q + Q.T) / 2),
            h=np.asarray(h, dtype=np.float64),
            constant=constant + split.constant,
            holdings=replace(holdings, lower=lower, upper=upper),
            budget=least if least == most else np.nan,
            sums=split.sums,
            limits=list(problem.absolute_limits),
        )

    @property
    def n_assets(self) -> int:
        """Number of assets."""
        return len(self.h)

    @property
    def is_plain(self) -> bool:
        """Whether there are only bounds and a fixed sum besides the limits on what is held."""
        return not np.isnan(self.budget) and len(self.problem.linear.lower) == 1 and not self.sums and not self.limits

    @property
    def is_simplex(self) -> bool:
        """Whether the weights are at least 0 and have a fixed positive sum."""
        return bool((self.holdings.lower >= 0).all() and self.budget > 0)

    def value(self, w: Array) -> float:
        """Objective (its square, for a root) at given weights."""
        value = float(w @ self.Q @ w - 2 * self.h @ w) + self.constant
        return value + sum(c * f.value(w) for c, f in self.sums)

    def gradient(self, w: Array) -> Array:
        """Gradient of its quadratic part."""
        return np.asarray(2 * (self.Q @ w - self.h))

    @cached_property
    def factors(self) -> tuple[Array, Array]:
        """Rows U and diagonal d with Q = U'U + diag(d), as the terms have them; all rows where they have no factors."""
        assert self.problem.split is not None
        return self._parts or (self.problem.split.quadratic.root()[0], np.zeros(self.n_assets))

    @property
    def specific(self) -> Array:
        """The diagonal that the terms have by their form: specific variances, L2 costs."""
        return np.zeros(self.n_assets) if self._parts is None else self._parts[1]

    @cached_property
    def _parts(self) -> tuple[Array, Array] | None:
        assert self.problem.split is not None
        return parts_of(self.problem.split.quadratic)
