"""Random problems as plain data: each follows from its seed alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.objectives import MaxRatio, MinRisk
from trackfolio.risks import RootMeanSquare, Variance

from . import facts
from .data import draw_market
from .terms import OBJECTIVES, Draw, draw_constraints, draw_costs, draw_risk


@dataclass
class Case:
    """An estimator with the data for its fit, the facts by which it is judged, and what is known beforehand.

    `inside` keeps all limits if `is_feasible`. An error is due for each reason in `expect`, and no surprise for those
    in `may`.
    """

    seed: int
    model: Any
    X: np.ndarray
    y: np.ndarray | None
    fit_params: dict[str, Any]
    limits: list[Any]
    losses: list[tuple[float, Any]]
    risk: facts.OfRisk
    goal: Any
    size: float
    lower: np.ndarray
    upper: np.ndarray
    budget: tuple[float, float]
    inside: np.ndarray
    is_feasible: bool
    expect: list[str]
    may: list[str]
    notes: list[str]

    @property
    def is_ratio(self):
        return isinstance(self.goal, MaxRatio)

    @property
    def discrete(self):
        return [fact for fact in self.limits if isinstance(fact, facts.DISCRETE)]

    @property
    def convex(self):
        return [fact for fact in self.limits if not isinstance(fact, facts.DISCRETE)]

    def value(self, w):
        """What is minimised: risk and losses, or minus a ratio."""
        losses = sum(c * part.value(w) for c, part in self.losses)
        if self.is_ratio:
            return losses / self.risk.value(w)
        return losses + self.goal.risk_weight * self.risk.value(w) if self.goal.risk_weight else losses

    def violation(self, w):
        """Largest amount by which weights break a limit, in units of their size."""
        own = [*(self.lower - w), *(w - self.upper), self.budget[0] - w.sum(), w.sum() - self.budget[1]]
        return max(max(own) / self.size, *(fact.excess(w, self.size) for fact in self.limits), 0.0)

    def describe(self):
        """The case in words."""
        return "\n".join(
            [
                f"seed {self.seed}: {self.X.shape[0]} rows, {self.X.shape[1]} assets; {', '.join(self.notes)}",
                *(
                    f"  {k}={v!r}"
                    for k, v in self.model.get_params(deep=False).items()
                    if v is not None or k.endswith("_weights")
                ),
                f"  y {'given' if self.y is not None else 'left out'}, {', '.join(self.fit_params) or 'nothing else'}",
                f"  inside within the limits: {self.is_feasible}; errors due: {self.expect or 'none'}",
                f"  possible: {self.may or 'none'}",
            ]
        )


def make_case(seed):
    """The case of a seed."""
    rng = np.random.default_rng([20250, seed])
    n = _sized(rng, 60)
    T = _sized(rng, 400) if rng.random() < 0.4 else int(rng.integers(2, 401))
    few = bool(rng.random() < 0.2)
    # Searches over names take long: their problems are small.
    n, T = (min(n, 20), min(T, 80)) if few else (n, T)
    market = draw_market(rng, n, T)
    d, parameters = _weights(rng, market)
    few = d.few = few and bool(np.isfinite([d.lower, d.upper]).all())
    tracks = bool(rng.random() < 0.5)
    benchmark, y = _benchmark(rng, d, market, tracks)
    sample_weight = rng.integers(0, 4, T).astype(float) if rng.random() < 0.08 else None
    if sample_weight is not None and sample_weight.sum() == 0:
        sample_weight[0] = 1.0
    d.sample_weight = sample_weight
    if market.flaw is not None:
        d.expect.append(market.flaw)
        d.X = np.where(np.isfinite(d.X), d.X, 0.0)
        d.y = None if d.y is None else np.where(np.isfinite(d.y), d.y, 0.0)
    held = _cardinality(rng, d, parameters) if few and rng.random() < 0.7 else []
    build = _tracker if tracks else _mean_risk
    model, goal, risk, losses, limits = build(rng, d, parameters, benchmark, y, few)
    X = market.X
    fit = {"previous_weights": d.previous, "sample_weight": sample_weight}
    return Case(
        seed, model, X, y, {k: v for k, v in fit.items() if v is not None}, [*held, *limits], losses, risk, goal,
        d.size, d.lower, d.upper, d.budget, d.inside, d.is_feasible, d.expect, d.may, market.notes,
    )  # fmt: skip


def _sized(rng, most):
    """A number from 1 to the most: small ones are more frequent."""
    return int(np.clip(np.exp(rng.uniform(0, np.log(most + 1))), 1, most))


def _weights(rng, market):
    """A portfolio, and budget and bounds around it."""
    n = market.X.shape[1]
    size = float(rng.choice([1e-4, 1e4])) if rng.random() < 0.06 else 1.0
    inside = size * rng.dirichlet(np.full(n, rng.choice([0.3, 1.0, 10.0])))
    kind = rng.choice(
        ["long", "cap", "short", "neutral", "free", "each", "fixed"], p=[0.4, 0.15, 0.2, 0.05, 0.08, 0.08, 0.04]
    )
    lower, upper = 0.0, size
    if kind == "cap":
        upper = float(inside.max()) * rng.uniform(1, 2)
    elif kind in ("short", "neutral"):
        inside = (inside if kind == "short" else 0.0) + 0.3 * size * (
            rng.dirichlet(np.ones(n)) - rng.dirichlet(np.ones(n))
        )
        lower, upper = -size, 2 * size
    elif kind == "free":
        lower, upper = None, None
    elif kind == "each":
        lower, upper = inside - size * rng.uniform(0, 0.5, n), inside + size * rng.uniform(0, 0.5, n)
    elif kind == "fixed":
        lower, upper = np.where(rng.random(n) < 0.5, inside, 0.0), np.full(n, size)
        upper = np.where(lower > 0, lower, upper)
    low = np.broadcast_to(-np.inf if lower is None else lower, n).astype(float)
    high = np.broadcast_to(np.inf if upper is None else upper, n).astype(float)
    inside = np.clip(inside, low, high)
    total, feasible = float(inside.sum()), True
    if kind not in ("neutral",) and size == 1.0 and abs(total - 1) < 1e-9:
        total = 1.0
    budget = total = 0.0 if kind == "neutral" and abs(total) < 1e-12 * size else total
    if rng.random() < 0.12:
        budget = (total - 0.1 * size, total + 0.1 * size)
    elif kind == "free" and size == 1.0 and rng.random() < 0.3:
        budget = (-np.inf, np.inf)
    elif rng.random() < 0.02:
        budget, feasible = total + 3 * n * size, kind in ("free",)
    pair = budget if isinstance(budget, tuple) else (budget, budget)
    parameters = {"budget": budget, "min_weights": lower, "max_weights": upper}
    d = Draw(rng, market.X, None, market.size, size, inside, low, high, pair, None, None, None, is_feasible=feasible)
    if not pair[0] <= total <= pair[1]:
        d.is_feasible = False
    return d, parameters


def _benchmark(rng, d, market, tracks):
    """Benchmark by returns, by weights, or by both; previous weights at times."""
    kinds = ["y", "weights", "both"] + ([] if tracks else ["none"])
    kind = rng.choice(kinds, p=[0.6, 0.2, 0.2] if tracks else [0.4, 0.15, 0.15, 0.3])
    weights = d.size * rng.dirichlet(np.ones(d.n)) if kind in ("weights", "both") else None
    y = market.y if kind in ("y", "both") else None
    if y is not None and rng.random() < 0.7:
        market.y *= d.size  # in place: y is the same array
    if market.flaw is not None and market.flaw.endswith("y") and y is None:
        market.flaw = None
    d.benchmark_weights = weights
    with np.errstate(invalid="ignore"):
        d.y = y if y is not None or weights is None else market.X @ weights
    if rng.random() < 0.5:
        d.previous = d.inside.copy() if rng.random() < 0.2 else d.size * rng.dirichlet(np.ones(d.n))
    return weights, y


def _cardinality(rng, d, parameters):
    """Limits on what is held, at times; the portfolio inside then holds as few."""
    if (d.lower > 0).any():
        return []
    k = int(rng.integers(1, min(d.n, 8) + 1))
    order = np.argsort(-np.abs(d.inside))
    inside = np.zeros(d.n)
    inside[order[:k]] = d.inside[order[:k]]
    missing = d.inside.sum() - inside.sum()
    inside[order[0]] += missing
    d.inside = inside
    if not ((inside >= d.lower) & (inside <= d.upper)).all():
        d.is_feasible = False
    held = np.abs(inside) > 0
    most = max(1, k - int(rng.random() < 0.1))
    d.is_feasible = d.is_feasible and held.sum() <= most
    fewest, least = 0, None
    if rng.random() < 0.4 and held.any():
        least = max(float(np.abs(inside[held]).min()), 1e-4 * d.size) * rng.uniform(0.3, 1.1)
        d.is_feasible = d.is_feasible and bool((np.abs(inside[held]) >= least).all())
        parameters["min_position"] = least
        if rng.random() < 0.3:
            fewest = int(min(held.sum(), most))
    parameters["cardinality"] = (fewest, most) if fewest else most
    each = None if least is None else np.full(d.n, least)
    return [facts.Counted("cardinality", np.ones(d.n, dtype=bool), fewest, most, least=each)]


def _tracker(rng, d, parameters, benchmark, y, few):
    risk, of = _risk(rng, d, True, RootMeanSquare)
    terms, limits = draw_constraints(d, few)
    costs, own = draw_costs(d, constants_count=False)
    model = MinTrackingError(
        risk, benchmark_weights=benchmark, constraints=terms or None, costs=costs or None, **parameters
    )
    return model, MinRisk(), of, [(1.0, part) for part in own], limits


def _risk(rng, d, active, default):
    """A risk and what it is of, or None and what that stands for."""
    if rng.random() < 0.2:
        return None, draw_risk(d, active, default)[1]
    return draw_risk(d, active)


def _mean_risk(rng, d, parameters, benchmark, y, few):
    goal_class = rng.choice(list(OBJECTIVES), p=_share(len(OBJECTIVES)))
    goal = OBJECTIVES[goal_class](d, d.y is not None and bool(rng.random() < 0.3))
    active = bool(getattr(goal, "active", False))
    risk, of = _risk(rng, d, active, Variance)
    if rng.random() < 0.15:
        d.expected_returns = d.mean() + 0.1 * d.unit * rng.standard_normal(d.n)
    terms, limits = draw_constraints(d, few)
    costs, own = draw_costs(d, constants_count=isinstance(goal, MaxRatio))
    losses = [(1.0, part) for part in own]
    if goal.return_weight:
        losses.append((goal.return_weight, facts.Slope(-d.returns(), _to_beat(d, goal, active, y, benchmark))))
    most = penalty = None
    if d.y is not None:
        rms = d.of_risk(RootMeanSquare(), True)
        if rng.random() < 0.2:
            at = rms.value(d.inside)
            most = at * (1 + d.room())
            limits = [*limits, facts.Limited("max_tracking_error", [rms], most, rms.unit_of_limits(d.size))]
        if rng.random() < 0.1:
            penalty = float(10.0 ** rng.integers(-2, 4))
            losses.append((penalty, _MeanSquare(rms)))
    if not goal.risk_weight and not isinstance(goal, MaxRatio):  # then it is not looked at
        name = type(of.risk).__name__
        d.may += [reason for reason in d.expect if reason.startswith(name)]
        d.expect = [reason for reason in d.expect if not reason.startswith(name)]
    model = MeanRisk(
        risk, goal, benchmark_weights=benchmark, expected_returns=d.expected_returns, max_tracking_error=most,
        tracking_penalty=penalty, constraints=terms or None, costs=costs or None, **parameters,
    )  # fmt: skip
    return model, goal, of, losses, limits


def _share(n):
    return np.full(n, 1 / n)


def _to_beat(d, goal, active, y, benchmark):
    if not isinstance(goal, MaxRatio):
        return 0.0
    if not active:
        return goal.risk_free_rate
    if y is None:
        return float(d.returns() @ benchmark)
    return float(np.average(d.y, weights=d.sample_weight))


@dataclass(frozen=True)
class _MeanSquare:
    """The mean of squared active returns."""

    root: facts.OfRisk

    def value(self, w):
        return self.root.value(w) ** 2

    def expression(self, u, size):
        import cvxpy as cp

        risk, constraints = self.root.expression(u, size)
        bound, unit = cp.Variable(nonneg=True), self.root.scale(size) / size
        return size * unit**2 * cp.square(bound), [*constraints, bound >= risk / unit]
