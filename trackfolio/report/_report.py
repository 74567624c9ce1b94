"""From a portfolio or a backtest to a file."""

from html import escape
from pathlib import Path
from typing import Any

from trackfolio.model_selection import Backtest
from trackfolio.portfolio import Portfolio
from trackfolio.report._figures import figures
from trackfolio.report._page import page, section
from trackfolio.report._proof import proof
from trackfolio.report._settings import settings
from trackfolio.report._tables import active_returns_by_month, headline, holdings, summary, trades


def report(
    subject: Any, path: Any, *, title: str | None = None, estimator: Any = None, overwrite: bool = False
) -> Path:
    """Write a tear sheet: one HTML file with all measures, pictures, holdings, and what the limits cost.

    It needs no network and no scripts, follows the reader's choice of a light or a dark screen, and prints.

    Parameters
    ----------
    subject : Portfolio or Backtest
        Of a backtest, the portfolio net of costs, with its trades.
    path : str or Path
        File to write; its folder must be there.
    title : str, default=None
        Heading; None for the name of the portfolio.
    estimator : estimator, default=None
        Fitted, for its multipliers, proof and settings. Of a backtest with ``return_estimator=True``, by default the
        last one.
    overwrite : bool, default=False
        Replace a file that is there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError
        For what is neither a portfolio nor a backtest.
    FileExistsError
        If there is such a file, and `overwrite` is False.
    FileNotFoundError
        If there is no such folder.
    ImportError
        Without matplotlib: ``pip install "trackfolio[plot]"``.

    Examples
    --------
    >>> import tempfile
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.report import report
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> model = MinTrackingError(max_weights=0.1).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = report(model.predict(X).relative_to(y), f"{folder}/tearsheet.html", estimator=model)
    ...     path.read_text()[:15]
    '<!DOCTYPE html>'
    """
    if not isinstance(subject, Portfolio | Backtest):
        raise TypeError(f"report takes a Portfolio or a Backtest, got {type(subject).__name__}.")
    file = Path(path)
    if file.exists() and not overwrite:
        raise FileExistsError(f"{file} is there already: choose another name, or set overwrite=True.")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {file.parent}: make it first.")
    file.write_text(tear_sheet(subject, title, estimator), encoding="utf-8")
    return file


def tear_sheet(subject: Portfolio | Backtest, title: str | None, estimator: Any) -> str:
    """The page."""
    is_backtest = isinstance(subject, Backtest)
    portfolio = subject.net if isinstance(subject, Backtest) else subject
    if estimator is None and isinstance(subject, Backtest) and subject.estimators:
        estimator = next((each for each in reversed(subject.estimators) if each is not None), None)
    name = title or portfolio.name or ("Backtest" if is_backtest else "Portfolio")
    sections = [
        section("Headline figures", headline(subject, portfolio)),
        *figures(subject, portfolio),
        section("Active returns by month", active_returns_by_month(portfolio)),
        section("Holdings and trades" if is_backtest else "Holdings", _columns(subject, portfolio)),
        section("What the limits cost", proof(estimator, "multipliers")),
        section("Proof", proof(estimator, "certificate")),
        section("All measures", summary(portfolio)),
        section("Settings", settings(subject, estimator)),
    ]
    return page(escape(name), portfolio, "".join(sections))


def _columns(subject: Portfolio | Backtest, portfolio: Portfolio) -> str:
    held = holdings(portfolio)
    return f'<div class="columns">{held}{trades(subject)}</div>' if isinstance(subject, Backtest) else held
