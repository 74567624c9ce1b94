"""
What a covariance promises, and what it keeps
=============================================

The ex-ante tracking error of an optimised portfolio is too low: the optimiser looks for what the sample happens to say.
In a synthetic market the true covariance is known, so that promise and truth can be compared, for estimators of
scikit-learn and for more and more days.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.covariance import OAS, LedoitWolf
from sklearn.decomposition import FactorAnalysis

from trackfolio import MinTrackingError
from trackfolio.datasets import make_index_market
from trackfolio.metrics import ex_ante_tracking_error
from trackfolio.risks import StandardDeviation

market = make_index_market(n_assets=60, n_periods=1000, n_factors=5, random_state=0)
candidates = list(market.X.columns[:40])  # of 60 stocks in the index, 40 can be bought
held_out = market.X.columns[40:]
covariances = {"sample": None, "Ledoit-Wolf": LedoitWolf(), "OAS": OAS(), "five factors": FactorAnalysis(5)}
days = [60, 90, 125, 250, 500, 1000]

# %%
# The index is given by its weights, and what cannot be bought is bounded by 0. Promised is the tracking error by the
# estimate, kept is that by the true covariance; both a year.

bounds = dict.fromkeys(held_out, 0.0)
rows = {}
for name, covariance in covariances.items():
    for n in days:
        model = MinTrackingError(
            StandardDeviation(covariance), benchmark_weights=market.weights, max_weights=bounds
        ).fit(market.X.iloc[-n:])
        truth = ex_ante_tracking_error(market.weights, model.weights_, market.covariance)
        rows[name, n] = {"promised": model.solution_.objective, "kept": truth}
table = 100 * 252**0.5 * pd.DataFrame(rows).T
print(table.round(2).to_string())
best = MinTrackingError(StandardDeviation("precomputed"), benchmark_weights=market.weights, max_weights=bounds).fit(
    market.covariance
)
least = 100 * 252**0.5 * best.solution_.objective
few = table.loc["sample", days[0]]
print(f"\nthe sample of {days[0]} days keeps {few['kept'] / few['promised']:.1f} times what it promises")
print(f"with the true covariance: {least:.2f} % a year")

# %%
# Dashed lines are promises, solid ones the truth; the grey line is what the true covariance would reach. The sample
# promises too much with few days, and keeps too little. Five factors on 90 days keep what the sample keeps on 500; to
# shrink is a part of that way.

figure, axes = plt.subplots(1, 3, sharex=True, sharey=True, layout="constrained", figsize=(7.2, 4))
shown = {"sample": "#D55E00", "Ledoit-Wolf": "#0072B2", "five factors": "#009E73"}
for ax, (name, color) in zip(axes, shown.items(), strict=True):
    ax.plot(days, table.loc[name, "kept"], "o-", color=color, label="kept")
    ax.plot(days, table.loc[name, "promised"], "o--", color=color, markerfacecolor="white", label="promised")
    ax.axhline(least, color="#7a7a7a", linewidth=0.8)
    ax.set(title=name, xscale="log")
    ax.set_xticks([60, 250, 1000], ["60", "250", "1000"])
    ax.minorticks_off()
axes[0].set(ylabel="tracking error, % a year", ylim=(0, None))
axes[1].set_xlabel("days")
_ = axes[0].legend(frameon=False)
