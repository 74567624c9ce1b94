"""How near to the index: the returns and what they differ by, and the tracking error of late."""

import matplotlib.pyplot as plt

from trackfolio import EqualWeighted, MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.display import RollingTrackingErrorDisplay, TrackingDisplay

X, y = load_sp500(start="2014", return_X_y=True)
models = {
    "tracker": MinTrackingError(max_weights=0.1).fit(X.loc[:"2019"], y.loc[:"2019"]),
    "equal weights": EqualWeighted().fit(X.loc[:"2019"]),
}

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
TrackingDisplay.from_estimator(models, X.loc["2020":], y.loc["2020":], ax=left)
RollingTrackingErrorDisplay.from_estimator(models, X.loc["2020":], y.loc["2020":], ax=right)
