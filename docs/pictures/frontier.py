"""The least CVaR for each limit on the tracking error, and the multiplier of the limit as its slope."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from trackfolio import MeanRisk
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import frontier
from trackfolio.risks import CVaR

X, y = load_sp500(start="2014-01-01", return_X_y=True)
X_train, _, y_train, _ = train_test_split(X, y, test_size=0.33, shuffle=False)
model = MeanRisk(CVaR(0.95), min_weights=-1)

# From the least RMSE that can be reached to that without a limit, denser where the curve is steep.
least, loose = frontier(model, X_train, y_train, values=2, progress=False).values
limits = least + (loose - least) * np.linspace(0.02, 1, 30) ** 2
found = frontier(model, X_train, y_train, values=np.append(limits, 0.003), progress=False)
table = found.table.sort_index()
here = table.loc[0.003]

figure = plt.figure(figsize=(8, 5.6))
axes = figure.subplot_mosaic([["risk"], ["slope"]], sharex=True, height_ratios=[2, 1])
axes["risk"].plot(100 * table.index, 100 * table["risk"], color="#4c72b0", label="least CVaR")
step = np.linspace(-0.0006, 0.0011, 20)
tangent = here["risk"] - here["multiplier"] * step
label = "tangent, its slope minus the multiplier"
axes["risk"].plot(100 * (0.003 + step), 100 * tangent, "--", color="#c44e52", label=label)
axes["risk"].plot(0.3, 100 * here["risk"], "o", color="#c44e52")
axes["slope"].plot(100 * table.index, table["multiplier"], color="#4c72b0")
axes["slope"].plot(0.3, here["multiplier"], "o", color="#c44e52")
axes["slope"].text(0.305, here["multiplier"] + 0.2, f"{here['multiplier']:.2f}")
for ax in axes.values():
    ax.axvline(100 * least, color="#8c8c8c", linewidth=0.8)
axes["risk"].text(100 * least, 1.6, "  least RMSE\n  in reach", color="#666666")
axes["risk"].set_title("What nearness to the index costs, 2014 to the start of 2020")
axes["risk"].set(ylabel="CVaR 95 %, % a day")
axes["slope"].set(ylabel="multiplier,\nbp of CVaR per bp", ylim=(0, 6.5))
axes["slope"].set(xlabel="limit on the tracking RMSE, % a day")
axes["risk"].legend()
