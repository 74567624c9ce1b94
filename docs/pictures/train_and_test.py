"""The active return on the periods of the fit, and after them."""

import matplotlib.pyplot as plt
import pandas as pd

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500

X, y = load_sp500(start="2014", return_X_y=True)
model = MinTrackingError(max_weights=0.1).fit(X.loc[:"2019"], y.loc[:"2019"])
portfolio = model.predict(X).relative_to(y)
rolling = portfolio.active_returns.rolling(63).std()

figure = plt.figure(figsize=(8, 6))
axes = figure.subplot_mosaic([["returns"], ["active"], ["error"]], sharex=True, height_ratios=[2, 1, 1])
axes["returns"].plot(100 * portfolio.benchmark.cumsum(), color="#8c8c8c", label="S&P 500")
axes["returns"].plot(100 * portfolio.cumulative_returns(), color="#4c72b0", label="tracker")
axes["returns"].set(ylabel="cumulative return, %")
axes["returns"].legend(loc="upper left")
axes["active"].plot(100 * portfolio.active_returns.cumsum(), color="#c44e52")
axes["active"].set(ylabel="active, %")
axes["error"].plot(100 * rolling, color="#c44e52")
axes["error"].set(ylabel="tracking error,\n% a day, 63 days", ylim=(0, None))
for ax in axes.values():
    ax.axvspan(pd.Timestamp("2020-01-01"), y.index[-1], color="#4c72b0", alpha=0.08, linewidth=0)
axes["returns"].set_title("Weights fitted on 2014 to 2019; judged on what follows (shaded)")
