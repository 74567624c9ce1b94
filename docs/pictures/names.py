"""The least tracking RMSE for each number of names, above what is proven to be out of reach."""

import matplotlib.pyplot as plt

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import cardinality_path

X, y = load_sp500(start="2014", return_X_y=True)
path = cardinality_path(MinTrackingError(), X.loc[:"2019"], y.loc[:"2019"], 20, progress=False)

ax = plt.subplots(figsize=(8, 4.5))[1]
path.plot(ax, X=X.loc["2020":], y=y.loc["2020":])
ax.set_title("The S&P 500 by few of twenty stocks: 2014 to 2019, and the three years after")
ax.set_xticks(range(2, 21, 2))
