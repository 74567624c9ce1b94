"""The least CVaR, without a benchmark and near the S&P 500: a published tutorial on the embedded data.

Run it by ``.venv/bin/python docs/examples/tracking_limit.py``.
"""

import pandas as pd
from sklearn.model_selection import train_test_split

from trackfolio import MeanRisk, Portfolio
from trackfolio.datasets import load_sp500
from trackfolio.risks import CVaR

RISK = CVaR(0.95)
LIMIT = 0.003


def main() -> None:
    """Fit both on the first two thirds, judge on the last, and print what came of it."""
    X, y = load_sp500(start="2014-01-01", return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.33, shuffle=False)

    free = MeanRisk(RISK, min_weights=-1).fit(X_train, y_train)
    near = MeanRisk(RISK, min_weights=-1, max_tracking_error=LIMIT).fit(X_train, y_train)
    models = {"least CVaR": free, f"RMSE <= {LIMIT:.1%}": near}

    print("The least CVaR of 20 stocks, long and short, and the same near the S&P 500")
    for sample, returns, index in (("in sample", X_train, y_train), ("out of sample", X_test, y_test)):
        portfolios = {name: model.predict(returns).relative_to(index) for name, model in models.items()}
        portfolios["S&P 500"] = Portfolio(index.to_frame(), [1.0])
        first, last = index.index[[0, -1]]
        print(f"\n{sample}, {first:%Y-%m-%d} to {last:%Y-%m-%d}, {len(index)} days, per day")
        print(table(portfolios).to_string())

    price = near.solution_.multipliers["max_tracking_error"]
    print(f"\nOne basis point more of tracking RMSE would take {price:.2f} off the CVaR in sample.")
    proven = max(model.solution_.gap for model in models.values()) < 1e-8
    print(f"Proven to be the least within the limits, to 8 digits: {'both' if proven else 'no'}.")


def table(portfolios: dict[str, Portfolio]) -> pd.DataFrame:
    """Measures per day, a row each; what needs a benchmark is left out for the benchmark itself."""
    columns = {}
    for name, portfolio in portfolios.items():
        active = portfolio.benchmark is not None
        columns[name] = {
            "tracking RMSE": f"{portfolio.tracking_rmse():.3%}" if active else "",
            "beta": f"{portfolio.beta():.2f}" if active else "",
            "CVaR 95 %": f"{portfolio.risk(RISK):.2%}",
            "CVaR ratio": f"{portfolio.ratio(RISK):.3f}",
            "mean return": f"{portfolio.mean_return():.3%}",
            "volatility": f"{portfolio.volatility():.2%}",
        }
    return pd.DataFrame(columns)


if __name__ == "__main__":
    main()
