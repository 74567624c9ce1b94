"""
A carbon cut, and what it costs in tracking error
=================================================

A mandate asks for a carbon intensity of half that of the index. One linear limit does it, and its multiplier is the
price of the next percent. The intensities here are made up: a few sectors emit most of it.
"""

import matplotlib.pyplot as plt
import numpy as np

from trackfolio import MinTrackingError
from trackfolio.constraints import Exposure
from trackfolio.datasets import make_index_market
from trackfolio.display import ActiveWeightsDisplay
from trackfolio.risks import StandardDeviation

market = make_index_market(n_assets=100, n_periods=750, n_sectors=8, random_state=3)
rng = np.random.default_rng(3)
of_sector = dict(zip(sorted(market.sectors.unique()), [600, 350, 150, 80, 50, 30, 20, 10], strict=True))
intensity = market.sectors.map(of_sector) * np.exp(rng.normal(0, 0.5, 100))  # tonnes a million of sales
of_index = float(intensity @ market.weights)


def fit(cut):
    """The nearest portfolio with an intensity of at most (1 - cut) times that of the index."""
    limit = Exposure(intensity, upper=(1 - cut) * of_index)
    return MinTrackingError(StandardDeviation(), benchmark_weights=market.weights, constraints=[limit]).fit(market.X)


cuts = np.linspace(0.02, 0.9, 23)
models = [fit(cut) for cut in cuts]
errors = 252**0.5 * np.array([model.solution_.objective for model in models])
for cut in (0.3, 0.5, 0.8):
    model = fit(cut)
    price = 252**0.5 * model.solution_.multipliers["exposure"] * 0.01 * of_index
    print(
        f"cut of {cut:.0%}: tracking error {252**0.5 * model.solution_.objective:.2%} a year, "
        f"the next percent costs {1e4 * price:.1f} bp"
    )

# %%
# The curve is convex: each further percent is dearer than the last, and the slope at each point is the multiplier.

ax = plt.subplots(layout="constrained")[1]
ax.plot(100 * cuts, 100 * errors, color="#0072B2")
half = fit(0.5)
ax.plot(50, 100 * 252**0.5 * half.solution_.objective, "o", color="#D55E00")
ax.set(xlabel="cut of the carbon intensity, %", ylabel="tracking error, % a year", xlim=(0, 92), ylim=(0, None))
_ = ax.set_title("The nearest portfolio for each cut")

# %%
# Who pays for it, by sector; from Sector 1, with the largest intensity, to Sector 8.

portfolios = {"cut of 50 %": half.predict(market.X), "cut of 80 %": fit(0.8).predict(market.X)}
display = ActiveWeightsDisplay.from_predictions(None, portfolios, groups=market.sectors)
_ = display.ax_.set_title("Active weights by sector")
