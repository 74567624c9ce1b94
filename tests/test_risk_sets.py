"""The sets in which multipliers of risks lie: projections against their optimality conditions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from trackfolio.risks._drawdown import _capped, _ends, _filled
from trackfolio.risks._sample import capped_simplex, finite, level, per_share
from trackfolio.risks._tail import weights_near


def furthest(direction, cap):
    """The largest direction·x over 0 <= x <= cap with Σx = 1: the best entries are filled first."""
    x, left = np.zeros(len(cap)), 1.0
    for place in np.argsort(-direction):
        x[place] = min(left, cap[place])
        left -= x[place]
    return direction @ x


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    size=st.sampled_from([1e-15, 1e-12, 1e-9, 1e-3, 1.0, 1e4]),
    near=st.booleans(),
    room=st.sampled_from([1.0, 1.3, 5.0, 1e3]),
)
def test_capped_simplex_is_the_nearest_point(seed, size, near, room):
    rng = np.random.default_rng(seed)
    n = 7
    cap = rng.dirichlet(np.ones(n)) * room
    cap[0] = 0.0 if rng.random() < 0.3 and cap[1:].sum() >= 1 else cap[0]
    inside = np.minimum(cap, 1.0) / np.minimum(cap, 1.0).sum()  # of sum 1, and below the caps
    v = inside * near + size * rng.standard_normal(n)
    point = capped_simplex(v, cap)
    assert_allclose(point.sum(), 1, rtol=1e-15)
    assert (point >= 0).all()
    assert (point <= cap * (1 + 1e-12)).all()
    # Nearest: no point of the set lies further in the direction of v.
    assert furthest(v - point, cap) - (v - point) @ point <= 1e-14 * (1 + size) ** 2


def test_capped_simplex_leaves_its_points_as_they_are():
    point = np.array([0.5, 0.25, 0.25, 0.0])
    assert_allclose(capped_simplex(point, np.ones(4)), point, atol=4e-16)
    assert_allclose(capped_simplex(point, np.array([0.5, 0.5, 0.25, 0.25])), point, atol=4e-16)
    # By hand: all of the surplus of the second entry goes, the caps of 0.4 bind for the first.
    assert_allclose(capped_simplex(np.array([2.0, 0.5, 0.3]), np.array([0.4, 1.0, 1.0])), [0.4, 0.4, 0.2], atol=1e-15)
    assert_allclose(capped_simplex(np.array([-3.0, -3.5, -9.0]), np.ones(3)), [0.75, 0.25, 0.0], atol=1e-14)


def entropy(weights, p):
    there = weights > 0
    return np.sum(weights[there] * np.log(weights[there] / p[there]))


def test_weights_near_have_the_entropy_that_is_allowed():
    p = np.array([0.1, 0.2, 0.3, 0.4])
    for weights in (np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.0, 0.0, 0.0, 1.0])):
        most = entropy(weights, p)
        assert_allclose(weights_near(weights, p, most + 1e-9), weights, rtol=0)
        for bound in (0.9 * most, 0.3 * most, 1e-3 * most):
            mixed = weights_near(weights, p, bound)
            assert_allclose(entropy(mixed, p), bound, rtol=1e-9)
            assert_allclose(mixed.sum(), 1, rtol=1e-14)
            share = (mixed - weights) / np.where(p == weights, 1.0, p - weights)
            assert_allclose(share, share[0], rtol=1e-9)  # a mixture of the two
    assert_allclose(weights_near(np.array([1.0, 0.0, 0.0, 0.0]), p, 0.0), p, atol=1e-7)


def brute_capped(q, cap, steps=60):
    """The largest x <= q with x_t - x_{t+1} <= cap, by repeated cutting."""
    x = q.copy()
    for _ in range(steps):
        x = np.minimum(x, np.append(x[1:], 0.0) + cap)
    return x


@pytest.mark.parametrize("cap", [0.05, 0.3, 1.0])
def test_capped_weights_are_the_largest_with_small_ends(cap):
    for q in np.random.default_rng(0).uniform(0, 1, (20, 9)):
        capped = _capped(q, cap)
        assert_allclose(capped, brute_capped(q, cap), atol=1e-15)
        assert _ends(capped).max() <= cap + 1e-15


def test_filled_to_one_level():
    for ends in np.random.default_rng(1).dirichlet(np.full(6, 0.5), 20) * 0.8:
        filled = _filled(ends)
        assert_allclose(filled.sum(), 1)
        raised = filled > ends + 1e-15
        assert raised.any()
        assert_allclose(filled[raised], filled.min())
        assert (filled >= ends).all()
    assert_allclose(_filled(np.array([0.0, 0.0])), [0.5, 0.5])


def test_shares_that_are_0_have_no_price():
    for n in (3, 40, 900):
        np.full(n, 7.0)  # memory that is used again should not show
        share = (np.arange(n) % 3 == 0) / n
        assert_allclose(per_share(np.ones(n), share), np.where(share > 0, n, 0.0), rtol=1e-14)
    assert_allclose(per_share(np.array([0.3, 0.5]), np.array([0.0, 0.25])), [0.0, 2.0], rtol=0)


def test_numbers_that_make_no_sense():
    for value in (np.inf, -np.inf):
        with pytest.raises(ValueError, match=r"It must be a finite number, got -?inf"):
            finite(value, "It")
    for value in (np.nan, "text", [1.0, 2.0]):
        with pytest.raises(ValueError, match=r"^It "):
            finite(value, "It")
    with pytest.raises(ValueError, match="It must be a finite number, got None"):
        finite(None, "It")
    for value in (0.0, 1.0, None):
        with pytest.raises(ValueError, match=r"Who.confidence must be a number between 0 and 1"):
            level(value, "Who")
