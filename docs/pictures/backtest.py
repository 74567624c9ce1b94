"""Three portfolios rebalanced each month, net of costs, against the index; and what each of them trades."""

import matplotlib.pyplot as plt
import numpy as np

from trackfolio import EqualWeighted, MinTrackingError
from trackfolio.constraints import MaxTurnover
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import WalkForward, backtest

X, y = load_sp500(start="2014", return_X_y=True)
models = {
    "equal weights": EqualWeighted(),
    "tracker": MinTrackingError(),
    "tracker, turnover of at most 3 %": MinTrackingError(constraints=[MaxTurnover(0.03)]),
}
monthly = WalkForward("365D", freq="ME")
tests = backtest(models, X, y, cv=monthly, transaction_costs=0.002, progress=False)

colors, styles = ["#8c8c8c", "#4c72b0", "#dd8452"], [":", "-", "--"]
figure = plt.figure(figsize=(8, 6.4))
axes = figure.subplot_mosaic([["active"], ["traded"]], height_ratios=[3, 2], sharex=True)
for (name, test), color, style in zip(tests.items(), colors, styles, strict=True):
    error = 100 * test.net.tracking_error(annualised=True)
    label = f"{name}: tracking error {error:.1f} % a year"
    axes["active"].plot(100 * test.net.active_returns.cumsum(), style, color=color, label=label)
    # Without the first trade, which buys all.
    traded = 100 * test.turnover.iloc[1:].cumsum()
    axes["traded"].step(traded.index, traded, style, color=color, where="post")
    paid = 100 * test.costs.iloc[1:].sum()
    axes["traded"].annotate(f" costs {paid:.1f} %", (traded.index[-1], traded.iloc[-1]), color=color, va="center")
axes["active"].set(ylabel="cumulative active return, %")
axes["active"].axhline(0, color="black", linewidth=0.6)
axes["active"].set_title("Net of costs of 0.2 % of what is traded, against the S&P 500")
axes["active"].legend(loc="upper left")
axes["traded"].set(ylabel="turnover so far, %", ylim=(0, None))
axes["traded"].margins(x=0.01)
axes["traded"].set_xlim(right=np.datetime64("2024-02-01"))
