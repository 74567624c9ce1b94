"""The weights of the tracker, without and with a limit on each."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500

X, y = load_sp500(start="2014", end="2019", return_X_y=True)
weights = pd.DataFrame(
    {
        "no limit": MinTrackingError().fit(X, y).weights_,
        "each at most 8 %": MinTrackingError(max_weights=0.08).fit(X, y).weights_,
    },
    index=X.columns,
).sort_values("no limit", ascending=False)

figure = plt.figure(figsize=(8, 3.2))
axes = figure.add_subplot()
place = np.arange(len(weights))
for offset, color, name in [(-0.2, "#8c8c8c", "no limit"), (0.2, "#4c72b0", "each at most 8 %")]:
    axes.bar(place + offset, 100 * weights[name], width=0.4, color=color, label=name)
axes.axhline(8, color="#c44e52", linewidth=0.8)
axes.set(xticks=place, ylabel="weight, %", xlim=(-0.7, len(weights) - 0.3))
axes.set_xticklabels(weights.index, rotation=60)
axes.grid(False, axis="x")
axes.legend()
