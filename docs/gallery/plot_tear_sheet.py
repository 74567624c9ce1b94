"""
A tear sheet of a backtest
==========================

:func:`~trackfolio.report.report` writes all that is known of a portfolio or a backtest on one page: headline figures,
pictures, active returns by month, holdings and trades, what each limit costs, and the proof. It is one HTML file that
needs neither network nor scripts.
"""

import tempfile
from html import escape
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import WalkForward, backtest
from trackfolio.report import report

X, y = load_sp500(start="2016", return_X_y=True)
model = MinTrackingError(max_weights=0.1)
monthly = WalkForward("365D", freq="ME")
options = {"cv": monthly, "transaction_costs": 0.001, "progress": False}
tested = backtest(model, X, y, **options)
last = backtest(model, X.loc["2021":], y.loc["2021":], return_estimator=True, **options)  # the last year, for the page
with tempfile.TemporaryDirectory() as folder:
    path = report(last, Path(folder) / "tearsheet.html", title="Twenty stocks for the S&P 500")
    page = path.read_text("utf-8")
print(f"{len(page) / 1000:.0f} kB")


# %%
# This is the file, in a frame:


class Frame:
    """A page within a page."""

    def __init__(self, page):
        self.page = page

    def _repr_html_(self):
        style = "width: 100%; height: 36em; border: 1px solid #c9c9c9"
        return f'<iframe srcdoc="{escape(self.page)}" style="{style}" title="tear sheet"></iframe>'


Frame(page)

# %%
# By month
# --------
# One of its tables as a picture, over more years. Months of one colour in a row would be a lag or a lead.

active = tested.net.active_returns
monthly_returns = active.groupby([active.index.year, active.index.month]).sum().unstack()
largest = 100 * np.nanmax(np.abs(monthly_returns))
figure, ax = plt.subplots(layout="constrained")
cells = ax.imshow(100 * monthly_returns, cmap="PuOr", vmin=-largest, vmax=largest, aspect="auto")
ax.set_xticks(range(12), ["J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D"])
ax.set_yticks(range(len(monthly_returns)), monthly_returns.index)
ax.tick_params(length=0)
ax.grid(False)
ax.spines[:].set_visible(False)
figure.colorbar(cells, label="%", shrink=0.8)
ax.set_title("Active returns by month, net of costs")
ahead = (monthly_returns > 0).to_numpy().sum() / monthly_returns.notna().to_numpy().sum()
print(f"largest month: {largest:.1f} %; ahead in {ahead:.0%} of the months")
