"""Returns of all kinds that markets and mistakes make, drawn from a generator."""

from dataclasses import dataclass, field

import numpy as np

SCALES = (1e-12, 1e-6, 1e-4, 1.0, 1e4, 1e12)


@dataclass
class Market:
    """Returns of assets and benchmark, what was done to them, and what makes them no data at all."""

    X: np.ndarray
    y: np.ndarray
    size: float
    notes: list[str] = field(default_factory=list)
    flaw: str | None = None


def draw_market(rng, n_assets, n_periods):
    """Returns with a common factor; then, by chance, what is degenerate about them."""
    freedom = rng.choice([1.5, 3.0, 8.0, np.inf], p=[0.15, 0.45, 0.3, 0.1])
    size = float(rng.choice(SCALES)) if rng.random() < 0.2 else 0.01

    def noise(*shape):
        return rng.standard_normal(shape) if np.isinf(freedom) else rng.standard_t(freedom, shape)

    X = size * (noise(n_periods, 1) * rng.uniform(0.3, 1.5, n_assets) + noise(n_periods, n_assets))
    X += size * rng.normal(0.03, 0.05, n_assets)
    market = Market(X, _benchmark(rng, X, size), size, [f"t({freedom:g})"])
    if size != 0.01:
        market.notes.append(f"returns of size {size:g}")
    for _ in range(rng.choice(3, p=[0.55, 0.3, 0.15])):
        _spoil(rng, market)
    if rng.random() < 0.03:
        _break(rng, market)
    return market


def _benchmark(rng, X, size):
    n_periods, n_assets = X.shape
    kind = rng.choice(["noisy", "exact", "asset", "apart", "constant", "zero"], p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
    if kind == "asset":
        return X[:, rng.integers(n_assets)].copy()
    if kind == "apart":
        return size * rng.standard_t(4, n_periods)
    if kind in ("constant", "zero"):
        return np.full(n_periods, 0.1 * size if kind == "constant" else 0.0)
    y = X @ rng.dirichlet(np.ones(n_assets))
    return y + 0.1 * size * rng.standard_normal(n_periods) if kind == "noisy" else y


def _spoil(rng, market):
    """Make some of the data degenerate: all of it is legal."""
    X, y, size = market.X, market.y, market.size
    n_periods, n_assets = X.shape
    some = rng.choice(n_assets, rng.integers(1, n_assets + 1), replace=False)
    other = X[:, rng.integers(n_assets)].copy()
    kind = rng.choice(SPOILT)
    if kind == "constant columns":
        X[:, some] = size * rng.standard_normal()
    elif kind == "zero columns":
        X[:, some] = 0.0
    elif kind == "equal columns":
        X[:, some] = other[:, None]
    elif kind == "near-collinear columns":
        X[:, some] = other[:, None] + 10.0 ** rng.integers(-12, -5) * size * rng.standard_normal((n_periods, len(some)))
    elif kind == "constant rows":
        X[:] = X[0]
        y[:] = y[0]
    elif kind == "all zero":
        X[:], y[:] = 0.0, 0.0
    elif kind == "columns of other units":
        X[:, some] *= 10.0 ** rng.integers(-8, 7)
    elif kind == "one row far out":
        X[rng.integers(n_periods)] *= 1e3
    elif kind == "repeated rows":
        few = rng.integers(n_periods, size=max(1, n_periods // 10))
        rows = rng.choice(few, n_periods)
        X[:], y[:] = X[rows], y[rows]
    elif kind == "no losses":
        X[:] = np.abs(X)
    elif kind == "no gains":
        X[:] = -np.abs(X)
    elif kind == "a large mean":
        X += 1e4 * size
        y += 1e4 * size
    market.notes.append(str(kind))


SPOILT = (
    "constant columns", "zero columns", "equal columns", "near-collinear columns", "constant rows", "all zero",
    "columns of other units", "one row far out", "repeated rows", "no losses", "no gains", "a large mean",
)  # fmt: skip


def _break(rng, market):
    """Put in a number that is none: an error is due."""
    value = rng.choice([np.nan, np.inf, -np.inf])
    where = rng.choice(["X", "y"])
    array = market.X if where == "X" else market.y
    array.reshape(-1)[rng.integers(array.size)] = value
    market.flaw = f"{value} in {where}"
