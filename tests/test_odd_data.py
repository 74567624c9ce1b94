"""Data that are legal but odd: they solve, with a proof."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MinTrackingError
from trackfolio.risks import RootMeanSquare, StandardDeviation, Variance

from .conftest import MANY


@MANY
@pytest.mark.parametrize("risk", [RootMeanSquare(), StandardDeviation(), Variance()], ids=lambda r: type(r).__name__)
def test_small_and_odd_data_solve(risk, market):
    X, y = market
    one_asset = MinTrackingError(risk).fit(X[:, :1], y)
    assert_allclose(one_asset.weights_, [1.0])
    duplicates = MinTrackingError(risk).fit(X[:, [0, 0, 0]], y)
    assert_allclose(duplicates.weights_.sum(), 1)
    constant = MinTrackingError(risk).fit(np.full((20, 3), 0.01), y[:20])
    assert constant.solution_.gap <= 1e-8
    nothing = MinTrackingError(risk).fit(np.zeros((20, 3)), np.zeros(20))
    assert nothing.solution_.objective == 0
    assert_allclose(nothing.weights_.sum(), 1)
    wide = MinTrackingError(risk).fit(X[:4], y[:4])
    assert wide.solution_.gap <= 1e-8


@MANY
def test_one_row(market):
    X, y = market
    model = MinTrackingError().fit(X[:1], y[:1])
    assert_allclose(model.weights_.sum(), 1)
    assert model.solution_.objective < 1e-9  # eight assets replicate one number
    with pytest.raises(ValueError, match="more than one period"):
        MinTrackingError(StandardDeviation()).fit(X[:1], y[:1])


@pytest.mark.parametrize("unit", [1e-4, 1, 100, 1e4], ids=["tiny", "returns", "percent", "basis points"])
def test_the_unit_of_returns_does_not_matter(unit, market):
    X, y = market
    model = MinTrackingError(min_weights=-1).fit(unit * X, unit * y)
    assert_allclose(model.weights_, MinTrackingError(min_weights=-1).fit(X, y).weights_, atol=1e-10)
    assert model.solution_.gap <= 1e-8
