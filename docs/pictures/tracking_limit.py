"""Least CVaR with and without a limit on the tracking error, against the index, in sample and after."""

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from trackfolio import MeanRisk
from trackfolio.datasets import load_sp500
from trackfolio.risks import CVaR

X, y = load_sp500(start="2014-01-01", return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.33, shuffle=False)
risk = CVaR(0.95)
free = MeanRisk(risk, min_weights=-1).fit(X_train, y_train)
near = MeanRisk(risk, min_weights=-1, max_tracking_error=0.003).fit(X_train, y_train)
models = {"least CVaR": (free, "#dd8452", "--"), "near the index": (near, "#4c72b0", "-")}

figure = plt.figure(figsize=(8, 6.4))
axes = figure.subplot_mosaic([["train"], ["test"]])
for panel, returns, index in (("train", X_train, y_train), ("test", X_test, y_test)):
    ax = axes[panel]
    ax.plot(100 * index.cumsum(), color="#8c8c8c", label=f"S&P 500: CVaR {100 * risk.value(index):.2f} %")
    for name, (model, color, style) in models.items():
        portfolio = model.predict(returns).relative_to(index)
        figures = f"CVaR {100 * portfolio.risk(risk):.2f} %, RMSE {100 * portfolio.tracking_rmse():.2f} %"
        ax.plot(100 * portfolio.cumulative_returns(), style, color=color, label=f"{name}: {figures}")
    ax.set(ylabel="cumulative return, %")
    ax.margins(x=0.01)
axes["train"].legend(loc="upper left", title="per day", alignment="left")
axes["train"].set_title("Fitted on 2014 to the start of 2020; near the index: tracking RMSE of at most 0.3 % a day")
axes["test"].legend(loc="lower right", title="per day", alignment="left")
axes["test"].set_title("The same weights on what follows, from January 2020")
