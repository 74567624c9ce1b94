"""Risks, constraints, costs and objectives of each class, with random parameters, and the facts that they state.

Classes are found in the library: a new risk is tried by itself, a new constraint, cost or objective as soon as it has
a recipe here (tests/test_fuzz.py fails until it has one).
"""

import inspect
import re
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np

from trackfolio import constraints as limits
from trackfolio import costs, objectives, risks
from trackfolio.constraints import Constraint, RiskLimit
from trackfolio.costs import Cost
from trackfolio.objectives import Objective
from trackfolio.risks import Risk

from . import facts


def public_classes(base):
    """Public classes below one, wherever they are defined in the library."""
    found = {sub for child in base.__subclasses__() for sub in {child, *public_classes(child)}}
    public = re.compile(r"trackfolio\.[a-z]")
    return sorted(
        (cls for cls in found if public.match(cls.__module__) and not cls.__name__.startswith("_")),
        key=lambda cls: cls.__name__,
    )


@dataclass
class Draw:
    """What terms may refer to, a portfolio around which limits are set, and what is known to be wrong with it all."""

    rng: np.random.Generator
    X: np.ndarray
    y: np.ndarray | None
    unit: float
    size: float
    inside: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    budget: tuple[float, float]
    benchmark_weights: np.ndarray | None
    previous: np.ndarray | None
    sample_weight: np.ndarray | None
    expected_returns: np.ndarray | None = None
    few: bool = False
    is_feasible: bool = True
    expect: list[str] = field(default_factory=list)
    may: list[str] = field(default_factory=list)

    @property
    def n(self):
        return self.X.shape[1]

    def room(self):
        """Room that a limit leaves around the portfolio inside, as a share: at times none, at times less."""
        kind = self.rng.random()
        if kind < 0.75:
            return float(self.rng.uniform(0.01, 0.5))
        if kind < 0.88:
            return 0.0
        self.is_feasible = False
        return -float(self.rng.uniform(0.01, 0.5))

    def groups(self):
        labels = self.rng.choice(["a", "b", "c"], self.n).astype(object)
        labels[0] = "a"
        return labels

    def mean(self):
        return np.average(self.X, axis=0, weights=self.sample_weight)

    def returns(self):
        return self.mean() if self.expected_returns is None else self.expected_returns

    def of_risk(self, risk, active):
        y = self.y if active else np.zeros(len(self.X))
        return facts.OfRisk(risk, self.X, y, self.sample_weight)


# Risks.

#: Numbers of periods from which on classes are rare; with integers, of a quarter of them.
SLOW_FROM = {risks.GiniMeanDifference: 120}


def draw_risk(d, active, cls=None):
    """A risk of any class, or of one; where its own definition refuses the data, an error is due."""
    cls = _risk_class(d) if cls is None else cls
    parameters = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if name == "confidence":
            parameters[name] = float(d.rng.choice([0.5, 0.8, 0.9, 0.95, 0.99, 0.999]))
        elif name == "target" and d.rng.random() < 0.4:
            parameters[name] = float(d.unit * d.size * d.rng.choice([-1.0, 0.0, 0.1, 1.0]))
        elif name == "order":
            parameters[name] = int(d.rng.integers(1, 3))
        elif parameter.default is inspect.Parameter.empty:
            parameters[name] = float(d.unit * d.size * d.rng.choice([1e-2, 1.0, 10.0]))
    risk = cls(**parameters)
    of = d.of_risk(risk, active)
    try:
        of.value(d.inside)
    except (TypeError, ValueError) as error:
        d.expect.append(f"{type(risk).__name__}: {error}")
    return risk, of


def _risk_class(d):
    """A class of risks; rarely one that the general solver takes long for with so many periods."""
    cls = d.rng.choice(public_classes(Risk))
    periods = len(d.X) * (4 if d.few else 1)
    while periods > SLOW_FROM.get(cls, np.inf) and d.rng.random() < 0.95:
        cls = d.rng.choice(public_classes(Risk))
    return cls


# Constraints: each returns the term and its facts.


def _active_bounds(d):
    room, low = d.room(), d.inside - d.benchmark_weights
    below, above = low - d.size * (abs(room) + 0.01), low + d.size * room
    if (below > above).any():
        below = above - d.size * 0.01
    facts_ = [facts.Rows("activebounds", np.eye(d.n), d.benchmark_weights + below, d.benchmark_weights + above)]
    return limits.ActiveBounds(below, above), facts_


def _beta_bounds(d):
    b = d.y - np.average(d.y, weights=d.sample_weight)
    s = np.ones(len(b)) if d.sample_weight is None else d.sample_weight
    variance = float(s @ b**2)
    noise = np.sqrt(variance / s.sum()) / (np.abs(d.y).max() or 1.0)
    if noise < 1e-10:
        (d.expect if noise < 1e-16 else d.may).append("betas to a constant benchmark")
        return limits.BetaBounds(0.0, 1.0), [facts.Rows("betabounds", np.zeros(d.n), 0.0, 1.0)]
    betas = (s * b) @ (d.X - d.mean()) / variance
    # What the benchmark explains of a constant column is rounding.
    explained = np.abs(betas) * np.sqrt(variance / s.sum())
    betas = np.where(explained <= 2e-14 * np.abs(d.X).max(axis=0), 0.0, betas)
    at, room = float(betas @ d.inside), d.room() * (np.abs(betas).max() or 1.0) * d.size
    return limits.BetaBounds(-np.inf, at + room), [facts.Rows("betabounds", betas, -np.inf, at + room)]


def _exposure(d):
    values = d.rng.standard_normal(d.n) * d.rng.choice([1e-6, 1.0, 1e6])
    at, room = float(values @ d.inside), d.room() * np.abs(values).max() * d.size
    lower, upper = (at, at) if d.rng.random() < 0.2 else (-np.inf, at + room)
    return limits.Exposure(values, lower, upper), [facts.Rows("exposure", values, lower, upper)]


def _group_bounds(d):
    labels = d.groups()
    names = sorted(set(labels))
    A = np.array([labels == name for name in names], dtype=float)
    upper = A @ d.inside + d.room() * d.size
    return (
        limits.GroupBounds(labels, upper=dict(zip(names, upper, strict=True))),
        [facts.Rows("groupbounds", A, -np.inf, upper)],
    )


def _group_ratio(d):
    labels = d.groups()
    if "b" not in labels:
        return None
    a, b = (np.asarray(labels == name, dtype=float) for name in ("a", "b"))
    below = float(b @ d.inside)
    ratio = float(a @ d.inside) / below if below > 1e-3 * d.size else 1.0
    upper = ratio * (1 + d.room())
    if upper < 0 or a @ d.inside > upper * (b @ d.inside):
        upper, d.is_feasible = max(upper, 0.0), False
    return limits.GroupRatio(labels, "a", "b", upper=upper), [facts.Rows("groupratio", upper * b - a, 0.0, np.inf)]


def _linear(d):
    m = int(d.rng.integers(1, 4))
    A = d.rng.standard_normal((m, d.n)) * (d.rng.random((m, d.n)) < 0.5)
    at = A @ d.inside
    lower, upper = (at, at) if d.rng.random() < 0.2 else (at - d.size, at + d.room() * d.size)
    lower = np.minimum(lower, upper)
    if (upper == lower).all() and not np.any(A):
        return None
    return limits.LinearConstraint(A, lower, upper), [facts.Rows("linearconstraint", A, lower, upper)]


def _absolute(d, make, name, centre, up, down):
    fact = facts.Absolute(name, up, down, centre)
    # Leverage counts what is held: the portfolio inside has room below its value only down to the budget.
    bound = max(fact.value(d.inside) + d.room() * d.size, 0.0)
    return make(bound), [facts.Absolute(name, up, down, centre, bound)]


def _max_turnover(d):
    half = np.full(d.n, 0.5)
    return _absolute(d, limits.MaxTurnover, "maxturnover", d.previous, half, half)


def _max_active_share(d):
    half = np.full(d.n, 0.5)
    return _absolute(d, limits.MaxActiveShare, "maxactiveshare", d.benchmark_weights, half, half)


def _max_leverage(d):
    one, side = np.ones(d.n), d.rng.choice(["gross", "long", "short"])
    up, down = (one if side != "short" else 0 * one), (one if side != "long" else 0 * one)
    return _absolute(d, lambda bound: limits.MaxLeverage(**{side: bound}), "maxleverage", 0 * one, up, down)


def _min_return(d):
    mu = d.returns()
    room = d.room() * (np.abs(mu).mean() or d.unit) * d.size
    made = _trade_cost(d, 1e-2) if d.previous is not None and d.rng.random() < 0.3 else None
    net = [facts.Slope(-mu), *([] if made is None else made[1])]
    least = -sum(part.value(d.inside) for part in net) - room
    term = limits.MinReturn(least, costs=None if made is None else [made[0]])
    if made is None:
        return term, [facts.Rows("minreturn", mu, least, np.inf)]
    unit = d.size * np.abs(mu).mean() + sum(getattr(p, "unit", 0.0) * d.size for p in net[1:]) or 1.0
    return term, [facts.Limited("minreturn", net, -least, unit)]


def _risk_limit(d):
    active = d.y is not None and bool(d.rng.random() < 0.5)
    known = len(d.expect)
    risk, of = draw_risk(d, active)
    if len(d.expect) > known:
        return RiskLimit(risk, 1.0, active=active), []
    at = of.value(d.inside)
    bound = max(at + d.room() * abs(at), risk.least_value)
    return RiskLimit(risk, bound, active=active), [facts.Limited("risklimit", [of], bound, of.unit_of_limits(d.size))]


def _group_cardinality(d):
    labels = d.groups()
    held = np.abs(d.inside) > 0
    names = sorted(set(labels))
    most = {name: max(1, int((held & (labels == name)).sum())) for name in names}
    whole = [facts.Counted("groupcardinality", labels == name, 0, most[name]) for name in names]
    return limits.GroupCardinality(labels, most=most), whole


def _max_trades(d):
    if not (np.isfinite(d.lower).all() and np.isfinite(d.upper).all()):
        d.expect.append("MaxTrades without bounds")
    traded = int(np.count_nonzero(np.abs(d.inside - d.previous) > 0))
    most = max(0, traded - int(d.rng.integers(0, 2)))
    d.is_feasible = d.is_feasible and most >= traded
    return limits.MaxTrades(most), [facts.Counted("maxtrades", np.ones(d.n, dtype=bool), 0, most, centre=d.previous)]


def _conditional_budget(d):
    if (d.lower < 0).any() or not np.isfinite(d.upper).all():
        d.expect.append("ConditionalBudget with shorts or without bounds")
        return limits.ConditionalBudget(0.1, 0.5), []
    threshold = float(np.median(d.inside[d.inside > 0])) if (d.inside > 0).any() else 0.1 * d.size
    at = float(d.inside[d.inside > threshold].sum())
    bound = max(at + d.room() * d.size, 0.0)
    return limits.ConditionalBudget(threshold, bound), [facts.LargeTogether("conditionalbudget", threshold, bound)]


CONSTRAINTS = {
    limits.ActiveBounds: _active_bounds,
    limits.BetaBounds: _beta_bounds,
    limits.ConditionalBudget: _conditional_budget,
    limits.Exposure: _exposure,
    limits.GroupBounds: _group_bounds,
    limits.GroupCardinality: _group_cardinality,
    limits.GroupRatio: _group_ratio,
    limits.LinearConstraint: _linear,
    limits.MaxActiveShare: _max_active_share,
    limits.MaxLeverage: _max_leverage,
    limits.MaxTrades: _max_trades,
    limits.MaxTurnover: _max_turnover,
    limits.MinReturn: _min_return,
    limits.RiskLimit: _risk_limit,
}
DISCRETE = {limits.ConditionalBudget, limits.GroupCardinality, limits.MaxTrades}
NEEDS = {
    limits.ActiveBounds: "benchmark_weights",
    limits.MaxActiveShare: "benchmark_weights",
    limits.BetaBounds: "y",
    limits.MaxTurnover: "previous",
    limits.MaxTrades: "previous",
    costs.TransactionCost: "previous",
}


def draw_constraints(d, discrete):
    """Terms of up to three classes, and their facts."""
    number = d.rng.choice(4, p=[0.35, 0.35, 0.2, 0.1])
    able = [cls for cls in CONSTRAINTS if _has(d, cls) and (discrete or cls not in DISCRETE)]
    made = [CONSTRAINTS[cls](d) for cls in d.rng.choice(able, min(number, len(able)), replace=False)]
    made = [each for each in made if each is not None]
    return [term for term, _ in made], [fact for _, own in made for fact in own]


def _has(d, cls):
    return cls not in NEEDS or getattr(d, NEEDS[cls]) is not None


# Costs: each returns the term, its facts, and whether it is the same for all weights.


def _trade_cost(d, level):
    unit = d.unit * level
    rate = unit * d.rng.uniform(0, 1, d.n) if d.rng.random() < 0.7 else np.zeros(d.n)
    impact = unit * d.rng.uniform(0, 1, d.n) if d.rng.random() < 0.4 else np.zeros(d.n)
    exponent = float(d.rng.choice([1.5, 2.0]))
    if not rate.any() and not impact.any():
        rate = rate + unit
    own = [facts.Absolute("cost", rate, rate, d.previous)] if rate.any() else []
    own += [facts.Power(impact, d.previous, exponent)] if impact.any() else []
    return costs.TransactionCost(rate, impact, exponent), own


def _transaction(d, level):
    return *_trade_cost(d, level), False


def _fee(d, level):
    fee = d.unit * level * (d.rng.uniform(-1, 1, d.n) if d.rng.random() < 0.8 else np.ones(d.n))
    constant = d.budget[0] == d.budget[1] and np.ptp(fee) <= 1e-12 * np.abs(fee).max()
    return costs.ManagementFee(fee), [facts.Slope(fee)], constant


def _l1(d, level):
    c, one = float(d.unit * level), np.ones(d.n)
    sides = np.where(d.lower >= 0, 1.0, np.where(d.upper <= 0, -1.0, np.nan))
    constant = d.budget[0] == d.budget[1] and bool(np.all(sides == sides[0]))
    return costs.L1(c), [facts.Absolute("l1", c * one, c * one, 0 * one)], constant


def _l2(d, level):
    c = float(d.unit * level)
    return costs.L2(c), [facts.Power(np.full(d.n, c), np.zeros(d.n), 2.0)], False


@dataclass(frozen=True)
class _Largest:
    """The largest weight, at a price: an expression of a user's own."""

    price: float

    def __call__(self, w):
        return self.price * cp.max(w)

    def value(self, w):
        return self.price * float(w.max())

    def expression(self, u, size):
        return self(u)


def _custom(d, level):
    largest = _Largest(float(d.unit * level))
    return costs.CustomCost(largest), [largest], False


COSTS = {
    costs.CustomCost: _custom,
    costs.L1: _l1,
    costs.L2: _l2,
    costs.ManagementFee: _fee,
    costs.TransactionCost: _transaction,
}


def draw_costs(d, *, constants_count):
    """Terms of up to two classes, and their facts; where one is without effect, an error is due."""
    number = d.rng.choice(3, p=[0.7, 0.22, 0.08])
    rare = {costs.CustomCost: 0.4, costs.L1: 1.0 if (d.lower < 0).any() or d.budget[0] < d.budget[1] else 0.1}
    able = [cls for cls in COSTS if _has(d, cls) and d.rng.random() < rare.get(cls, 1.0)]
    terms, own = [], []
    for cls in d.rng.choice(able, min(number, len(able)), replace=False):
        term, parts, constant = COSTS[cls](d, float(10.0 ** d.rng.integers(-3, 2)))
        if constant and not constants_count:
            d.expect.append(f"{cls.__name__} without effect")
        terms, own = [*terms, term], own + parts
    return terms, own


# Objectives.


def _utility(d, active):
    return objectives.MaxUtility(float(10.0 ** d.rng.integers(-2, 3)))


def _ratio(d, active):
    if active:
        return objectives.MaxRatio(active=True)
    return objectives.MaxRatio(float(d.unit * d.size * d.rng.choice([0.0, 0.0, 0.01, -0.01])))


OBJECTIVES = {
    objectives.MinRisk: lambda d, active: objectives.MinRisk(),
    objectives.MaxReturn: lambda d, active: objectives.MaxReturn(),
    objectives.MaxUtility: _utility,
    objectives.MaxRatio: _ratio,
}

#: Classes without a recipe: none may be left out.
MISSING = [
    cls
    for base, recipes in ((Constraint, CONSTRAINTS), (Cost, COSTS), (Objective, OBJECTIVES))
    for cls in public_classes(base)
    if cls not in recipes
]
RISKS = [name for name in risks.__all__ if name != "Risk"]
