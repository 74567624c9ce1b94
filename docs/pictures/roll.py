"""Roll's critique: the least tracking error for an excess return is not the least risk for that return."""

import matplotlib.pyplot as plt
import numpy as np

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import BetaBounds, MinReturn
from trackfolio.datasets import load_sp500
from trackfolio.risks import StandardDeviation

X = load_sp500(start="2014", return_X_y=True)[0]
setting = {"benchmark_weights": dict.fromkeys(X.columns, 1 / 20)}
tracker = MinTrackingError(StandardDeviation(), **setting)
curves = {
    "least tracking error": (tracker, [], "#c44e52", "-"),
    "the same, beta at most 1": (tracker, [BetaBounds(upper=1)], "#4c72b0", "-"),
    "least volatility": (MeanRisk(StandardDeviation(), **setting), [], "#8c8c8c", "--"),
}
excess = np.linspace(0, 0.1, 21)

figure = plt.figure(figsize=(8, 4.6))
axes = figure.add_subplot()
for name, (model, further, color, style) in curves.items():
    found = []
    for goal in excess:
        model.set_params(constraints=[MinReturn(goal / 252, active=True), *further]).fit(X)
        portfolio = model.predict(X)
        found.append([portfolio.volatility(annualised=True), portfolio.mean_return(annualised=True)])
    volatility, mean = 100 * np.array(found).T
    axes.plot(volatility, mean, style, color=color, label=name)
    if model is tracker:
        axes.plot(volatility[::4], mean[::4], ".", color=color)
index = X.mean(axis=1)
axes.plot(100 * index.std() * 252**0.5, 100 * index.mean() * 252, "o", color="black", label="index of equal weights")
axes.set(xlabel="volatility, % a year", ylabel="mean return, % a year")
axes.set_title("Excess returns, 2014 to 2022, in sample; a dot for each 2 % a year")
axes.legend(loc="lower right")
