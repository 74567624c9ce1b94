"""Linear limits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from trackfolio._constraint import Constraint, Rows
from trackfolio._validation import Array, finite_per_asset, limit, per_asset, unknown_name


class LinearConstraint(Constraint):
    """Linear limits ``lower <= A @ w <= upper``.

    Parameters
    ----------
    A : array-like of shape (n_assets,) or (n_rows, n_assets), or DataFrame with the assets as columns
        Coefficients; the columns of a DataFrame are matched by name and must name every asset.
    lower, upper : float or array-like of shape (n_rows,), default=-inf and inf
        Limits of each row; equal ones make an equality.

    Examples
    --------
    >>> from trackfolio.constraints import LinearConstraint
    >>> pairs = LinearConstraint([[1, -1, 0]], lower=0)  # at least as much of the first as of the second
    """

    def __init__(self, A: Any, lower: Any = -np.inf, upper: Any = np.inf) -> None:
        self.A = A
        self.lower = lower
        self.upper = upper

    def rows(self, problem: Any) -> Rows:
        """Linear limits."""
        A = self.A
        if isinstance(A, pd.DataFrame):
            A = A.rename(columns=str)
            for name in A.columns:
                if str(name) not in problem.names:
                    raise unknown_name("LinearConstraint.A", name, problem.names)
            missing = [name for name in problem.names if name not in A.columns]
            if missing:
                raise ValueError(
                    f"LinearConstraint.A leaves out the assets {missing[:5]}; give them a column, 0 where "
                    "they do not count."
                )
            A = A[list(problem.names)].to_numpy()
        return Rows(A, self.lower, self.upper)


class Exposure(Constraint):
    r"""Limits on a weighted sum of the weights: a factor, duration, yield, carbon, ...

    .. math::

        lower \le \sum_i x_i w_i \le upper, \qquad\text{active: } lower \le \sum_i x_i (w_i - w_{b,i}) \le upper

    Parameters
    ----------
    values : array-like of shape (n_assets,), dict or Series by asset name
        Exposure of each asset, in any unit; every asset needs one.
    lower, upper : float, default=-inf and inf
        Limits in the unit of `values`. Equal ones match the exposure exactly.
    active : bool, default=False
        Limit the exposure of the active weights; needs `benchmark_weights`.

    Examples
    --------
    Duration as that of the benchmark:

    >>> from trackfolio.constraints import Exposure
    >>> matched = Exposure([2.0, 5.0, 9.0], lower=0, upper=0, active=True)
    """

    def __init__(self, values: Any, lower: float = -np.inf, upper: float = np.inf, active: bool = False) -> None:
        self.values = values
        self.lower = lower
        self.upper = upper
        self.active = active

    def rows(self, problem: Any) -> Rows:
        """Linear limits."""
        x = finite_per_asset(self.values, problem.names, "Exposure.values")
        of_benchmark = float(x @ problem.require_benchmark_weights("Exposure(active=True)")) if self.active else 0.0
        lower, upper = limit(self.lower, "Exposure.lower", -np.inf), limit(self.upper, "Exposure.upper", np.inf)
        return Rows(x[None, :], lower + of_benchmark, upper + of_benchmark)


class GroupBounds(Constraint):
    """Limits on the sum of the weights of groups of assets: sectors, countries, ratings, ...

    Parameters
    ----------
    groups : array-like of shape (n_assets,), dict or Series by asset name
        Group of each asset; `None` for an asset in no group. Every asset must be there.
    lower, upper : float, dict or Series by group, default=None
        Limits of each group; a scalar holds for all of them, a group that a dict leaves out has no limit.

    Examples
    --------
    >>> from trackfolio.constraints import GroupBounds
    >>> sectors = GroupBounds(["tech", "tech", "oil"], lower={"oil": 0.1}, upper=0.7)
    """

    def __init__(self, groups: Any, lower: Any = None, upper: Any = None) -> None:
        self.groups = groups
        self.lower = lower
        self.upper = upper

    def rows(self, problem: Any) -> Rows:
        """Linear limits, one row a group."""
        labels = self._labels(problem.names)
        known = list(dict.fromkeys(label for label in labels if label is not None))
        if self.lower is None and self.upper is None:
            raise ValueError("GroupBounds has neither lower nor upper limits; it would have no effect.")
        A = np.array([[label == group for label in labels] for group in known], dtype=np.float64).reshape(
            len(known), len(labels)
        )
        return Rows(
            A,
            self._limits(self.lower, known, "lower", -np.inf),
            self._limits(self.upper, known, "upper", np.inf),
        )

    def _labels(self, names: list[str]) -> list[str | None]:
        if self.groups is None or isinstance(self.groups, str):
            raise ValueError(f"GroupBounds.groups must give one label per asset, got {self.groups!r}.")
        if isinstance(self.groups, pd.Series) and not self.groups.index.is_unique:
            twice = self.groups.index[self.groups.index.duplicated()][0]
            raise ValueError(f"GroupBounds.groups names the asset {twice!r} twice.")
        if isinstance(self.groups, Mapping | pd.Series):
            by_name = {str(k): v for k, v in self.groups.items()}
            for name in by_name:
                if name not in names:
                    raise unknown_name("GroupBounds.groups", name, names)
            missing = [name for name in names if name not in by_name]
            if missing:
                raise ValueError(
                    f"GroupBounds.groups leaves out {missing[:5]}; give these assets a group, or None for no group."
                )
            values = [by_name[name] for name in names]
        else:
            values = list(self.groups)
            if len(values) != len(names):
                raise ValueError(f"GroupBounds.groups has {len(values)} labels for {len(names)} assets.")
        return [None if pd.isna(value) else str(value) for value in values]

    def _limits(self, limits: Any, known: list[str], side: str, default: float) -> Array:
        return per_asset(limits, known, f"GroupBounds.{side}", default=default, kind="group")


class ActiveBounds(Constraint):
    """Limits on each active weight ``w_i - w_b,i``; needs `benchmark_weights`.

    Parameters
    ----------
    lower, upper : float, array-like of shape (n_assets,), dict or Series by asset name, default=-inf and inf
        Limits of the active weights; an asset that a dict leaves out has none.

    Examples
    --------
    >>> from trackfolio.constraints import ActiveBounds
    >>> within_two_percent = ActiveBounds(-0.02, 0.02)
    """

    def __init__(self, lower: Any = -np.inf, upper: Any = np.inf) -> None:
        self.lower = lower
        self.upper = upper

    def rows(self, problem: Any) -> Rows:
        """Linear limits, one row an asset."""
        benchmark = problem.require_benchmark_weights("ActiveBounds")
        lower = per_asset(self.lower, problem.names, "ActiveBounds.lower", default=-np.inf)
        upper = per_asset(self.upper, problem.names, "ActiveBounds.upper", default=np.inf)
        return Rows(sp.eye_array(len(benchmark), format="csr"), benchmark + lower, benchmark + upper)
