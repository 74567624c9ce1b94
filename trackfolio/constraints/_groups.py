"""Limits on groups of assets."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from trackfolio._constraint import Constraint, Rows
from trackfolio._universe import Universe, with_cut_parameters
from trackfolio._validation import Array, limit, per_asset, unknown_name
from trackfolio.exceptions import InfeasibleError


class _OfGroups(Constraint):
    """A constraint with a label for each asset."""

    by_asset = ("groups",)
    #: Parameters with a limit for each group, the least and the most.
    by_group: ClassVar[tuple[str, ...]] = ()

    groups: Any

    def restricted_to(self, universe: Universe) -> Self:
        """The constraint for fewer assets; limits that a group without assets keeps in any case go with the group.

        Parameters
        ----------
        universe : Universe
            Which assets can be traded.

        Returns
        -------
        Constraint
            Of the same class, with groups and limits cut to these assets.
        """
        new: Self = with_cut_parameters(self, universe)
        empty = {str(group) for group in _each(self.groups)} - {str(group) for group in _each(new.groups)}
        for side, sign in zip(self.by_group, (1, -1), strict=False):
            limits = getattr(self, side)
            if empty and isinstance(limits, int | float | np.number):
                limits = dict.fromkeys((str(group) for group in _each(self.groups) if not pd.isna(group)), limits)
            if isinstance(limits, Mapping | pd.Series) and not getattr(self, "active", False):
                kept = {group: x for group, x in limits.items() if str(group) not in empty or sign * x > 0}
                setattr(new, side, kept)
        return new

    def _members(self, names: list[str]) -> dict[str, Array]:
        """Ones for the assets of each group."""
        labels = self._labels(names)
        known = dict.fromkeys(label for label in labels if label is not None)
        if not known:
            raise ValueError(f"{type(self).__name__}.groups puts no asset in a group; give labels other than None.")
        return {group: np.array([label == group for label in labels], dtype=np.float64) for group in known}

    def _labels(self, names: list[str]) -> list[str | None]:
        who = type(self).__name__
        if not isinstance(self.groups, Mapping | pd.Series) and np.ndim(self.groups) != 1:
            raise ValueError(f"{who}.groups must give one label per asset, got {self.groups!r}.")
        if isinstance(self.groups, pd.Series) and not self.groups.index.is_unique:
            twice = self.groups.index[self.groups.index.duplicated()][0]
            raise ValueError(f"{who}.groups names the asset {twice!r} twice.")
        if isinstance(self.groups, Mapping | pd.Series):
            by_name = {str(k): v for k, v in self.groups.items()}
            for name in by_name:
                if name not in names:
                    raise unknown_name(f"{who}.groups", name, names)
            missing = [name for name in names if name not in by_name]
            if missing:
                raise ValueError(
                    f"{who}.groups leaves out {missing[:5]}; give these assets a group, or None for no group."
                )
            values = [by_name[name] for name in names]
        else:
            values = list(self.groups)
            if len(values) != len(names):
                raise ValueError(f"{who}.groups has {len(values)} labels for {len(names)} assets.")
        return [None if pd.isna(value) else str(value) for value in values]


def _each(groups: Any) -> Any:
    return groups.values() if isinstance(groups, Mapping) else groups


class GroupBounds(_OfGroups):
    r"""Limits on the sum of the weights of groups of assets: sectors, countries, ratings, ...

    .. math::

        lower_g \le \sum_{i \in g} w_i \le upper_g, \qquad\text{active: }
        lower_g \le \sum_{i \in g} (w_i - w_{b,i}) \le upper_g

    Parameters
    ----------
    groups : array-like of shape (n_assets,), dict or Series by asset name
        Group of each asset; `None` for an asset in no group. Every asset must be there.
    lower, upper : float, dict or Series by group, default=None
        Limits of each group; a scalar holds for all of them, a group that a dict leaves out has no limit.
    active : bool, default=False
        Limit the groups' active weights, against those of the benchmark; needs `benchmark_weights`.

    Raises
    ------
    ValueError
        From `fit`, without limits, for assets without a label, unknown names of assets or groups, and for
        ``active=True`` without `benchmark_weights`.
    InfeasibleError
        From `fit`, for a lower limit above the upper one.

    Examples
    --------
    >>> from trackfolio.constraints import GroupBounds
    >>> sectors = GroupBounds(["tech", "tech", "oil"], lower={"oil": 0.1}, upper=0.7)
    """

    by_group = ("lower", "upper")

    def __init__(self, groups: Any, lower: Any = None, upper: Any = None, active: bool = False) -> None:
        self.groups = groups
        self.lower = lower
        self.upper = upper
        self.active = active

    def rows(self, problem: Any) -> Rows:
        """Linear limits, one row a group."""
        if self.lower is None and self.upper is None:
            raise ValueError("GroupBounds has neither lower nor upper limits; it would have no effect.")
        members = self._members(problem.names)
        A = np.array(list(members.values())).reshape(len(members), len(problem.names))
        benchmark = A @ problem.require_benchmark_weights("GroupBounds(active=True)") if self.active else 0.0
        lower = per_asset(self.lower, list(members), "GroupBounds.lower", default=-np.inf, kind="group")
        upper = per_asset(self.upper, list(members), "GroupBounds.upper", default=np.inf, kind="group")
        return Rows(A, lower + benchmark, upper + benchmark)

    def row_labels(self, names: list[str]) -> list[str]:
        """Names of the groups, in the order of the rows.

        Parameters
        ----------
        names : list of str
            Names of the assets.

        Returns
        -------
        list of str
            Groups.
        """
        return list(self._members(names))


class GroupRatio(_OfGroups):
    r"""Limits on the weight of one group in units of that of another.

    .. math:: lower \sum_{i \in other} w_i \le \sum_{i \in group} w_i \le upper \sum_{i \in other} w_i

    Where the other group's weight is positive, these are limits on the ratio; written as linear limits, they also hold
    where it is 0 or below. Multipliers are per unit of the ratio.

    Parameters
    ----------
    groups : array-like of shape (n_assets,), dict or Series by asset name
        Group of each asset; `None` for an asset in no group. Every asset must be there.
    group, other : str
        Numerator and denominator.
    lower, upper : float, default=None
        Limits of the ratio; None for none.

    Raises
    ------
    ValueError
        From `fit`, without limits, for limits that are negative or not finite, assets without a label, and groups that
        are unknown or the same.
    InfeasibleError
        From `fit`, for a lower limit above the upper one.

    Examples
    --------
    At most one and a half times as much in stocks as in bonds:

    >>> from trackfolio.constraints import GroupRatio
    >>> mix = GroupRatio(["stock", "stock", "bond"], "stock", "bond", upper=1.5)
    """

    def __init__(
        self, groups: Any, group: str, other: str, lower: float | None = None, upper: float | None = None
    ) -> None:
        self.groups = groups
        self.group = group
        self.other = other
        self.lower = lower
        self.upper = upper

    def rows(self, problem: Any) -> Rows:
        """Linear limits, one row for each side that is given; one of both where they are equal."""
        group, other = self._both(problem.names)
        ratios = {side: self._ratio(side) for side in ("lower", "upper") if getattr(self, side) is not None}
        if not ratios or group is other:
            raise ValueError("GroupRatio needs two different groups, and a lower or an upper limit.")
        if ratios.get("lower", 0.0) > ratios.get("upper", np.inf):
            raise InfeasibleError(f"GroupRatio: lower limit {self.lower} is above upper limit {self.upper}.")
        if len(set(ratios.values())) < len(ratios):
            return Rows((group - ratios["lower"] * other)[None, :], 0.0, 0.0)
        signs = {"lower": 1.0, "upper": -1.0}
        return Rows(np.array([signs[side] * (group - ratio * other) for side, ratio in ratios.items()]), 0.0, np.inf)

    def in_own_units(self, problem: Any, w: Array, multipliers: Any) -> Any:
        """Give multipliers per unit of the ratio, from those per unit of the group's weight.

        Parameters
        ----------
        problem : Problem
            Data and names.
        w : ndarray of shape (n_assets,)
            Weights at which the other group is measured.
        multipliers : ndarray
            Per unit of the group's weight.

        Returns
        -------
        ndarray
            Per unit of the ratio.
        """
        return multipliers * float(self._both(problem.names)[1] @ w)

    def _both(self, names: list[str]) -> tuple[Array, Array]:
        """Ones for the assets of the group, and for those of the other."""
        members = self._members(names)
        for name in (self.group, self.other):
            if str(name) not in members:
                raise unknown_name("GroupRatio", name, list(members), kind="group")
        return members[str(self.group)], members[str(self.other)]

    def _ratio(self, side: str) -> float:
        """One limit, checked."""
        ratio = limit(getattr(self, side), f"GroupRatio.{side}", np.nan)
        if not 0 <= ratio < np.inf:
            raise ValueError(f"GroupRatio.{side} must be a finite number of at least 0, got {getattr(self, side)!r}.")
        return ratio
