"""The order of the gallery's examples: from the tracker to the odds and ends."""

_ORDER = [
    *("track_sp500", "weight_limits", "number_of_names", "grid_search", "covariances", "backtest", "how_often"),
    *("whole_shares", "tear_sheet", "least_cvar", "frontier", "penalty_or_limit", "roll", "which_risk", "drawdowns"),
    *("130_30", "sector_neutral", "carbon", "bond_desk", "custom_risk"),
]


class ReadingOrder:
    """Sort key of sphinx-gallery; an example that is not listed is an error, so that a new one finds its place."""

    def __init__(self, src_dir: str) -> None:
        """sphinx-gallery gives the folder."""

    def __call__(self, filename: str) -> int:
        """Place of an example."""
        return _ORDER.index(filename.removeprefix("plot_").removesuffix(".py"))
