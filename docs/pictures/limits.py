"""What a limit on each weight costs, in sample and after."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import root_mean_squared_error

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500

X, y = load_sp500(start="2014", return_X_y=True)
X_train, y_train = X.loc[:"2019"], y.loc[:"2019"]
X_test, y_test = X.loc["2020":], y.loc["2020":]
limits = np.linspace(0.05, 0.14, 37)

in_sample, out_of_sample = [], []
for limit in limits:
    model = MinTrackingError(max_weights=limit).fit(X_train, y_train)
    in_sample.append(model.solution_.objective)
    out_of_sample.append(root_mean_squared_error(y_test, model.predict(X_test)))

figure = plt.figure(figsize=(8, 3.4))
axes = figure.subplot_mosaic([["in", "out"]])
axes["in"].plot(100 * limits, 100 * np.array(in_sample), color="#4c72b0")
axes["in"].set(title="in sample, 2014 to 2019", ylabel="tracking RMSE, % a day")
axes["out"].plot(100 * limits, 100 * np.array(out_of_sample), color="#c44e52")
axes["out"].set(title="out of sample, 2020 to 2022")
for ax in axes.values():
    ax.set(xlabel="limit on each weight, %")
