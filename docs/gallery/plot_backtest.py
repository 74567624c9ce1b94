"""
A backtest net of costs
=======================

Weights are decided at each month's end on the year before, held for a month, drift, and pay for what is traded
(:doc:`/backtests`). Equal weights optimise nothing: a tracker should beat them.
"""

import matplotlib.pyplot as plt

from trackfolio import EqualWeighted, MinTrackingError
from trackfolio.constraints import MaxTurnover
from trackfolio.datasets import load_sp500
from trackfolio.display import WeightsDisplay
from trackfolio.model_selection import WalkForward, backtest

X, y = load_sp500(start="2014", return_X_y=True)
models = {
    "equal weights": EqualWeighted(),
    "tracker": MinTrackingError(),
    "tracker, turnover <= 3 %": MinTrackingError(constraints=[MaxTurnover(0.03)]),
}
monthly = WalkForward("365D", freq="ME")
tests = backtest(models, X, y, cv=monthly, transaction_costs=0.002, progress=False)
table = tests.compare(["tracking error", "tracking difference", "beta"], annualised=True)
print(table.round(4).to_string())

# %%
# The limit on turnover
# ---------------------
# It takes more than half of the trades away, and hardly costs tracking error. The first trade, which buys all, is left
# out.

figure, (active, traded) = plt.subplots(2, 1, sharex=True, height_ratios=[3, 2], layout="constrained")
colors, styles = ["#7a7a7a", "#0072B2", "#E69F00"], [":", "-", "--"]
for (name, test), color, style in zip(tests.items(), colors, styles, strict=True):
    active.plot(100 * test.net.active_returns.cumsum(), style, color=color, label=name)
    so_far = 100 * test.turnover.iloc[1:].cumsum()
    traded.step(so_far.index, so_far, style, color=color, where="post")
    paid = 100 * test.costs.iloc[1:].sum()
    print(f"{name:<26}turnover {so_far.iloc[-1]:4.0f} %, paid for it {paid:.1f} % in {len(so_far)} months")
active.axhline(0, color="black", linewidth=0.6)
active.set(title="Cumulative active return, net of 0.2 % of trades", ylabel="active return, %")
active.legend(frameon=False)
_ = traded.set(ylabel="turnover so far, %", ylim=(0, None))

# %%
# What was held
# -------------
# The same colours in both panels, the largest names on their own. Without the limit the portfolio follows each
# estimate; with it the weights move slowly. Fast moves in 2020 are drift as much as trades.

# sphinx_gallery_thumbnail_number = 2
trackers = {name: test for name, test in tests.items() if "tracker" in name}
_ = WeightsDisplay.from_predictions(None, trackers, n=8)
