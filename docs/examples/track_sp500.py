"""Track the S&P 500 with twenty of its stocks: weights from 2014 to 2019, judged on 2020 to 2022.

The prices are embedded in the package. Run it by `make demo`.
"""

import numpy as np
import pandas as pd

from trackfolio import MinTrackingError, Portfolio
from trackfolio.datasets import load_sp500

MAX_WEIGHT = 0.1
MEASURES = [
    "tracking RMSE",
    "tracking error",
    "mean active return",
    "information ratio",
    "tracking difference",
]
REMARK = """\
The gain over the index is no proof of skill: the returns of the stocks include dividends,
those of the index do not, and the twenty stocks are known to have survived until 2022. It
shows in the mean active return, the information ratio and the tracking difference, but
hardly in the tracking RMSE and the tracking error."""


def main() -> None:
    """Fit on the first six years, judge on the last three, and print what came of it."""
    X, y = load_sp500(start="2014", return_X_y=True)
    X_train, y_train = X.loc[:"2019"], y.loc[:"2019"]
    X_test, y_test = X.loc["2020":], y.loc["2020":]

    model = MinTrackingError(max_weights=MAX_WEIGHT)
    model.fit(X_train, y_train)

    in_sample = model.predict(X_train).relative_to(y_train)
    out_of_sample = model.predict(X_test).relative_to(y_test)

    print(f"The S&P 500, tracked by {X.shape[1]} of its stocks, each at most {MAX_WEIGHT:.0%}")
    print_measures({"in sample": in_sample, "out of sample": out_of_sample})
    print_weights(out_of_sample.weights)
    print_proof(model)


def print_measures(portfolios: dict[str, Portfolio]) -> None:
    """Print the measures against the index, side by side."""
    print()
    for label, portfolio in portfolios.items():
        first, last = portfolio.dates[[0, -1]]
        print(f"{label:<15}{first:%Y-%m-%d} to {last:%Y-%m-%d}, {len(portfolio)} days")
    summaries = {label: p.summary().loc[MEASURES] for label, p in portfolios.items()}
    table = pd.concat(summaries, axis="columns").apply(formatted, axis="columns")
    print(f"\n{table.rename_axis(index=None).to_string()}\n\n{REMARK}")


def formatted(row: pd.Series) -> pd.Series:
    """Write a measure in percent, or as a number where it is a ratio; nothing where it is nan."""
    style = "{:.2f}" if "ratio" in str(row.name) else "{:.3%}"
    return row.map(lambda value: "" if np.isnan(value) else style.format(value))


def print_weights(weights: pd.Series) -> None:
    """Print the weights as bars, the largest first."""
    print("\nWeights")
    for name, weight in weights.sort_values(ascending=False).items():
        capped = "  at its limit" if weight > MAX_WEIGHT - 1e-9 else ""
        print(f"  {name:<6}{weight:7.2%}  {'#' * round(400 * weight)}{capped}")


def print_proof(model: MinTrackingError) -> None:
    """Print who found the weights, and what is proven about them."""
    solution = model.solution_
    effort = f"{solution.iterations} iterations, {1000 * solution.seconds:.0f} ms"
    print("\nProof")
    print(f"  solver       {solution.solver}, {effort}")
    print(f"  objective    {solution.objective:.6%}  RMSE per day, in sample")
    print(f"  lower bound  {solution.lower_bound:.6%}  for every portfolio within the limits")
    print(f"  gap          {max(solution.gap, 0):.1e}    difference of the two, relative")


if __name__ == "__main__":
    main()
