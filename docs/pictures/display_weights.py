"""What a backtest held, and how eight names differ from an index of twenty."""

import matplotlib.pyplot as plt

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.display import ActiveWeightsDisplay, WeightsDisplay
from trackfolio.model_selection import WalkForward, backtest

X, y = load_sp500(start="2016", return_X_y=True)
tested = backtest(MinTrackingError(), X, y, cv=WalkForward("365D", freq="QE"), progress=False)
equal = dict.fromkeys(X.columns, 1 / 20)
few = MinTrackingError(cardinality=8, benchmark_weights=equal).fit(X)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
WeightsDisplay.from_predictions(None, tested, ax=left)
ActiveWeightsDisplay.from_estimator(few, X, name="eight names", n=12, ax=right)
