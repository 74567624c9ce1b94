"""
A limit or a penalty on the tracking error
==========================================

A limit fixes how far a portfolio may be from its index, whatever that costs; a penalty fixes the price of distance,
whatever distance that leads to. On one set of days the two give the same portfolios. Over time they do not: markets
change, and what was fixed tells which of the two then moves.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from trackfolio import MeanRisk
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import WalkForward, backtest
from trackfolio.risks import CVaR

LIMIT = 0.004  # a day
X, y = load_sp500(start="2014", return_X_y=True)
X_train, y_train = X.loc[:"2019"], y.loc[:"2019"]

# %%
# The same on one set of days
# ---------------------------
# With the multiplier :math:`\nu` of the limit :math:`\delta`, the penalty is :math:`\lambda = \nu / 2\delta`.

limited = MeanRisk(CVaR(0.95), max_tracking_error=LIMIT).fit(X_train, y_train)
price = limited.solution_.multipliers["max_tracking_error"] / (2 * LIMIT)
penalised = MeanRisk(CVaR(0.95), tracking_penalty=price).fit(X_train, y_train)
print(f"penalty {price:.1f}; largest difference of a weight {np.abs(limited.weights_ - penalised.weights_).max():.0e}")

# %%
# Not the same over time
# ----------------------
# Each quarter, both are fitted on the year before.

quarterly = WalkForward("365D", freq="QE")
models = {"limit": MeanRisk(CVaR(0.95), max_tracking_error=LIMIT), "penalty": penalised}
tests = backtest(models, X, y, cv=quarterly, progress=False, return_estimator=True)
rows = {}
for name, test in tests.items():
    for date, estimator in zip(test.rebalances.index, test.estimators, strict=True):
        year = X.index[X.index < date][-252:]
        p = estimator.predict(X.loc[year]).relative_to(y.loc[year])
        # What one basis point more of RMSE would take off the CVaR; of a penalty, its slope.
        slope = 2 * price * p.tracking_rmse()
        cost = slope if name == "penalty" else estimator.solution_.multipliers["max_tracking_error"]
        rows[name, date] = {"RMSE": 100 * p.tracking_rmse(), "price": cost}
history = pd.DataFrame(rows).T
for name, test in tests.items():
    lowest, highest = history.loc[name].min(), history.loc[name].max()
    print(
        f"{name:<8} RMSE from {lowest['RMSE']:.2f} to {highest['RMSE']:.2f} % a day, price from "
        f"{lowest['price']:.2f} to {highest['price']:.2f}; RMSE out of sample {test.net.tracking_rmse():.2%}"
    )

# %%
# Price is what one basis point more of RMSE would take off the CVaR. In 2020 days were wild: to stay within the limit
# became dear, while the penalty let the portfolio move away.

figure, (distance, cost) = plt.subplots(2, 1, sharex=True, layout="constrained")
for name, color, style in (("limit", "#0072B2", "-"), ("penalty", "#E69F00", "--")):
    rows = history.loc[name]
    distance.step(rows.index, rows["RMSE"], style, where="post", color=color, label=name)
    cost.step(rows.index, rows["price"], style, where="post", color=color)
distance.set(title="Distance: tracking RMSE of the year before", ylabel="% a day", ylim=(0, None))
cost.set(title="Price of distance", ylabel="bp of CVaR per bp", ylim=(0, None))
_ = distance.legend(frameon=False)
