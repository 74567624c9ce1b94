"""Estimators from the options: limits, risks, holdings, time."""

import math
from typing import Any

import pandas as pd

from trackfolio import risks
from trackfolio.cli._errors import InputError
from trackfolio.cli._files import closest, read_names
from trackfolio.cli._options import Limits, Source
from trackfolio.cli._speech import named, say
from trackfolio.constraints import Constraint, GroupBounds, MaxTurnover
from trackfolio.solvers import MixedInteger, Sparse

_RISKS = {
    "rmse": risks.RootMeanSquare,
    "std": risks.StandardDeviation,
    "variance": risks.Variance,
    "mad": risks.MeanAbsoluteDeviation,
    "semideviation": risks.SemiDeviation,
    "semivariance": risks.SemiVariance,
    "gini": risks.GiniMeanDifference,
    "worst": risks.WorstRealization,
    "max-drawdown": risks.MaxDrawdown,
    "average-drawdown": risks.AverageDrawdown,
    "ulcer": risks.UlcerIndex,
}
_TAILS = {"cvar": risks.CVaR, "evar": risks.EVaR, "cdar": risks.CDaR, "edar": risks.EDaR}
_SECONDS = 60.0


def estimator(kind: Any, limits: Limits, source: Source, assets: list[str], **more: Any) -> Any:
    """A `MinTrackingError` or `MeanRisk` within the limits."""
    return kind(
        _risk(limits),
        min_weights=limits.min_weight,
        max_weights=limits.max_weight,
        cardinality=limits.cardinality,
        min_position=limits.min_position,
        constraints=_constraints(limits, source, assets) or None,
        **more,
    )


def with_time_limit(model: Any, limits: Limits, X: Any, y: Any, previous: Any) -> Any:
    """The estimator with a search that stops in time; the automatic choice where the time is the usual one."""
    is_search = limits.cardinality is not None or bool(limits.min_position)
    if limits.time_limit is None:
        return model
    if not is_search:
        raise InputError("--time-limit is of the search for the best names: give --cardinality or --min-position.")
    problem = model.make_problem(X, y, previous_weights=previous)
    solvers = [kind(time_limit=limits.time_limit) for kind in (Sparse, MixedInteger)]
    return model.set_params(solver=next((each for each in solvers if not each.lacking(problem)), None))


def holdings(limits: Limits, source: Source, assets: list[str]) -> pd.Series | None:
    """Weights before the trade, 0 where a name is left out."""
    if limits.previous is None:
        return None
    weights = pd.Series(0.0, index=assets)
    for name, text in read_names(limits.previous, "weight", source):
        if name not in weights.index:
            raise InputError(f"{limits.previous} holds {name!r}, which is not among the assets.{closest(name, assets)}")
        weights[name] = _number(text, f"{limits.previous}, {name!r}", source.decimal)
    if abs(weights.sum()) > 2:
        raise InputError(
            f"The weights in {limits.previous} add up to {weights.sum():g}: write them as shares of 1 (0.05 for 5 %)."
        )
    return weights


def _risk(limits: Limits) -> Any:
    if limits.confidence is not None and limits.risk not in _TAILS:
        raise InputError(f"--confidence is of --risk {', '.join(_TAILS)}, not of {limits.risk or 'the default'}.")
    if limits.risk is None:
        return None
    if limits.risk in _TAILS:
        return _TAILS[limits.risk](0.95 if limits.confidence is None else limits.confidence)
    return _RISKS[limits.risk]()


def _constraints(limits: Limits, source: Source, assets: list[str]) -> list[Constraint]:
    found: list[Constraint] = []
    if bool(limits.groups) != bool(limits.max_group):
        raise InputError("--groups and --max-group go together: a file of groups, and how much of each there may be.")
    if limits.groups:
        found.append(_groups(limits, source, assets))
    if limits.max_turnover is not None:
        found.append(MaxTurnover(limits.max_turnover))
    return found


def _groups(limits: Limits, source: Source, assets: list[str]) -> GroupBounds:
    name = str(limits.groups)
    group_of = dict(read_names(name, "group", source))
    without = [asset for asset in assets if asset not in group_of]
    if without:
        raise InputError(
            f"{name} leaves out {named(without)}: write a line for each asset, with nothing for the group if it is in "
            "none."
        )
    strangers = [asset for asset in group_of if asset not in assets]
    if strangers:
        say(f"Names in {name} that are not among the assets do not count: {named(strangers)}.")
    groups = {asset: group_of[asset] or None for asset in assets}
    known = list(dict.fromkeys(group for group in groups.values() if group))
    every = [weight for group, weight in limits.max_group if group is None]
    if len(every) > 1:
        raise InputError("--max-group gives two limits for all groups: name the groups, as in tech=0.3.")
    upper = dict.fromkeys(known, every[0]) if every else {}
    for group, weight in limits.max_group:
        if group is not None and group not in known:
            raise InputError(
                f"--max-group {group}: {name} has no such group.{closest(group, known)} Groups: {named(known)}."
            )
        if group is not None:
            upper[group] = weight
    return GroupBounds(groups, upper=upper)


def _number(text: str, where: str, decimal: str | None) -> float:
    try:
        # Where fields are apart by something else, a comma is a decimal mark; thousands are not read.
        number = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text and decimal != "." else text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where}: {text!r} is no number.")
    return number
