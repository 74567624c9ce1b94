"""
From weights to whole shares
============================

A private account cannot hold 3.7 shares. ``to_shares`` finds the whole shares that are nearest to the weights, and says
what rounding leaves in cash and costs in tracking error. How large must an account be for that not to matter?
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500

data = load_sp500(start="2021-12", end="2022")
prices = data.prices.iloc[-1]
X, y = load_sp500(start="2021-12", end="2022", return_X_y=True)
target = MinTrackingError(max_weights=0.1).fit(X, y).predict(X)

shares = target.to_shares(prices, 20_000)
print(shares)
print(shares.table.round(4).head(6).to_string())

# %%
# From a thousand to a million
# ----------------------------
# For each amount: the share of it that is in another place than it should be, and the tracking error against the
# targets that follows.

amounts = np.geomspace(1e3, 1e6, 25)
found = [target.to_shares(prices, amount) for amount in amounts]
table = pd.DataFrame(
    {
        "distance": [100 * each.distance for each in found],
        "cash": [100 * each.cash / each.value for each in found],
        "tracking error": [100 * 252**0.5 * each.active_returns.std() for each in found],
    },
    amounts,
)
print(table.iloc[::6].round(3).rename_axis("amount").rename(index="{:,.0f}".format).to_string())

enough = table.index[table["tracking error"] < 0.1][0]
own = 100 * target.relative_to(y).tracking_error(annualised=True)
print(f"\nbelow 0.1 % a year from {enough:,.0f}; the tracking error of the targets themselves is {own:.1f} %")

# %%
# Both fall in proportion to the amount. The thin line is the tracking error of the targets against the index: next to
# it, rounding is soon nothing.

ax = plt.subplots(layout="constrained")[1]
ax.loglog(table.index, table["distance"], "--", color="#E69F00", label="not where it should be")
ax.loglog(table.index, table["tracking error"], "o-", markersize=3, color="#0072B2", label="tracking error, a year")
ax.axhline(own, color="#7a7a7a", linewidth=0.8)
ax.text(1e6, own, "targets against the index", color="#555555", ha="right", va="bottom")
ax.set(xlabel="amount invested, dollars", ylabel="%", title="What rounding to whole shares costs")
ax.xaxis.set_major_formatter("{x:,.0f}")
ax.yaxis.set_major_formatter("{x:g}")
_ = ax.legend(frameon=False, loc="lower left")
