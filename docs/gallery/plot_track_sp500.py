"""
Track the S&P 500 with twenty stocks
====================================

Weights are found on six years and judged on the three that follow. What counts is the second half: the weights know
nothing of its days.
"""

# %%
# Fit, with a proof
# -----------------
# :class:`~trackfolio.MinTrackingError` minimises the tracking RMSE; no stock may have more than 10 %. The lower bound
# is proven: no portfolio within the limits has a smaller RMSE on these days (:doc:`/certificates`).

import pandas as pd

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.display import RollingTrackingErrorDisplay, TrackingDisplay, WeightsDisplay

X, y = load_sp500(start="2014", return_X_y=True)
fitted, unseen = slice(None, "2019"), slice("2020", None)

model = MinTrackingError(max_weights=0.1).fit(X.loc[fitted], y.loc[fitted])
solution = model.solution_
print(f"RMSE {solution.objective:.4%} a day, proven lower bound {solution.lower_bound:.4%}")

# %%
# In sample and after
# -------------------
# ``relative_to`` tells the portfolio its benchmark, ``summary`` measures it. All figures are annualised.

measures = ["tracking RMSE", "tracking error", "mean active return", "tracking difference"]
spans = {"2014 to 2019, fitted": fitted, "2020 to 2022, unseen": unseen}
portfolios = {name: model.predict(X.loc[span]).relative_to(y.loc[span]) for name, span in spans.items()}
table = pd.DataFrame({name: p.summary().loc[measures, "annualised"] for name, p in portfolios.items()})
print(table.map("{:.2%}".format).rename_axis(index=None).to_string())
first, second = (p.tracking_error() for p in portfolios.values())
print(f"\nThe tracking error after the fit is {second / first:.1f} times that in sample.")

# %%
# The lower panel is what a tracker is judged by: how little it moves, not where it ends. Its slope is no merit: the
# stocks' returns include dividends, the index's do not, and all twenty are known to have survived until 2022.

display = TrackingDisplay.from_estimator(model, X, y, name="tracker")
for ax in display.axes_:
    ax.axvspan(pd.Timestamp("2020"), X.index[-1], color="#0072B2", alpha=0.1, linewidth=0)
_ = display.ax_.set_title("Fitted on 2014 to 2019; shaded: not seen")

# %%
# Over a quarter at a time, one sees when the index went its own way: in the spring of 2020, and in 2022.

display = RollingTrackingErrorDisplay.from_estimator(model, X, y, name="tracker")
_ = display.ax_.axvspan(pd.Timestamp("2020"), X.index[-1], color="#0072B2", alpha=0.1, linewidth=0)

# %%
# The weights
# -----------
# They are constant: the same over the fitted days and over later ones.

WeightsDisplay.from_predictions(None, portfolios["2014 to 2019, fitted"])
at_limit = [name for name, weight in portfolios["2014 to 2019, fitted"].weights.items() if weight > 0.1 - 1e-9]
print("at the limit:", *at_limit)
