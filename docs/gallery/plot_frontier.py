"""
What nearness to the index costs
================================

The more tracking error is allowed, the less CVaR there is to bear. :func:`~trackfolio.model_selection.frontier` fits an
estimator for many limits, and prepares data and matrices once.
"""

import matplotlib.pyplot as plt
import numpy as np

from trackfolio import MeanRisk
from trackfolio.datasets import load_sp500
from trackfolio.display import FrontierDisplay
from trackfolio.model_selection import frontier
from trackfolio.risks import CVaR

X, y = load_sp500(start="2014", end="2019", return_X_y=True)
model = MeanRisk(CVaR(0.95))

found = frontier(model, X, y, values=24, progress=False)
print((100 * found.table[["tracking RMSE", "risk", "mean return"]].iloc[::5]).round(3).to_string(index=False))

# %%
# Straight below each dot are its weights. Areas that change slowly promise little turnover between neighbours.

_ = FrontierDisplay.from_frontier(found)

# %%
# The multiplier is the slope
# ---------------------------
# The curve is convex, and the multiplier of ``max_tracking_error`` is its slope with the sign turned: what one basis
# point more of tracking RMSE takes off the CVaR, in basis points. At the least RMSE the slope is infinite; it ends at
# 0, where the limit no longer binds.

least, loose = found.values[[0, -1]]
limits = least + (loose - least) * np.linspace(0.02, 1, 30) ** 2  # denser where the curve is steep
table = frontier(model, X, y, values=np.append(limits, 0.003), progress=False).table.sort_index()
here = table.loc[0.003]
print(f"At 0.3 % a day, one basis point more takes {here['multiplier']:.2f} basis points off the CVaR.")

figure, (curve, slope) = plt.subplots(2, 1, sharex=True, height_ratios=[3, 2], layout="constrained")
curve.plot(100 * table.index, 100 * table["risk"], color="#0072B2", label="least CVaR")
step = np.linspace(-0.0005, 0.001, 2)
curve.plot(
    100 * (0.003 + step), 100 * (here["risk"] - here["multiplier"] * step), "--", color="#D55E00", label="tangent"
)
curve.plot(0.3, 100 * here["risk"], "o", color="#D55E00")
curve.set(title="The least CVaR for each limit, and its slope", ylabel="CVaR 95 %, % a day")
curve.legend(frameon=False)
slope.plot(100 * table.index, table["multiplier"], color="#0072B2")
slope.plot(0.3, here["multiplier"], "o", color="#D55E00")
slope.set(xlabel="limit on the tracking RMSE, % a day", ylabel="multiplier", ylim=(0, 6))
for ax in (curve, slope):
    ax.axvline(100 * least, color="#9a9a9a", linewidth=0.8)
_ = slope.text(100 * least, 0.4, " least RMSE in reach", color="#666666")
