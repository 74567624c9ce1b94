"""The share of each period in the least CVaR, against its loss: nearly all are settled at one end or the other."""

import matplotlib.pyplot as plt
import numpy as np

from trackfolio import MeanRisk
from trackfolio.datasets import load_sp500
from trackfolio.risks import CVaR

X, y = load_sp500(start="2016", end="2022", return_X_y=True)
model = MeanRisk(CVaR(0.95)).fit(X)
losses = -X.to_numpy() @ model.weights_
shares = -model.solution_.pulls["objective__risk"][0]
largest = 1 / (0.05 * len(losses))
undecided = (shares > 1e-6 * largest) & (shares < (1 - 1e-6) * largest)

figure = plt.figure(figsize=(8, 3.2))
axes = figure.add_subplot()
axes.plot(100 * losses[~undecided], shares[~undecided] / largest, ".", color="#4c72b0", label="settled: an affine part")
label = f"at the kink: {undecided.sum()} of {len(losses)} periods"
axes.plot(100 * losses[undecided], shares[undecided] / largest, "o", color="#c44e52", label=label)
axes.set(xlabel="loss of the period, %", ylabel="share in the CVaR, of its largest", xlim=(-3, np.max(100 * losses)))
axes.legend()
