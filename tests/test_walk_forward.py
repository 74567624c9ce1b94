"""Folds that walk forward, against rows counted by hand and periods grouped by pandas."""

import calendar
import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate

from trackfolio import MinTrackingError
from trackfolio.model_selection import WalkForward

DAYS = pd.bdate_range("2020-01-15", "2022-03-16").delete([40, 300, 301])


def frame(dates):
    return pd.DataFrame(np.zeros((len(dates), 1)), index=dates)


def lists(cv, X):
    return [(train.tolist(), test.tolist()) for train, test in cv.split(X)]


@pytest.mark.parametrize(
    ("cv", "folds"),
    [
        (WalkForward(3, 2), [([0, 1, 2], [3, 4]), ([2, 3, 4], [5, 6]), ([4, 5, 6], [7])]),
        (WalkForward(3, 2, keep_partial=False), [([0, 1, 2], [3, 4]), ([2, 3, 4], [5, 6])]),
        (WalkForward(3, 2, gap=1), [([0, 1, 2], [4, 5]), ([2, 3, 4], [6, 7])]),
        (WalkForward(3, 2, gap=2, expanding=True), [([0, 1, 2], [5, 6]), ([0, 1, 2, 3, 4], [7])]),
        (WalkForward(6), [([0, 1, 2, 3, 4, 5], [6]), ([1, 2, 3, 4, 5, 6], [7])]),
        (WalkForward(np.int64(2), np.int32(6)), [([0, 1], [2, 3, 4, 5, 6, 7])]),
        (WalkForward(7, 5), [([0, 1, 2, 3, 4, 5, 6], [7])]),
    ],
    ids=str,
)
def test_rows_are_those_counted_by_hand(cv, folds):
    for X in (np.zeros((8, 2)), [[0.0]] * 8, frame(DAYS[:8])):
        assert lists(cv, X) == folds
        assert cv.get_n_splits(X) == len(folds)


# By the calendar.


def third_friday(day):
    """The first third Friday of a month on or after a day."""
    for months in range(2):
        year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
        fridays = [week[4] for week in calendar.monthcalendar(year, month + 1) if week[4]]
        if pd.Timestamp(year, month + 1, fridays[2]) >= day:
            return pd.Timestamp(year, month + 1, fridays[2])
    raise AssertionError


# Label of the period of each day, by other means than offsets.
LABELS = {
    "ME": lambda days: days.to_period("M"),
    "BME": lambda days: days.to_period("M"),
    "MS": lambda days: days.to_period("M"),
    "QE": lambda days: days.to_period("Q"),
    "QS": lambda days: days.to_period("Q"),
    "YE": lambda days: days.year,
    "W-WED": lambda days: days.to_period("W-WED"),
    "WOM-3FRI": lambda days: [third_friday(day) for day in days],
}


def periods_of(days, freq):
    """Rows of each period."""
    return list(pd.Series(np.arange(len(days))).groupby(LABELS[freq](days)).indices.values())


@pytest.mark.parametrize("freq", LABELS)
@pytest.mark.parametrize(("train", "step"), [(1, 1), (1, 2), (5, 3)])
@pytest.mark.parametrize("expanding", [False, True])
def test_calendar_is_that_of_groups_in_pandas(freq, train, step, expanding):
    days = DAYS if freq != "YE" else pd.bdate_range("2014-02-03", "2022-12-30")
    if freq in ("MS", "QS") and expanding:  # also where the first date is that of a beginning
        days = pd.bdate_range("2020-01-01", "2022-03-16")
    groups = periods_of(days, freq)
    cv = WalkForward(train, step, freq=freq, expanding=expanding)
    folds = list(cv.split(frame(days)))
    cut = days[0] != pd.Timestamp("2020-01-01")  # the data begin within their first period, which does not count
    assert len(folds) == -(-(len(groups) - cut - train) // step)
    for k, (past, test) in zip(range(train + cut, len(groups), step), folds, strict=True):
        assert_array_equal(past, np.concatenate(groups[0 if expanding else k - train : k]))
        assert_array_equal(test, np.concatenate(groups[k : k + step]))


@pytest.mark.parametrize("gap", [1, 3])
def test_a_gap_is_taken_from_the_end_of_the_training_set(gap):
    X = frame(DAYS)
    plain, gapped = (list(WalkForward(2, freq="ME", gap=g).split(X)) for g in (0, gap))
    for (train, test), (shorter, same) in zip(plain, gapped, strict=True):
        assert_array_equal(shorter, train[:-gap])
        assert_array_equal(same, test)


@pytest.mark.parametrize(
    ("span", "since"),
    [
        ("365D", lambda day: day - datetime.timedelta(days=365)),
        (datetime.timedelta(days=365), lambda day: day - datetime.timedelta(days=365)),
        (pd.DateOffset(years=1), lambda day: day.replace(year=day.year - 1)),
    ],
    ids=["string", "timedelta", "offset"],
)
@pytest.mark.parametrize("expanding", [False, True])
def test_spans_of_time_reach_back_from_the_last_row_before_the_trade(span, since, expanding):
    folds = list(WalkForward(span, freq="ME", expanding=expanding).split(frame(DAYS)))
    groups = periods_of(DAYS, "ME")
    assert folds[0][1][0] == groups[13][0]  # the first month's end that is a year after 2020-01-15 is that of 2021-01
    assert len(folds) == len(groups) - 13
    for train, test in folds:
        assert train[-1] == test[0] - 1
        assert DAYS[train[0]] == (DAYS[0] if expanding else DAYS[since(DAYS[train[-1]]) < DAYS][0])


def test_a_span_that_reaches_back_to_the_first_row_exactly_is_long_enough():
    days = pd.date_range("2020-01-31", "2021-05-31")
    train, test = next(WalkForward(pd.DateOffset(years=1), freq="ME").split(frame(days)))
    assert (days[train[0]], days[test[0]]) == (pd.Timestamp("2020-02-01"), pd.Timestamp("2021-02-01"))


@pytest.mark.parametrize(
    ("last", "complete"), [("2022-03-16", False), ("2022-03-30", False), ("2022-03-31", True)], ids=str
)
def test_a_month_is_complete_when_its_last_date_is_reached(last, complete):
    days = DAYS.union(pd.bdate_range("2022-03-17", "2022-03-31"))
    days = days[days <= last]
    kept, dropped = (list(WalkForward(12, freq="ME", keep_partial=keep).split(frame(days))) for keep in (True, False))
    assert kept[-1][1][-1] == len(days) - 1
    assert len(dropped) == len(kept) - (not complete)
    for a, b in zip(kept, dropped, strict=False):
        assert_array_equal(a[1], b[1])
    # Three months at once, the last of which may be cut short.
    thirds = list(WalkForward(11, 3, freq="ME", keep_partial=False).split(frame(days)))
    assert days[thirds[-1][1][-1]] == pd.Timestamp("2022-03-31" if complete else "2021-12-31")


def test_periods_without_rows_are_left_out():
    days = DAYS[(DAYS < "2021-02-01") | (DAYS >= "2021-05-01")]
    tests = [test for _, test in WalkForward(6, freq="ME").split(frame(days))]
    assert_array_equal(np.concatenate(tests), np.arange(tests[0][0], len(days)))
    assert min(map(len, tests)) > 0


def test_hours_and_periods_as_the_index():
    hours = pd.date_range("2024-01-01", periods=24 * 5, freq="h")
    assert [len(test) for _, test in WalkForward(2, freq="D").split(frame(hours))] == [24, 24, 24]
    assert lists(WalkForward(2, freq="12h"), frame(hours))[0][1] == list(range(24, 36))  # midnight to noon
    months = pd.period_range("2020-01", periods=24, freq="M")
    assert lists(WalkForward(2, freq="QE"), frame(months))[0] == ([0, 1, 2, 3, 4, 5], [6, 7, 8])


def test_the_time_zone_is_that_of_the_market():
    aware = DAYS.tz_localize("America/New_York")
    assert lists(WalkForward(3, freq="ME"), frame(aware)) == lists(WalkForward(3, freq="ME"), frame(DAYS))
    # At 22:00 in New York, the month has already changed in UTC.
    late = frame(aware + pd.Timedelta(hours=22))
    assert lists(WalkForward("90D", freq="ME"), late) == lists(WalkForward("90D", freq="ME"), frame(DAYS))


def test_the_time_of_day_does_not_move_a_row_out_of_its_month():
    evenings = frame(DAYS + pd.Timedelta(hours=17))
    for freq in ("ME", "MS", "W-WED"):
        assert lists(WalkForward(3, freq=freq), evenings) == lists(WalkForward(3, freq=freq), frame(DAYS))


def test_rows_of_the_same_date_stay_together():
    twice = frame(DAYS.repeat(2))
    for (train, test), (train2, test2) in zip(
        WalkForward(2, freq="ME").split(frame(DAYS)), WalkForward(2, freq="ME").split(twice), strict=True
    ):
        for rows, doubled in ((train, train2), (test, test2)):
            assert_array_equal(doubled, np.arange(2 * rows[0], 2 * rows[-1] + 2))


# Properties.

sizes = st.integers(1, 12)


def check_properties(folds, n_rows, cv):
    tests = np.concatenate([test for _, test in folds])
    assert_array_equal(tests, np.arange(tests[0], tests[0] + len(tests)))
    if cv.keep_partial:
        assert tests[-1] == n_rows - 1
    for train, test in folds:
        assert len(train) > 0
        assert len(test) > 0
        assert_array_equal(train, np.arange(train[0], train[-1] + 1))
        assert test[0] - train[-1] == 1 + cv.gap
        assert not cv.expanding or train[0] == 0


@given(st.integers(1, 60), sizes, sizes, st.integers(0, 5), st.booleans(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_properties_of_folds_by_rows(n_rows, train, step, gap, expanding, keep):
    cv = WalkForward(train, step, gap=gap, expanding=expanding, keep_partial=keep)
    n_folds = (n_rows - train - gap) / step
    n_folds = max(int(np.ceil(n_folds) if keep else np.floor(n_folds)), 0)
    if n_folds == 0:
        with pytest.raises(ValueError, match=f"No fold in {n_rows} rows"):
            list(cv.split(np.zeros((n_rows, 1))))
        return
    folds = list(cv.split(np.zeros((n_rows, 1))))
    check_properties(folds, n_rows, cv)
    assert len(folds) == n_folds
    assert all(len(past) == train for past, _ in folds[: None if not expanding else 1])
    assert all(len(test) == step for _, test in folds[: None if not keep else -1])


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=80),
    st.sampled_from(["ME", "MS", "QE", "W-WED", "WOM-3FRI", "BME", "2W-FRI"]),
    st.one_of(st.integers(1, 3), st.sampled_from(["30D", "100D"])),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_properties_of_folds_by_the_calendar(offsets, freq, train, step, expanding, keep):
    days = pd.DatetimeIndex(sorted(pd.Timestamp("2020-01-01") + pd.Timedelta(days=k) for k in offsets))
    cv = WalkForward(train, step, freq=freq, expanding=expanding, keep_partial=keep)
    try:
        folds = list(cv.split(frame(days)))
    except ValueError as error:
        assert "No fold" in str(error)  # noqa: PT017
        return
    check_properties(folds, len(days), cv)
    if isinstance(train, str):
        first = days[folds[0][0][-1]]
        assert first - pd.Timedelta(train) >= days[0]
        longest = max(days[past[-1]] - days[past[0]] for past, _ in folds)
        assert expanding or longest < pd.Timedelta(train)


# In scikit-learn, and what is refused.


def test_searches_and_cross_validation_take_it(frames):
    X, y = frames
    cv = WalkForward(40, 20)
    scored = cross_validate(MinTrackingError(), X, y, cv=cv, return_indices=True)
    assert_array_equal(scored["indices"]["test"][1], np.arange(60, 80))
    assert len(scored["test_score"]) == 4
    search = GridSearchCV(MinTrackingError(), {"max_weights": [0.2, 1.0]}, cv=WalkForward(2, freq="ME"))
    assert search.fit(X, y).n_splits_ == len(list(search.cv.split(X)))
    assert repr(clone(search).cv) == repr(search.cv)


def test_it_prints_its_parameters_and_takes_those_of_its_constructor():
    text = repr(WalkForward(252, 21, freq="ME", gap=1)).replace("\n", "")
    for part in ("train_size=252", "test_size=21", "freq='ME'", "gap=1", "expanding=False", "keep_partial=True"):
        assert part in text
    with pytest.raises(TypeError):
        WalkForward(252, 21, "ME")


@pytest.mark.parametrize(
    ("cv", "said"),
    [
        (WalkForward(0), "train_size must be a whole number of at least 1, got 0"),
        (WalkForward(-5), "train_size.*-5"),
        (WalkForward(True), "train_size.*True"),
        (WalkForward(5.0), r"train_size.*5\.0"),
        (WalkForward(np.float64(5)), "train_size.*5"),
        (WalkForward(None), "train_size.*None"),
        (WalkForward(pd.DateOffset(years=1)), r"train_size.*years=1.*needs freq"),
        (WalkForward(datetime.timedelta(days=5)), r"train_size.*5.*needs freq"),
        (WalkForward(3, 0), "test_size must be a whole number of at least 1, got 0"),
        (WalkForward(3, 1.5), r"test_size.*1\.5"),
        (WalkForward(3, "ME"), "test_size.*'ME'"),
        (WalkForward(3, gap=-1), "gap must be a whole number of at least 0, got -1"),
        (WalkForward(3, gap=False), "gap.*False"),
        (WalkForward(0, freq="ME"), "train_size.*at least 1, got 0"),
        (WalkForward(True, freq="ME"), "train_size.*True"),
        (WalkForward(2.5, freq="ME"), r"train_size must be a whole number, or a span of time such as '365D', got 2\.5"),
        (WalkForward(2, 0, freq="ME"), "test_size.*got 0"),
        (WalkForward(2, freq="ME", gap=-1), "gap.*got -1"),
        (WalkForward(2, freq="MEH"), "MEH"),
        (WalkForward("bad", freq="ME"), "bad"),
        (WalkForward(len(DAYS)), rf"No fold in {len(DAYS)} rows.*train_size={len(DAYS)}.*Give more rows, or smaller"),
        (WalkForward(99, freq="QE"), r"No fold.*train_size=99.*test_size=1 periods of 'QE'.*Give more rows"),
        (WalkForward("9999D", freq="ME"), "No fold.*train_size='9999D'.*Give more rows"),
        (WalkForward("-3D", freq="ME"), "nothing to train on .*train_size='-3D'"),
        (WalkForward(len(DAYS) - 2, gap=2), "No fold.*gap of 2 rows"),
    ],
    ids=str,
)
def test_sizes_that_are_none_are_refused(cv, said):
    with pytest.raises(ValueError, match=said):
        list(cv.split(frame(DAYS)))


def test_rows_without_dates_or_out_of_order_are_refused():
    X = frame(DAYS)
    for undated in (X.to_numpy(), X.reset_index(drop=True)):
        with pytest.raises(ValueError, match="freq='ME' needs dates: give X as a DataFrame with a DatetimeIndex"):
            list(WalkForward(3, freq="ME").split(undated))
    swapped = X.iloc[[0, 1, 3, 2, *range(4, len(X))]]
    for cv in (WalkForward(3), WalkForward(3, freq="ME")):
        with pytest.raises(ValueError, match=r"not in order: 2020-01-17 in row 3 comes after 2020-01-20.*Sort X and y"):
            list(cv.split(swapped))
    with pytest.raises(ValueError, match="give X"):
        WalkForward(3).get_n_splits()


# Faults, known and not mended yet.


def test_a_span_as_a_string_without_freq_is_explained():
    with pytest.raises(ValueError, match="needs freq"):
        list(WalkForward("365D").split(frame(DAYS)))


def test_a_span_as_a_timedelta_of_numpy_is_one_of_pandas():
    X = frame(DAYS)
    assert lists(WalkForward(np.timedelta64(365, "D"), freq="ME"), X) == lists(WalkForward("365D", freq="ME"), X)


@pytest.mark.parametrize("cv", [WalkForward(3, freq=5), WalkForward(3, freq="MEH"), WalkForward("bad", freq="ME")])
def test_what_pandas_does_not_know_is_explained(cv):
    with pytest.raises(ValueError, match=r"freq must be|train_size must be"):
        list(cv.split(frame(DAYS)))


def test_no_rows_at_all_are_no_fold_by_the_calendar():
    with pytest.raises(ValueError, match="No fold in 0 rows"):
        list(WalkForward(3, freq="ME").split(frame(DAYS[:0])))


def test_a_gap_that_eats_up_one_training_set_leaves_no_break():
    cv = WalkForward(1, freq="W-FRI", gap=4)
    try:
        check_properties(list(cv.split(frame(DAYS))), len(DAYS), cv)
    except ValueError as error:
        assert "gap" in str(error)  # noqa: PT017


def test_a_first_period_that_began_before_the_data_is_no_training_period():
    train, _ = next(WalkForward(1, freq="ME").split(frame(pd.bdate_range("2020-01-30", "2020-06-30"))))
    assert len(train) > 2
