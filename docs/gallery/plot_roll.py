"""
Excess return at the least tracking error: Roll's critique
==========================================================

A manager who is asked for an excess return, and judged by the tracking error, holds a portfolio that no investor would
choose. Roll (1992) showed why: of all portfolios with that return, the one of least tracking error is not the one of
least risk, and where the index earns more than the portfolio of least variance, its beta is above 1. Limits on beta, or
on the volatility itself (Jorion 2003), mend that. The index here holds the twenty stocks in equal parts.
"""

import matplotlib.pyplot as plt
import numpy as np

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import BetaBounds, MinReturn
from trackfolio.datasets import load_sp500
from trackfolio.risks import StandardDeviation

X = load_sp500(start="2014", return_X_y=True)[0]
index = X.mean(axis=1)
setting = {"benchmark_weights": dict.fromkeys(X.columns, 1 / 20)}

# %%
# Four percent a year
# -------------------
# A limit on beta takes most of the additional volatility away, for little more tracking error.

four_percent = MinReturn(0.04 / 252, active=True)
limits = {
    "excess return of 4 %": [four_percent],
    "beta of at most 1": [four_percent, BetaBounds(upper=1)],
    "volatility of the index": [four_percent, StandardDeviation() <= index.std()],
}
print("a year                   tracking error  beta  volatility")
print(f"{'index':<25}{0:>14.2%}{1:>6.2f}{index.std() * 252**0.5:>12.2%}")
for name, constraints in limits.items():
    p = MinTrackingError(StandardDeviation(), constraints=constraints, **setting).fit(X).predict(X)
    error, volatility = p.tracking_error(annualised=True), p.volatility(annualised=True)
    print(f"{name:<25}{error:>14.2%}{p.beta():>6.2f}{volatility:>12.2%}")

# %%
# From the index upwards
# ----------------------
# The dashed line is what could be reached if nobody asked for the tracking error at all. The line of least tracking
# error starts at the index and comes nearer to the dashed one but slowly; with a limit on beta, much sooner.

tracker = MinTrackingError(StandardDeviation(), **setting)
curves = {
    "least tracking error": (tracker, [], "#D55E00", "-"),
    "the same, beta at most 1": (tracker, [BetaBounds(upper=1)], "#0072B2", "-"),
    "least volatility": (MeanRisk(StandardDeviation(), **setting), [], "#7a7a7a", "--"),
}
excess = np.linspace(0, 0.1, 11)

ax = plt.subplots(layout="constrained")[1]
for name, (model, further, color, style) in curves.items():
    found = []
    for goal in excess:
        model.set_params(constraints=[MinReturn(goal / 252, active=True), *further])
        portfolio = model.fit(X).predict(X)
        found.append([portfolio.volatility(annualised=True), portfolio.mean_return(annualised=True)])
    volatility, mean = 100 * np.array(found).T
    ax.plot(volatility, mean, style, color=color, label=name)
    if model is tracker:
        ax.plot(volatility[::2], mean[::2], "o", markersize=4, color=color)
ax.plot(100 * index.std() * 252**0.5, 100 * index.mean() * 252, "D", color="black", label="index of equal weights")
ax.set(xlabel="volatility, % a year", ylabel="mean return, % a year")
ax.set_title("In sample, 2014 to 2022; a dot for each 2 % of excess")
_ = ax.legend(loc="lower right", frameon=False)
