"""The tracker of the first page against its index, on periods that it has not seen."""

import matplotlib.pyplot as plt

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500

X, y = load_sp500(start="2014", return_X_y=True)
model = MinTrackingError(max_weights=0.1).fit(X.loc[:"2019"], y.loc[:"2019"])
portfolio = model.predict(X.loc["2020":]).relative_to(y.loc["2020":])

figure = plt.figure(figsize=(8, 4.6))
axes = figure.subplot_mosaic([["returns"], ["active"]], sharex=True, height_ratios=[2, 1])
axes["returns"].plot(100 * portfolio.benchmark.cumsum(), color="#8c8c8c", label="S&P 500")
axes["returns"].plot(100 * portfolio.cumulative_returns(), color="#4c72b0", label="tracker")
axes["returns"].set(ylabel="cumulative return, %", title="2020 to 2022, weights of 2014 to 2019")
axes["returns"].legend(loc="upper left")
axes["active"].plot(100 * portfolio.active_returns.cumsum(), color="#c44e52")
axes["active"].axhline(0, color="black", linewidth=0.8)
axes["active"].set(ylabel="active, %")
