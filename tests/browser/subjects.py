"""What is shown in the browser: each function writes a page to a file."""

import warnings
from functools import cache

import numpy as np
import pandas as pd

from trackfolio import EqualWeighted, MeanRisk, MinTrackingError, Portfolio
from trackfolio.constraints import MaxTurnover
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import WalkForward, backtest
from trackfolio.report import report
from trackfolio.risks import CVaR

EVIL = "<script>alert(1)</script>"
LONG = "A fund of shares of small companies, hedged to dollars, accumulating, class R2-Z (previously class R1) " * 2
UNBROKEN = "Investmentaktiengesellschaftsverwaltungsgesellschaftsanteilsklasse" * 2
# The colours of JupyterLab and VS Code. axe takes for white what a page leaves to the browser.
BARE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notebook</title><style>:root{{color-scheme:light dark}}
body{{font-family:sans-serif;background:#fff;color:rgba(0,0,0,.87)}}
@media (prefers-color-scheme:dark){{body{{background:#1f1f1f;color:#ccc}}}}</style></head>
<body><main><h1>Notebook</h1>{}</main></body></html>
"""


@cache
def market():
    X, y = load_sp500(start="2020-06-01", return_X_y=True)
    return X.rename(columns={"AAPL": EVIL, "MSFT": LONG, "KO": UNBROKEN}), y


@cache
def model():
    X, y = market()
    return MinTrackingError(max_weights=0.08, benchmark_weights=dict.fromkeys(X.columns, 0.05)).fit(X, y)


@cache
def portfolio():
    X, y = market()
    weights = dict.fromkeys(X.columns, 0.05)
    return model().predict(X).relative_to(y.rename(EVIL), benchmark_weights=weights).replace(name=UNBROKEN)


class Halting(MeanRisk):
    """Fails in the second half of 2022, with a long reason."""

    def fit(self, X, y=None, **options):
        if X.index[-1] > pd.Timestamp("2022-07-01"):
            raise ValueError(f"{EVIL} {LONG} {UNBROKEN}")
        return super().fit(X, y, **options)


@cache
def tested():
    X, y = market()
    models = {
        "tracker": MinTrackingError(max_weights=0.1, constraints=[MaxTurnover(0.03)]),
        EVIL: Halting(constraints=[("cap", MaxTurnover(0.05))]),
        LONG: EqualWeighted(),
    }
    options = {"cv": WalkForward("365D", freq="ME"), "transaction_costs": 0.001, "return_estimator": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return backtest(models, X, y, progress=False, error_score="hold", **options)


def sheet(subject, **options):
    return lambda path: report(subject(), path, **{key: each() for key, each in options.items()})


def notebook(subject):
    return lambda path: path.write_text(BARE.format(subject()._repr_html_()), encoding="utf-8")


def nearly_nothing():
    return Portfolio(np.array([[0.0, 0.0]]), [0.0, 0.0])


def plain():
    return Portfolio(market()[0], np.full(20, 0.05))


def losing():
    rng = np.random.default_rng(0)
    returns = rng.normal(-0.02, 0.03, (60, 3))
    return Portfolio(returns, [1.5, -0.75, 0.25], benchmark=returns[:, 0], name="Long and short")


def nested():
    return MeanRisk(risk=CVaR(0.9), constraints=[MaxTurnover(0.1), ("cap", MaxTurnover(0.2))])


SHEETS = {
    "sheet_portfolio": sheet(portfolio, estimator=model),
    "sheet_backtest": sheet(lambda: tested()["tracker"]),
    "sheet_failed": sheet(lambda: tested()[EVIL]),
    "sheet_plain": sheet(plain, title=lambda: LONG),
    "sheet_short": sheet(losing),
    "sheet_nearly_nothing": sheet(nearly_nothing),
}
CARDS = {
    "card_portfolio": notebook(portfolio),
    "card_backtest": notebook(lambda: tested()["tracker"]),
    "card_failed": notebook(lambda: tested()[EVIL]),
    "card_backtests": notebook(tested),
    "card_nearly_nothing": notebook(nearly_nothing),
}
ESTIMATORS = {"estimator": notebook(nested), "estimator_fitted": notebook(model)}
SUBJECTS = SHEETS | CARDS | ESTIMATORS
