"""
How many names, and which covariance: a grid search
===================================================

What counts is the tracking error in the quarter after. A tracker is the last step of a pipeline of scikit-learn here,
after a step that keeps the stocks of highest correlation with the index; ``GridSearchCV`` tries every combination on
folds that walk forward (:doc:`/backtests`), each fitted on a year of days.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import FactorAnalysis
from sklearn.feature_selection import SelectKBest, r_regression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import WalkForward
from trackfolio.risks import StandardDeviation

X, y = load_sp500(start="2019", return_X_y=True)
names = [4, 8, 12, 20]
covariances = {"sample": None, "Ledoit-Wolf": LedoitWolf(), "two factors": FactorAnalysis(2)}
grid = {"choose__k": names, "track__risk__covariance": list(covariances.values())}
pipeline = Pipeline([("choose", SelectKBest(r_regression)), ("track", MinTrackingError(StandardDeviation()))])
quarterly = WalkForward("365D", freq="QE")
search = GridSearchCV(pipeline, grid, cv=quarterly, scoring="neg_root_mean_squared_error").fit(X, y)

n_folds = quarterly.get_n_splits(X)
folds = np.array([search.cv_results_[f"split{k}_test_score"] for k in range(n_folds)])
by_fold = -100 * folds.reshape(n_folds, len(names), len(covariances))
print(f"tracking RMSE out of sample, % a day, mean of {n_folds} quarters")
print("names      ", *(f"{n:>7}" for n in names))
for name, errors in zip(covariances, by_fold.mean(axis=0).T, strict=True):
    print(f"{name:<11}", *(f"{error:7.3f}" for error in errors))
best = search.best_params_["choose__k"]
print(
    f"names of the best: {best}; standard deviation over the quarters at it: {by_fold[:, names.index(best)].std():.3f}"
)

# %%
# Each dot is a quarter. Shrinking the covariance does not matter where 252 days meet 20 stocks, and two factors are too
# few for all of them. That the quarters differ more than the covariances is the lesson of the dots.

ax = plt.subplots(layout="constrained")[1]
styles = zip(covariances, ["#0072B2", "#E69F00", "#009E73"], ["-", "--", ":"], strict=True)
for k, (name, color, style) in enumerate(styles):
    place = np.array(names) + 0.6 * (k - 1)  # side by side
    ax.plot(np.tile(place, n_folds), by_fold[:, :, k].ravel(), ".", color=color, alpha=0.4)
    ax.plot(place, by_fold[:, :, k].mean(axis=0), style, marker="o", color=color, label=name)
ax.set(xlabel="names", ylabel="tracking RMSE, % a day", xticks=names, ylim=(0, None))
ax.set_title(f"Out of sample: {n_folds} quarters (dots) and their mean")
_ = ax.legend(frameon=False, title="covariance", alignment="left")
