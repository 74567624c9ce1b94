"""
What 130/30 adds to a long-only mandate
=======================================

A long-only manager can underweight a small stock only by what little the index holds of it. Shorts of 30 %, which pay
for longs of 130 %, free the forecasts from that. How much they add at the same tracking error is a frontier
(Clarke, de Silva & Thorley 2002 call the share of a forecast that arrives in the portfolio the transfer coefficient).
"""

import matplotlib.pyplot as plt
import numpy as np

from trackfolio import MeanRisk
from trackfolio.constraints import MaxLeverage, RiskLimit
from trackfolio.datasets import make_index_market
from trackfolio.display import ActiveWeightsDisplay
from trackfolio.objectives import MaxReturn
from trackfolio.risks import StandardDeviation

market = make_index_market(n_assets=40, n_periods=500, random_state=4)
volatility = market.X.std()
rng = np.random.default_rng(0)
# Forecasts of the return in excess of the index, small against the volatility of the stocks.
alpha = 0.005 * volatility * rng.standard_normal(40)
alpha -= alpha @ market.weights

# %%
# Three mandates over a range of tracking errors. The objective is the expected excess return; the tracking error is
# limited ex ante.

mandates = {
    "long-only": {},
    "130/30": {"min_weights": -0.3, "constraints": [MaxLeverage(long=1.3, short=0.3)]},
    "no limit on shorts": {"min_weights": -1.0},
}
errors = np.linspace(0.01, 0.08, 8)  # a year
fitted = {}
for name, mandate in mandates.items():
    for error in errors:
        near = RiskLimit(StandardDeviation(), error / 252**0.5, active=True)
        setting = mandate | {"constraints": [*mandate.get("constraints", []), near]}
        model = MeanRisk(objective=MaxReturn(), expected_returns=alpha, benchmark_weights=market.weights, **setting)
        fitted[name, error] = model.fit(market.X)

excess = {name: [252 * float(alpha @ fitted[name, error].weights_) for error in errors] for name in mandates}
for name, values in excess.items():
    at_three = np.interp(0.03, errors, values)
    ratios = [value / error for value, error in zip(values, errors, strict=True)]
    print(f"{name:<19}expected excess {at_three:.2%} a year at 3 %, ratio from {ratios[0]:.2f} to {ratios[-1]:.2f}")

# %%
# Without limits the curve is a line: twice the tracking error, twice the excess return. Long-only, the ratio of the two
# falls from the start; 130/30 keeps to the line until the shorts are used up.

ax = plt.subplots(layout="constrained")[1]
colors = ["#D55E00", "#0072B2", "#7a7a7a"]
for (name, values), color, style in zip(excess.items(), colors, ["-", "-", "--"], strict=True):
    ax.plot(100 * errors, 100 * np.array(values), style, color=color, marker="o", markersize=4, label=name)
ax.set(xlabel="tracking error, % a year", ylabel="expected excess return, % a year", ylim=(0, None))
ax.set_title("The same forecasts, three mandates")
_ = ax.legend(frameon=False)

# %%
# Active weights at a tracking error of 3 %: long-only, no underweight is larger than the weight in the index.

at_three = errors[np.abs(errors - 0.03).argmin()]
portfolios = {name: fitted[name, at_three].predict(market.X) for name in ("long-only", "130/30")}
display = ActiveWeightsDisplay.from_predictions(None, portfolios, n=7)
