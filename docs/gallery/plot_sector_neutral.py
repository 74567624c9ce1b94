"""
What neutral sectors cost
=========================

A stock picker is asked to bet on stocks, not on sectors. :class:`~trackfolio.constraints.GroupBounds` with
``active=True`` keeps the weight of each sector within a band around that of the index, and the solution says what the
band costs.
"""

import matplotlib.pyplot as plt
import numpy as np

from trackfolio import MeanRisk
from trackfolio.constraints import GroupBounds, RiskLimit
from trackfolio.datasets import make_index_market
from trackfolio.display import ActiveWeightsDisplay
from trackfolio.objectives import MaxReturn
from trackfolio.risks import StandardDeviation

market = make_index_market(n_assets=80, n_periods=750, n_sectors=8, random_state=1)
rng = np.random.default_rng(1)
# Forecasts with a part that all stocks of a sector share.
of_sector = dict(zip(sorted(market.sectors.unique()), rng.normal(0, 0.02, 8), strict=True))
alpha = (market.sectors.map(of_sector) + rng.normal(0, 0.03, 80)) / 252

near = RiskLimit(StandardDeviation(), 0.03 / 252**0.5, active=True)


def fit(band):
    """The largest expected return at a tracking error of 3 % a year, sectors within a band around the index."""
    limits = [near] if band is None else [near, GroupBounds(market.sectors, -band, band, active=True)]
    model = MeanRisk(
        objective=MaxReturn(), expected_returns=alpha, benchmark_weights=market.weights, constraints=limits
    )
    return model.fit(market.X)


models = {"no band": fit(None), "within 2 %": fit(0.02)}

# %%
# Sums by sector. Without a band, the forecasts for sectors take over.

display = ActiveWeightsDisplay.from_estimator(models, market.X, groups=market.sectors)
_ = display.ax_.set_title("Active weights by sector")

# %%
# From free to neutral
# --------------------
# The curve is concave: to go the last way to neutral is the dearest. What is lost is the forecasts' part for sectors.

bands = np.array([0.0, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1])
excess = np.array([252 * float(alpha @ (fit(band).weights_ - market.weights)) for band in bands])
free = 252 * float(alpha @ (models["no band"].weights_ - market.weights))
print(f"expected excess return {free:.2%} a year; with neutral sectors {excess[0]:.2%}, within 2 % {excess[4]:.2%}")
prices = models["within 2 %"].solution_.multipliers["groupbounds"]
for sector, price in zip(market.sectors.unique(), np.atleast_1d(prices), strict=True):
    if abs(price) > 1e-12:
        print(f"{sector}: one percentage point more would add {252 * abs(price) * 100:.1f} bp a year")

ax = plt.subplots(layout="constrained")[1]
ax.plot(100 * bands, 100 * excess, "o-", color="#0072B2")
ax.axhline(100 * free, color="#7a7a7a", linestyle="--")
ax.annotate("no band", (0, 100 * free), (0, 4), textcoords="offset points", color="#555555")
ax.set(xlabel="band around the index weight of each sector, ± %", ylabel="expected excess return, % a year")
ax.set_title("At a tracking error of 3 % a year")
_ = ax.margins(y=0.12)
