"""Files for the command line, and how it is run."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from trackfolio.datasets import load_sp500

ROOT = Path(__file__).parents[2]
START = "2019"
COMMAND = [sys.executable, "-m", "trackfolio"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}


def write_files(folder):
    """The files that the page speaks of, and some more."""
    data = load_sp500(start=START)
    prices = data.prices.join(data.index)
    prices.to_csv(folder / "prices.csv")
    data.prices.to_csv(folder / "stocks.csv")
    data.index.to_csv(folder / "index.csv")
    sectors = pd.Series("other", index=data.prices.columns, name="group").rename_axis("asset")
    sectors[["AAPL", "MSFT", "AMD"]] = "tech"
    sectors["GE"] = None
    sectors.to_csv(folder / "sectors.csv")
    gaps = prices.copy()
    gaps.iloc[5, 0] = gaps.iloc[10, 2] = gaps.iloc[11, 2] = np.nan
    gaps.to_csv(folder / "gaps.csv")
    return prices


def write(text, name="f.csv"):
    Path(name).write_text(text, encoding="utf-8")
    return name


def table(*rows, header="Date,A,B,I"):
    return "\n".join([header, *rows]) + "\n"
