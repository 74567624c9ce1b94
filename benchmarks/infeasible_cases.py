"""Problems without a solution, for a reason that is known, and a textbook program that says whether there is one."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import BetaBounds, Exposure, GroupBounds, MaxTrades, MaxTurnover, MinReturn
from trackfolio.diagnosis import Relaxation
from trackfolio.risks import CVaR
from trackfolio.solvers import Sparse

Array = npt.NDArray[np.float64]
_LEVEL = 0.9
#: For the search for few names, where there is a portfolio.
SECONDS = 2.0
# Limits are kept that are broken by no more, relative to their size; the change that is checked for being needed is
# larger by orders.
_KEPT = 2e-7


@dataclass(frozen=True)
class Limits:
    """Data, and all limits as plain numbers; None for none."""

    X: Array
    y: Array
    previous: Array
    values: Array
    labels: tuple[str, ...]
    budget: float = 1.0
    min_weights: float = 0.0
    max_weights: float = 1.0
    fewest: int = 0
    cardinality: int | None = None
    min_position: float | None = None
    group_lower: tuple[tuple[str, float], ...] = ()
    group_upper: tuple[tuple[str, float], ...] = ()
    exposure_lower: float = -np.inf
    exposure_upper: float = np.inf
    turnover: float | None = None
    trades: int | None = None
    least_return: float | None = None
    beta_upper: float | None = None
    tracking: float | None = None
    cvar: float | None = None

    @property
    def model(self) -> Any:
        """The estimator with these limits."""
        constraints: list[Any] = []
        if self.group_lower or self.group_upper:
            low, high = dict(self.group_lower) or None, dict(self.group_upper) or None
            constraints.append(GroupBounds(list(self.labels), low, high))
        if np.isfinite([self.exposure_lower, self.exposure_upper]).any():
            constraints.append(Exposure(self.values, self.exposure_lower, self.exposure_upper))
        constraints += [] if self.turnover is None else [MaxTurnover(self.turnover)]
        constraints += [] if self.trades is None else [MaxTrades(self.trades)]
        constraints += [] if self.least_return is None else [MinReturn(self.least_return)]
        constraints += [] if self.beta_upper is None else [BetaBounds(upper=self.beta_upper)]
        constraints += [] if self.cvar is None else [CVaR(_LEVEL) <= self.cvar]
        few = None if self.cardinality is None else (self.fewest, self.cardinality) if self.fewest else self.cardinality
        common: dict[str, Any] = dict(
            budget=self.budget, min_weights=self.min_weights, max_weights=self.max_weights, cardinality=few,
            min_position=self.min_position, constraints=constraints,
        )  # fmt: skip
        if few is not None or self.min_position is not None:
            common["solver"] = Sparse(time_limit=SECONDS)
        if self.trades is not None:
            return MeanRisk(CVaR(_LEVEL), **common)
        if self.tracking is not None:
            return MeanRisk(max_tracking_error=self.tracking, **common)
        return MinTrackingError(**common)

    def fit(self) -> Any:
        """Fit the estimator."""
        return self.model.fit(self.X, self.y, previous_weights=self.previous)

    def relaxed(self, way: Relaxation, share: float = 1.0) -> "Limits":
        """These limits with a share of a change that was suggested."""
        assert way.change is not None
        if way.name == "groupbounds":
            parameter = f"group_{way.side}"
            pairs = dict(getattr(self, parameter))
            # Without a label, where there is one group with a limit.
            pairs[way.label or next(iter(pairs))] += share * way.change
            return replace(self, **{parameter: tuple(pairs.items())})
        parameter = {
            "cardinality": way.side or "cardinality",
            "exposure": f"exposure_{way.side}",
            "maxturnover": "turnover",
            "maxtrades": "trades",
            "minreturn": "least_return",
            "betabounds": "beta_upper",
            "max_tracking_error": "tracking",
        }.get(way.name, way.name)
        # Whole numbers stay whole.
        change = round(share * way.change) if isinstance(way.change, int) else share * way.change
        return replace(self, **{parameter: getattr(self, parameter) + change})

    def only(self, names: list[str]) -> "Limits":
        """These limits without those that are not named."""
        every = {
            "groupbounds": {"group_lower": (), "group_upper": ()},
            "exposure": {"exposure_lower": -np.inf, "exposure_upper": np.inf},
            "cardinality": {"cardinality": None, "fewest": 0},
            "min_weights": {"min_weights": -np.inf},
            "max_weights": {"max_weights": np.inf},
            "budget": {"budget": np.nan},
            "maxturnover": {"turnover": None},
            "maxtrades": {"trades": None},
            "minreturn": {"least_return": None},
            "betabounds": {"beta_upper": None},
            "max_tracking_error": {"tracking": None},
            "cvar": {"cvar": None},
            "min_position": {"min_position": None},
        }
        gone = {key: value for name, values in every.items() if name not in names for key, value in values.items()}
        return replace(self, **gone)  # type: ignore[arg-type]


def is_feasible(limits: Limits) -> bool:
    """Whether some weights keep the limits, by the smallest common violation in cvxpy."""
    import cvxpy as cp

    X, y, n = limits.X, limits.y, limits.X.shape[1]
    w, s = cp.Variable(n), cp.Variable(nonneg=True)
    parts: list[Any] = []
    if np.isfinite(limits.budget):
        parts += [cp.abs(cp.sum(w) - limits.budget) <= s]
    far = 10.0
    low, high = max(limits.min_weights, -far), min(limits.max_weights, far)
    parts += [w >= low - s, w <= high + s]
    for labels, sign in ((limits.group_lower, -1), (limits.group_upper, 1)):
        for label, bound in labels:
            inside = np.array([own == label for own in limits.labels], dtype=float)
            parts.append(sign * (inside @ w - bound) <= s)
    size = float(np.abs(limits.values).max())
    if np.isfinite(limits.exposure_lower):
        parts.append(limits.exposure_lower - limits.values @ w <= size * s)
    if np.isfinite(limits.exposure_upper):
        parts.append(limits.values @ w - limits.exposure_upper <= size * s)
    if limits.turnover is not None:
        parts.append(cp.norm1(w - limits.previous) / 2 <= limits.turnover + s)
    mu = X.mean(axis=0)
    if limits.least_return is not None:
        parts.append(limits.least_return - mu @ w <= float(np.abs(mu).max()) * s)
    if limits.beta_upper is not None:
        beta = (X - mu).T @ (y - y.mean()) / ((y - y.mean()) @ (y - y.mean()))
        parts.append(beta @ w <= limits.beta_upper + s)
    if limits.tracking is not None:
        parts.append(cp.norm((X @ w - y) / limits.tracking) / np.sqrt(len(y)) <= 1 + s)
    if limits.cvar is not None:
        alpha, losses = cp.Variable(), -(X @ w) / limits.cvar
        parts.append(alpha + cp.sum(cp.pos(losses - alpha)) / ((1 - _LEVEL) * len(y)) <= 1 + s)
    return _least(w, s, parts, limits, low, high) <= _KEPT


def _least(w: Any, s: Any, parts: list[Any], limits: Limits, low: float, high: float) -> float:
    import cvxpy as cp

    n, whole = len(limits.previous), False
    if limits.cardinality is not None or limits.min_position is not None:
        held, whole = cp.Variable(n, boolean=True), True
        parts = [*parts, w <= max(high, 0) * held + s, w >= min(low, 0) * held - s]
        parts += [cp.sum(held) <= (limits.cardinality or n), cp.sum(held) >= limits.fewest]
        if limits.min_position is not None:
            if low >= 0:
                parts.append(w >= limits.min_position * held - s)
            else:  # long or short
                long = cp.Variable(n, boolean=True)
                big = high - low + limits.min_position
                parts += [w >= limits.min_position - big * (2 - held - long) - s]
                parts += [w <= -limits.min_position + big * (1 - held + long) + s]
    if limits.trades is not None:
        traded, whole = cp.Variable(n, boolean=True), True
        parts = [*parts, cp.abs(w - limits.previous) <= 20 * traded, cp.sum(traded) <= limits.trades]
    if whole:  # with integers, whether a violation is small is told much faster than the smallest one is found
        program = cp.Problem(cp.Minimize(0), [*parts, s <= _KEPT])
        _solve(program, limits, whole)
        return 0.0 if program.status == cp.OPTIMAL else np.inf
    program = cp.Problem(cp.Minimize(s), parts)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate", UserWarning)
        _solve(program, limits, whole)
    return float(s.value)


def _solve(program: Any, limits: Limits, whole: bool) -> None:
    import cvxpy as cp

    if limits.tracking is None and limits.cvar is None:
        tight = {"mip_feasibility_tolerance": 1e-9, "primal_feasibility_tolerance": 1e-10}
        program.solve(solver=cp.HIGHS, **(tight if whole else {"primal_feasibility_tolerance": 1e-10}))
    else:
        program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)


@dataclass(frozen=True)
class Case:
    """Limits without a portfolio, and the names of those that were made to clash."""

    kind: str
    limits: Limits
    cause: tuple[str, ...]


def _market(n: int, seed: int) -> tuple[Limits, np.random.Generator]:
    rng = np.random.default_rng(seed)
    common = 0.008 * rng.standard_t(5, (250, 1))
    X = common * rng.uniform(0.5, 1.5, n) + 0.01 * rng.standard_t(5, (250, n)) + 0.0003
    y = X @ rng.dirichlet(np.ones(n)) + 5e-4 * rng.standard_normal(250)
    labels = tuple("abcd"[k % 4] for k in range(n))
    return Limits(X, y, np.full(n, 1 / n), rng.uniform(0, 10, n), labels), rng


def _harmless(limits: Limits, rng: np.random.Generator) -> Limits:
    """Limits that never clash with those of the cause."""
    changes: dict[str, Any] = {}
    if rng.random() < 0.5 and not np.isfinite(limits.exposure_lower):
        changes["exposure_upper"] = 20.0
    if rng.random() < 0.5 and limits.turnover is None and limits.trades is None:
        changes["turnover"] = 3.0
    if rng.random() < 0.5 and not limits.group_lower and not limits.group_upper:
        changes["group_upper"] = (("a", 5.0),)
    return replace(limits, **changes)


def _concentrated(n: int, few: int) -> Array:
    return np.where(np.arange(n) < few, 1 / few, 0.0)


def _of_bounds(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    n = len(limits.previous)
    if rng.random() < 0.5:
        return replace(limits, max_weights=round(rng.uniform(0.5, 0.95) / n, 4)), ("max_weights", "budget")
    return replace(limits, min_weights=round(rng.uniform(1.1, 2.0) / n, 4)), ("min_weights", "budget")


def _of_groups(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    upper = tuple((label, round(rng.uniform(0.1, 0.23), 3)) for label in "abcd")
    return replace(limits, group_upper=upper), ("groupbounds", "budget")


def _of_groups_and_bounds(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    inside = limits.labels.count("b")
    most = round(rng.uniform(1.3, 2.0) / len(limits.labels), 4)
    lower = (("b", round(min(inside * most * rng.uniform(1.1, 1.5), 0.95), 3)),)
    return replace(limits, group_lower=lower, max_weights=most), ("groupbounds", "max_weights")


def _of_exposures(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    beyond = round(limits.values.max() * rng.uniform(1.02, 1.3), 3)
    return replace(limits, exposure_lower=beyond), ("exposure", "budget", "min_weights")


def _of_turnover(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    few = int(rng.integers(2, 4))
    most = round(rng.uniform(0.5, 0.8) / few, 3)
    # Selling alone is half of what is sold.
    limit = round((1 - few * most) / 2 * rng.uniform(0.3, 0.9), 4)
    previous = _concentrated(len(limits.labels), few)
    return replace(limits, previous=previous, max_weights=most, turnover=limit), ("maxturnover", "max_weights")


def _of_turnover_and_groups(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    inside = np.array([label == "c" for label in limits.labels])
    held = float(limits.previous[inside].sum())
    lower = round(held + rng.uniform(0.2, 0.5), 3)
    limit = round((lower - held) / 2 * rng.uniform(0.3, 0.9), 4)
    return replace(limits, group_lower=(("c", lower),), turnover=limit), ("maxturnover", "groupbounds")


def _of_tracking(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    most = round(rng.uniform(1.1, 1.6) / len(limits.labels), 4)
    free, bound = (replace(limits, max_weights=m).fit().solution_.objective for m in (1.0, most))
    limit = free + rng.uniform(0.2, 0.9) * (bound - free)
    return replace(limits, max_weights=most, tracking=limit), ("max_tracking_error", "max_weights")


def _of_return(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    least = limits.fit().solution_.objective
    mu = limits.X.mean(axis=0)
    top = float(mu.max())
    near = replace(limits, tracking=least * rng.uniform(1.1, 1.5))
    from trackfolio.objectives import MaxReturn

    most = near.model.set_params(objective=MaxReturn()).fit(limits.X, limits.y).weights_ @ mu
    return replace(near, least_return=float(most + rng.uniform(0.1, 0.8) * (top - most))), (
        "minreturn",
        "max_tracking_error",
    )


def _of_cvar(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    least = MeanRisk(CVaR(_LEVEL)).fit(limits.X).solution_.objective
    return replace(limits, cvar=float(least * rng.uniform(0.5, 0.95))), ("cvar", "budget")


def _of_beta(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    betas = np.cov(limits.X.T, limits.y)[:-1, -1] / np.var(limits.y, ddof=1)
    return replace(limits, beta_upper=float(betas.min() * rng.uniform(0.4, 0.95))), ("betabounds", "budget")


def _of_names(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    few = int(rng.integers(2, 5))
    most = round(rng.uniform(0.6, 0.95) / few, 3)
    return replace(limits, cardinality=few, max_weights=most), ("cardinality", "max_weights", "budget")


def _of_positions(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    fewest = int(rng.integers(3, 7))
    least = round(rng.uniform(1.1, 1.5) / fewest, 3)
    changed = replace(limits, fewest=fewest, cardinality=min(fewest + 2, len(limits.labels)), min_position=least)
    return changed, ("cardinality", "min_position", "budget")


def _of_names_and_groups(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    lower = tuple((label, round(rng.uniform(0.1, 0.25), 3)) for label in "abc")
    return replace(limits, cardinality=2, group_lower=lower), ("cardinality", "groupbounds")


def _of_names_and_turnover(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    n, few = len(limits.labels), int(rng.integers(2, 4))
    limit = round((1 - few / n) * rng.uniform(0.55, 0.9), 4)
    return replace(limits, cardinality=few, turnover=limit), ("cardinality", "maxturnover")


def _of_trades(limits: Limits, rng: np.random.Generator) -> tuple[Limits, tuple[str, ...]]:
    few = int(rng.integers(3, 5))
    most = round(rng.uniform(0.6, 0.9) / few, 3)
    trades = int(rng.integers(1, few))
    changed = replace(limits, previous=_concentrated(len(limits.labels), few), max_weights=most, trades=trades)
    return changed, ("maxtrades", "max_weights")


Maker = Callable[[Limits, np.random.Generator], tuple[Limits, tuple[str, ...]]]
KINDS: dict[str, Maker] = {
    "bounds and budget": _of_bounds,
    "groups and budget": _of_groups,
    "a group and bounds": _of_groups_and_bounds,
    "an exposure": _of_exposures,
    "turnover and bounds": _of_turnover,
    "turnover and a group": _of_turnover_and_groups,
    "tracking error and bounds": _of_tracking,
    "return and tracking error": _of_return,
    "tail risk": _of_cvar,
    "beta": _of_beta,
    "names and bounds": _of_names,
    "positions and names": _of_positions,
    "names and groups": _of_names_and_groups,
    "names and turnover": _of_names_and_turnover,
    "trades and bounds": _of_trades,
}


def make_case(kind: str, n: int, seed: int) -> Case:
    """One problem of a kind."""
    limits, rng = _market(n, seed)
    changed, cause = KINDS[kind](limits, rng)
    return Case(kind, _harmless(changed, rng), cause)
