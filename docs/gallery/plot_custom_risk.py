"""
A risk of your own: the tracking error of months
================================================

The tracking RMSE looks at single days. A client sees months: what reverts within a month is nothing to them, and what
drifts for a month is all. A risk of one's own is a class with an expression in cvxpy (:doc:`/extending`); this one
takes the active returns of all spans of 21 days.
"""

import cvxpy as cp
import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.risks import Risk
from trackfolio.testing import check_risk

X, y = load_sp500(start="2014", return_X_y=True)
X_train, X_test, y_train, y_test = X.loc[:"2019"], X.loc["2020":], y.loc[:"2019"], y.loc["2020":]

# %%
# ``expression`` would be enough. ``value`` is the definition in numpy, and with ``gradient`` the solution has a proof.


class MeanSquareOfSpans(Risk):
    """Mean square of the sums over all spans of so many periods."""

    least_value = 0.0
    degree = 2.0  # twice the returns have four times the risk

    def __init__(self, span=21):
        self.span = span

    def _sums(self, n_periods):
        """Matrix that takes returns to their sums over the spans, divided by the root of the number of spans."""
        span = min(self.span, n_periods)
        n_spans = n_periods - span + 1
        ones = np.ones(span) / np.sqrt(n_spans)
        return sp.diags_array(ones, offsets=range(span), shape=(n_spans, n_periods), format="csr")

    def expression(self, returns):
        return cp.sum_squares(self._sums(returns.shape[0]) @ returns)

    def value(self, returns):
        return float(np.sum((self._sums(len(returns)) @ np.asarray(returns)) ** 2))

    def gradient(self, returns):
        sums = self._sums(len(returns))
        return 2 * sums.T @ (sums @ returns)


check_risk(MeanSquareOfSpans())
models = {
    "of days": MinTrackingError().fit(X_train, y_train),
    "of months": MinTrackingError(MeanSquareOfSpans(21)).fit(X_train, y_train),
}
solution = models["of months"].solution_
print(f"{solution.solver}, proven to six digits: {solution.gap < 1e-6}")

# %%
# Both portfolios, measured over spans from a day to half a year, all on the scale of a year. If days were independent,
# the lines would be flat: what rises is drift. In sample the new risk does what it should; on days that were not seen
# it does not. Six years have many days, but few months that do not overlap, and weights follow these few too closely.

spans = [1, 2, 5, 10, 21, 42, 63, 126]
figure, axes = plt.subplots(1, 2, sharex=True, sharey=True, layout="constrained", figsize=(7, 4.6))
samples = {"2014 to 2019, fitted": (X_train, y_train), "2020 to 2022, not seen": (X_test, y_test)}
for ax, (sample, (returns, index)) in zip(axes, samples.items(), strict=True):
    for (name, model), color, style in zip(models.items(), ["#D55E00", "#0072B2"], ["--", "-"], strict=True):
        active = model.predict(returns).relative_to(index).active_returns.to_numpy()
        errors = [100 * (252 / span * MeanSquareOfSpans(span).value(active)) ** 0.5 for span in spans]
        ax.plot(spans, errors, style, marker="o", color=color, label=f"least RMSE {name}")
        print(f"{sample:<23} least RMSE {name:<10} {errors[0]:5.2f} % a year by days, {errors[4]:5.2f} % by months")
    ax.set(title=sample, xscale="log", xlabel="days of a span")
    ax.set_xticks([1, 5, 21, 126], ["1", "5", "21", "126"])
    ax.minorticks_off()
axes[0].set(ylabel="RMSE, % a year", ylim=(0, None))
_ = axes[0].legend(frameon=False, loc="lower left")
