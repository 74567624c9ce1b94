"""What nearness costs, with the portfolios from end to end; and how few names are enough."""

import matplotlib.pyplot as plt

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.display import CardinalityPathDisplay, FrontierDisplay
from trackfolio.model_selection import cardinality_path, frontier
from trackfolio.risks import CVaR

X, y = load_sp500(start="2014", return_X_y=True)
found = frontier(MeanRisk(CVaR(0.95)), X.loc[:"2019"], y.loc[:"2019"], values=24, progress=False)
numbers = [1, 2, 3, 4, 6, 8, 10, 13, 16, 20]
path = cardinality_path(MinTrackingError(), X.loc[:"2019"], y.loc[:"2019"], numbers, progress=False)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
FrontierDisplay.from_frontier(found, ax=left)
CardinalityPathDisplay.from_path(path, X=X.loc["2020":], y=y.loc["2020":], ax=right)
