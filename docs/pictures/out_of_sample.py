"""The tracker of the first page against its index, on periods that it has not seen."""

import matplotlib.pyplot as plt

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.display import TrackingDisplay

X, y = load_sp500(start="2014", return_X_y=True)
model = MinTrackingError(max_weights=0.1).fit(X.loc[:"2019"], y.loc[:"2019"])

figure, ax = plt.subplots(figsize=(8, 4.4), layout="constrained")
display = TrackingDisplay.from_estimator(model, X.loc["2020":], y.loc["2020":], name="20 stocks", ax=ax)
display.axes_[0].set_title("2020 to 2022, with weights of 2014 to 2019")
