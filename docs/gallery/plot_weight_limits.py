"""
What a limit on each weight costs
=================================

A limit on single positions can only cost in sample. What it takes from the largest weights does not go to the others
in equal parts, nor in proportion: each gets what helps the fit most.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import root_mean_squared_error

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.display import WeightsDisplay

X, y = load_sp500(start="2014", return_X_y=True)
X_train, X_test, y_train, y_test = X.loc[:"2019"], X.loc["2020":], y.loc[:"2019"], y.loc["2020":]

free = MinTrackingError().fit(X_train, y_train)
capped = MinTrackingError(max_weights=0.08).fit(X_train, y_train)
_ = WeightsDisplay.from_estimator({"no limit": free, "at most 8 %": capped}, X_train, n=14)

# %%
# The multipliers say what each limit costs: the RMSE that one percentage point more of this stock would save. They come
# with the solution.

prices = dict(zip(X.columns, capped.solution_.multipliers["max_weights"], strict=True))
for name in sorted(prices, key=prices.get, reverse=True)[:3]:
    print(f"{name:<5} one percentage point more would save {1e4 * 0.01 * prices[name]:.3f} bp of RMSE a day")

# %%
# From loose to tight
# -------------------
# In sample the curve falls, with the sum of the multipliers as its slope (dashed). Out of sample nothing promises that.

# sphinx_gallery_thumbnail_number = 2
limits = np.linspace(0.05, 0.14, 37)
models = [MinTrackingError(max_weights=limit).fit(X_train, y_train) for limit in limits]
in_sample = np.array([model.solution_.objective for model in models])
after = np.array([root_mean_squared_error(y_test, model.predict(X_test)) for model in models])
slope = -sum(prices.values())

figure, axes = plt.subplots(2, 1, sharex=True, layout="constrained")
axes[0].plot(100 * limits, 100 * in_sample, color="#0072B2")
near = np.array([0.066, 0.1])
axes[0].plot(100 * near, 100 * (capped.solution_.objective + slope * (near - 0.08)), "--", color="#D55E00")
axes[0].plot(8, 100 * capped.solution_.objective, "o", color="#D55E00")
axes[0].set(title="2014 to 2019, fitted", ylabel="RMSE, % a day")
axes[1].plot(100 * limits, 100 * after, color="#0072B2")
axes[1].set(title="2020 to 2022, not seen", xlabel="limit on each weight, %", ylabel="RMSE, % a day")
print(f"5 % instead of no limit: {in_sample[0] / free.solution_.objective - 1:.0%} more RMSE in sample,")
print(f"{after[0] / root_mean_squared_error(y_test, free.predict(X_test)) - 1:.0%} more after it")
print(f"The best limit for the years after would have been {limits[after.argmin()]:.2%}.")
