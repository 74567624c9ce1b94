"""CVaR against the tracking error that is allowed."""

import matplotlib.pyplot as plt

from trackfolio import MeanRisk
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import frontier
from trackfolio.risks import CVaR

X, y = load_sp500(start="2021-01-01", return_X_y=True)
found = frontier(MeanRisk(CVaR(0.95)), X, y, values=21, progress=False)
risk, price = 100 * found.table["risk"], found.table["multiplier"]

figure, axes = plt.subplots(figsize=(8, 4))
axes.plot(100 * found.values, risk, color="#4c72b0", marker="o", markersize=3, label="least CVaR")
here = 5
at, width = 100 * found.values[here], 0.12
axes.plot(
    [at - width, at + width],
    [risk.iloc[here] + width * price.iloc[here], risk.iloc[here] - width * price.iloc[here]],
    color="#c44e52",
    linewidth=2,
    label=f"slope: the multiplier, -{price.iloc[here]:.1f}",
)
axes.set(xlabel="tracking RMSE, % a day", ylabel="CVaR 95 %, % a day", title="What nearness to the index costs")
axes.legend()
axes.spines[["top", "right"]].set_visible(False)
