"""
How often to rebalance
======================

To trade often costs; to trade seldom lets weights drift and estimates age. Both show in a backtest net of costs, for
calendars from two weeks to a year, with and without costs that the optimiser minds (:doc:`/backtests`).
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from trackfolio import MinTrackingError
from trackfolio.costs import TransactionCost
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import WalkForward, backtest

X, y = load_sp500(start="2016", return_X_y=True)
RATE = 0.002  # of what is traded
calendars = {"fortnightly": ("2W-FRI", 10), "monthly": ("ME", 21), "quarterly": ("QE", 63), "yearly": ("YE", 252)}

rows = {}
for name, (freq, days) in calendars.items():
    models = {
        "blind to costs": MinTrackingError(),
        "minds costs": MinTrackingError(costs=[TransactionCost(RATE, holding_period=days)]),
    }
    cv = WalkForward("365D", freq=freq)
    for how, test in backtest(models, X, y, cv=cv, transaction_costs=RATE, progress=False).items():
        later = test.costs.iloc[1:]
        rows[how, name] = {
            "tracking error": 100 * test.net.tracking_error(annualised=True),
            "turnover": 100 * test.turnover.iloc[1:].sum() * 252 / len(test.net),
            "costs": 1e4 * later.sum() * 252 / len(test.net),
        }
table = pd.DataFrame(rows).T
print("a year: tracking error and turnover in %, costs in bp")
print(table.round(2).to_string())

# %%
# The more seldom the trades, the lower are the costs, and the larger is the tracking error. An optimiser that minds
# costs trades less, most of all where the next trade is near, and its tracking error is hardly another.

figure, (costs, error) = plt.subplots(2, 1, sharex=True, layout="constrained")
place = np.arange(len(calendars))
for how, offset, color in (("blind to costs", -0.2, "#E69F00"), ("minds costs", 0.2, "#0072B2")):
    part = table.loc[how]
    costs.bar(place + offset, part["costs"], width=0.4, color=color, label=how)
    error.plot(place, part["tracking error"], "o-" if offset > 0 else "s--", color=color, label=how)
costs.set(title="Costs, basis points a year", ylabel="basis points")
error.set(title="Tracking error net of costs, out of sample", ylabel="% a year", xticks=place)
error.set_xticklabels(calendars)
_ = costs.legend(frameon=False)
