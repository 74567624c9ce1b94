"""How many names, and which covariance: chosen by the tracking error out of sample, quarter after quarter."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import FactorAnalysis
from sklearn.model_selection import GridSearchCV

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import WalkForward
from trackfolio.risks import StandardDeviation
from trackfolio.solvers import Sparse

X, y = load_sp500(start="2020", return_X_y=True)
covariances = {"sample": None, "Ledoit-Wolf": LedoitWolf(), "two factors": FactorAnalysis(2)}
grid = {"cardinality": [4, 8, 12, 20], "risk__covariance": list(covariances.values())}
model = MinTrackingError(StandardDeviation(), solver=Sparse(tolerance=0.05))
quarterly = WalkForward("365D", freq="QE")
search = GridSearchCV(model, grid, cv=quarterly, scoring="neg_root_mean_squared_error").fit(X, y)

n_folds = quarterly.get_n_splits(X)
folds = np.array([search.cv_results_[f"split{k}_test_score"] for k in range(n_folds)])
by_fold = -100 * folds.reshape(n_folds, len(grid["cardinality"]), len(covariances))
ax = plt.subplots(figsize=(8, 4.4))[1]
for k, (name, color, style) in enumerate(zip(covariances, ["#4c72b0", "#dd8452", "#8c8c8c"], "-:-", strict=True)):
    names = np.array(grid["cardinality"]) + 0.25 * (k - 1)  # side by side
    ax.plot(np.tile(names, n_folds), by_fold[:, :, k].ravel(), ".", color=color, alpha=0.35)
    ax.plot(names, by_fold[:, :, k].mean(axis=0), style, marker="o", color=color, label=f"covariance: {name}")
ax.set(xlabel="names", ylabel="tracking RMSE out of sample, % a day", xticks=grid["cardinality"], ylim=(0, None))
ax.set_title(f"Means of {n_folds} quarters (dots), each fitted on the year before")
ax.legend()
