"""Least CVaR with and without a limit on the tracking error, against the index."""

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from trackfolio import MeanRisk
from trackfolio.datasets import load_sp500
from trackfolio.risks import CVaR

X, y = load_sp500(start="2014-01-01", return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.33, shuffle=False)
free = MeanRisk(CVaR(0.95), min_weights=-1).fit(X_train, y_train)
limited = MeanRisk(CVaR(0.95), min_weights=-1, max_tracking_error=0.003).fit(X_train, y_train)

figure, axes = plt.subplots(figsize=(8, 4))
axes.plot(100 * y.cumsum(), color="black", linewidth=1.2, label="S&P 500")
axes.plot(100 * free.predict(X).cumulative_returns(), color="#dd8452", linestyle="--", label="least CVaR")
axes.plot(100 * limited.predict(X).cumulative_returns(), color="#4c72b0", label="least CVaR, RMSE at most 0.3 % a day")
axes.axvline(X_test.index[0], color="grey", linewidth=0.8)
axes.text(X_test.index[0], axes.get_ylim()[0], " not seen in the fit", va="bottom", color="grey")
axes.set(ylabel="cumulated return, %", title="Near the index, or away from it")
axes.legend(loc="upper left")
axes.spines[["top", "right"]].set_visible(False)
