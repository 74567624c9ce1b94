"""
How few names are enough
========================

In sample more names are always better. :func:`~trackfolio.model_selection.cardinality_path` finds the best portfolio
for each number of names, and proves what no portfolio of so many can reach (:doc:`/few_names`).
"""

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500
from trackfolio.display import CardinalityPathDisplay
from trackfolio.model_selection import cardinality_path

X, y = load_sp500(start="2014", return_X_y=True)
X_train, X_test, y_train, y_test = X.loc[:"2019"], X.loc["2020":], y.loc[:"2019"], y.loc["2020":]

numbers = [2, 3, 4, 5, 6, 7, 8, 10, 20]
path = cardinality_path(MinTrackingError(), X_train, y_train, numbers, progress=False)
table = path.table.assign(after=path.out_of_sample(X_test, y_test))
print((100 * table[["objective", "lower bound", "after"]]).round(3).to_string())

# %%
# The shaded region is proven to be out of reach. Where the line lies on its edge, no portfolio of so many names is
# better; where the dashed line is flat, more names bring nothing on days that were not seen.

display = CardinalityPathDisplay.from_path(path, X=X_test, y=y_test)
display.ax_.set_ylim(bottom=0)
_ = display.ax_.set_title("The S&P 500 by few of twenty stocks")

# %%
# The question can also be asked the other way around: how many names does an RMSE of 0.3 % a day take?

answer = path.fewest(0.003)
print(f"{answer.names} names; fewer than {answer.at_least} are proven not to be enough")
chosen = path.portfolios[list(path.cardinalities).index(answer.names)].weights
print(chosen[chosen > 0].sort_values(ascending=False).map("{:.1%}".format).to_string())
