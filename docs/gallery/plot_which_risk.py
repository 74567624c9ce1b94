"""
Near by which measure?
======================

Six portfolios, each the nearest to the index by another risk of the active return, each judged by all six. If the rows
of the picture look alike, the choice of the risk matters little; where they do not, it shows what is bought.
"""

import matplotlib.pyplot as plt
import pandas as pd

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.risks import CDaR, CVaR, MaxDrawdown, MeanAbsoluteDeviation, RootMeanSquare, WorstRealization

X, y = load_sp500(start="2014", return_X_y=True)
X_train, X_test, y_train, y_test = X.loc[:"2019"], X.loc["2020":], y.loc[:"2019"], y.loc["2020":]
risks = {
    "RMSE": RootMeanSquare(),
    "MAD": MeanAbsoluteDeviation(),
    "CVaR 95 %": CVaR(0.95),
    "worst day": WorstRealization(),
    "CDaR 95 %": CDaR(0.95),
    "max drawdown": MaxDrawdown(),
}
models = {name: MinTrackingError(risk).fit(X_train, y_train) for name, risk in risks.items()}


def judged(returns, index):
    """Every portfolio by every risk of the active return, in units of the least in the column."""
    table = {}
    for name, model in models.items():
        p = model.predict(returns).relative_to(index)
        table[name] = {by: p.risk(risk, active=True) for by, risk in risks.items()}
    table = pd.DataFrame(table).T
    return table / table.min()


tables = {"2014 to 2019, fitted": judged(X_train, y_train), "2020 to 2022, not seen": judged(X_test, y_test)}
print(tables["2014 to 2019, fitted"].round(2).to_string())

# %%
# In sample each is the best by its own measure (1.00), of course. Drawdowns are another matter than the others: they
# look at the order of days. The portfolio for the worst day rests on some twenty days alone, and it shows on days that
# were not seen.


def heat(ax, table, title):
    """A table as coloured cells with their numbers."""
    ax.imshow(table.clip(upper=3), cmap="Blues", vmin=1, vmax=3, aspect="auto")
    for i, row in enumerate(table.to_numpy()):
        for j, value in enumerate(row):
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", color="white" if value > 2.1 else "black")
    ax.set_xticks(range(len(table.columns)), table.columns, rotation=30, ha="right")
    ax.set_yticks(range(len(table)), table.index)
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set(title=title, xlabel="judged by", ylabel="portfolio of the least")


for title, table in tables.items():
    ax = plt.subplots(layout="constrained")[1]
    heat(ax, table, f"{title}: in units of the best")
