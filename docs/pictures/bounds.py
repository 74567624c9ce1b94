"""The lower bound for every multiplier of the budget: true for all of them, tight for one."""

import matplotlib.pyplot as plt
import numpy as np

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500

X, y = load_sp500(start="2018", end="2019", return_X_y=True)
model = MinTrackingError(max_weights=0.1).fit(X, y)
objective, w = model.solution_.objective, model.weights_

active = X.to_numpy() @ w - y.to_numpy()
gradient = X.to_numpy().T @ active / (len(active) * objective)
best = -model.solution_.multipliers["budget"]
multipliers = best * np.linspace(0.5, 1.5, 401)
slopes = gradient - multipliers[:, None]
bounds = objective - gradient @ w + multipliers + np.minimum(0, 0.1 * slopes).sum(axis=1)

figure = plt.figure(figsize=(8, 3.2))
axes = figure.add_subplot()
axes.axhline(100 * objective, color="#c44e52", label="objective of the weights found")
axes.plot(multipliers, 100 * bounds, color="#4c72b0", label="proven bound")
axes.plot(best, 100 * objective, "o", color="#c44e52", label="multiplier of the solver")
axes.set(xlabel="multiplier of the budget", ylabel="RMSE, % a day")
axes.legend()
