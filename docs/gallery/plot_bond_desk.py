"""
A bond index with the bonds that trade
======================================

A bond desk has no long history of returns: bonds come and mature. It has a covariance from a model, the weights of the
index, and durations. With ``covariance="precomputed"`` the covariance matrix takes the place of the returns. The bonds
here are made up: moves of the yield curve at four maturities, spreads by rating, and a part of each bond's own.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from trackfolio import MinTrackingError
from trackfolio.constraints import Exposure, GroupBounds
from trackfolio.metrics import ex_ante_tracking_error
from trackfolio.risks import StandardDeviation

rng = np.random.default_rng(7)
n, nodes = 80, np.array([2.0, 5.0, 10.0, 30.0])  # bonds, and the maturities at which the curve moves
names = [f"B{i:02d}" for i in range(1, n + 1)]
maturity = np.round(np.exp(rng.uniform(np.log(1.5), np.log(30), n)), 1)
duration = pd.Series((1 - np.exp(-0.04 * maturity)) / 0.04, names)
rating = pd.Series(rng.choice(["AA", "A", "BBB"], n, p=[0.3, 0.4, 0.3]), names)
issued = pd.Series(np.exp(rng.normal(0, 0.8, n)), names)
index = issued / issued.sum()

# Sensitivity to each node: the duration, shared by the nodes next to the bond's maturity.
shares = np.array([np.interp(maturity, nodes, unit) for unit in np.eye(4)]).T
key_rates = pd.DataFrame(shares * duration.to_numpy()[:, None], names, [f"{node:.0f} years" for node in nodes])
spread = pd.get_dummies(rating).astype(float).mul(duration, axis=0)

bp = 1e-4  # moves a day
curve = 5 * bp * 5 * bp * np.exp(-np.abs(np.subtract.outer(np.log(nodes), np.log(nodes))) / 2)
spreads = np.outer([2, 1, 4], [2, 1, 4]) * bp**2 * (0.8 + 0.2 * np.eye(3))  # of A, AA, BBB
own = (1.5 * bp * duration) ** 2
Sigma = key_rates.to_numpy() @ curve @ key_rates.to_numpy().T + spread.to_numpy() @ spreads @ spread.to_numpy().T
Sigma = pd.DataFrame(Sigma + np.diag(own), names, names)

# %%
# Fifteen bonds, durations matched
# --------------------------------
# Only the largest bonds trade. The duration is to be that of the index exactly, each rating within two percent of it;
# what does not trade has an upper bound of 0. Beside it, what a desk would hold without an optimiser: the same bonds in
# proportion to the index.

limits = [Exposure(duration, 0, 0, active=True), GroupBounds(rating, -0.02, 0.02, active=True)]


def trading(n_bonds):
    """The weights of the index for the largest bonds, 0 for others."""
    return index.where(index.rank(ascending=False) <= n_bonds, 0.0)


def nearest(n_bonds, limits):
    """The least ex-ante tracking error with the largest bonds alone."""
    closed = {name: 0.0 for name, weight in trading(n_bonds).items() if weight == 0}
    model = MinTrackingError(
        StandardDeviation("precomputed"), benchmark_weights=index, max_weights=closed, constraints=limits
    )
    return pd.Series(model.fit(Sigma).weights_, names)


def error(w):
    """Ex-ante tracking error, % a year."""
    return 100 * ex_ante_tracking_error(index, w, Sigma, periods_per_year=252)


in_proportion = trading(15) / trading(15).sum()
portfolios = {"in proportion": in_proportion, "nearest": nearest(15, limits)}
print(f"{'':<14}tracking error, % a year   duration   BBB")
for name, w in {"index": index, **portfolios}.items():
    print(f"{name:<14}{error(w):>24.2f}{duration @ w:>11.2f}{w[rating == 'BBB'].sum():>6.0%}")

# %%
# Where the curve can move
# ------------------------
# Only the duration as a whole was asked for. The covariance does the rest: it knows that two maturities do not move
# alike, so that the sensitivity to each of them comes near to that of the index.

active = pd.DataFrame({name: key_rates.T @ (w - index) for name, w in portfolios.items()})
ax = plt.subplots(layout="constrained")[1]
place = np.arange(len(nodes))
for offset, name, color in ((-0.2, "in proportion", "#E69F00"), (0.2, "nearest", "#0072B2")):
    ax.bar(place + offset, active[name], width=0.4, color=color, label=name)
ax.axhline(0, color="black", linewidth=0.8)
ax.set(title="Key-rate durations minus the index's", ylabel="years", xlabel="maturity of the rate")
ax.set_xticks(place, active.index)
_ = ax.legend(frameon=False, title="15 bonds", alignment="left")

# %%
# How many bonds must trade
# -------------------------
# The limits cost a few basis points with few bonds, and nothing with many: they ask for what the covariance wants in
# any case.

numbers = range(10, n + 1, 5)
curves = {
    "in proportion": [error(trading(k) / trading(k).sum()) for k in numbers],
    "nearest, within the limits": [error(nearest(k, limits)) for k in numbers],
    "nearest, without limits": [error(nearest(k, None)) for k in numbers],
}
table = pd.DataFrame(curves, index=pd.Index(numbers, name="bonds"))
print(table.loc[[10, 20, 40, 80]].round(3).abs().to_string())

ax = plt.subplots(layout="constrained")[1]
for (name, values), color, style in zip(
    curves.items(), ["#E69F00", "#0072B2", "#000000"], ["--", "-", ":"], strict=True
):
    ax.plot(numbers, values, style, color=color, label=name)
ax.set(xlabel="bonds that trade, of 80", ylabel="tracking error, % a year", ylim=(0, None))
ax.set_title("Ex-ante tracking error")
_ = ax.legend(frameon=False)
