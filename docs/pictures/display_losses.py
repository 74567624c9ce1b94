"""Drawdowns, also of the active return, and the distribution of the active returns."""

import matplotlib.pyplot as plt

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.display import DrawdownDisplay, ReturnsDisplay

X, y = load_sp500(start="2014", return_X_y=True)
model = MinTrackingError(max_weights=0.1).fit(X.loc[:"2019"], y.loc[:"2019"])

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
DrawdownDisplay.from_estimator(model, X.loc["2020":], y.loc["2020":], name="tracker", active=True, ax=left)
ReturnsDisplay.from_estimator(model, X.loc["2020":], y.loc["2020":], ax=right)
