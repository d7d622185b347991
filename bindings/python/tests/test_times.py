"""Labels of times."""

import datetime
import logging

import numpy as np
import pytest
from conftest import SMALL

import chreode

X = np.random.default_rng(1).random((6, 2))


def times(labels):
    return list(chreode.Snapshots(X, labels).times)


def test_labels_that_are_numbers_between_the_same_words():
    for labels, expected in [
        (["day0", "day2", "day10"], [0, 2, 10]),
        (["E8.5", "E7.25", "E9"], [7.25, 8.5, 9]),
        (["3h", "24h", "120h"], [3, 24, 120]),
        (["day-1", "day0", "day1"], [-1, 0, 1]),
        (["1", "2.5", "10"], [1, 2.5, 10]),
        (["day 0 (control)", "day 1 (control)", "day 2 (control)"], [0, 1, 2]),
    ]:
        assert times(labels * 2) == expected
        assert times(np.array(labels * 2, object)) == expected


def test_durations_and_dates_are_days():
    hours = np.array([0, 12, 36], "timedelta64[h]")
    assert times(np.tile(hours, 2)) == [0, 0.5, 1.5]
    assert times([datetime.timedelta(days=d) for d in (1, 2, 4)] * 2) == [1, 2, 4]
    dates = np.array(["2024-02-28", "2024-03-01", "2024-03-02"], "datetime64[D]")
    assert times(np.tile(dates, 2)) == [0, 2, 3]
    assert times([datetime.date(2024, 3, d) for d in (1, 2, 4)] * 2) == [0, 1, 3]


def test_what_pandas_makes_of_times():
    pandas = pytest.importorskip("pandas")
    days = ["day10", "day2", "day0"] * 2
    for labels in [
        pandas.Categorical(days, ["day0", "day2", "day10"], ordered=True),
        pandas.Series(days, dtype="string"),
        pandas.Series([10, 2, 0] * 2, dtype="Int64"),
        pandas.Series(pandas.to_timedelta([10, 2, 0] * 2, unit="D")),
    ]:
        assert times(labels) == [0, 2, 10]
    assert times(pandas.Series(pandas.to_datetime(["2024-01-11", "2024-01-03", "2024-01-01"] * 2))) == [0, 2, 10]
    for missing in [pandas.Series([0, 1, None] * 2, dtype="Int64"), pandas.Categorical(["day0", "day1", None] * 2)]:
        with pytest.raises(chreode.InvalidDataError, match="for row 3 and 1 others"):
            times(missing)
    with pytest.raises(chreode.InvalidDataError, match="NaT for row 2 "):
        times(pandas.to_datetime(pandas.Series(["2024-01-01", None, "2024-01-03"] * 2)))


@pytest.mark.parametrize(
    "labels, why",
    [
        (["early", "late", "later"], "'early' does not have one number"),
        (["day0", "day1", "E8.5"], "not all are like"),
        (["12h", "1d", "2d"], "not all are like"),
        (["day-1", "day-2", "day-3"], "may be a dash"),
        (["2024-01-01", "2024-01-02", "2024-01-03"], "does not have one number"),
        (["day0", "day1", ""], "'' does not have one number"),
    ],
)
def test_labels_that_mean_nothing_certain_are_refused_with_their_levels(labels, why):
    with pytest.raises(chreode.InvalidArgumentError) as caught:
        times(labels * 2)
    told = str(caught.value)
    assert why in told and all(repr(label) in told for label in labels) and ".map({" in told


def test_cells_without_a_time_are_named():
    pandas = pytest.importorskip("pandas")
    anndata = pytest.importorskip("anndata")
    obs = pandas.DataFrame({"day": [0.0, 0, np.nan, 1, 1, 1]}, index=[f"cell{k}" for k in range(6)])
    data = anndata.AnnData(obs=obs, obsm={"X_pca": X})
    with pytest.raises(chreode.InvalidDataError, match=r"time .* got nan for the cell 'cell2' \(row 3\)"):
        chreode.fit(data, "day", **SMALL)
    with pytest.raises(chreode.InvalidDataError, match=r"weights .* the cell 'cell2'"):
        chreode.fit(data, np.repeat([0, 1], 3), weights="day", **SMALL)


def test_the_mapping_is_told_to_a_logger(caplog):
    with caplog.at_level(logging.INFO, logger="chreode"):
        times(["day0", "day2", "day10"] * 2)
    assert "day0 → 0, day2 → 2, day10 → 10" in caplog.text


def test_a_model_reads_later_labels_as_those_of_its_fit(cells):
    x, t = cells
    dates = np.datetime64("2024-01-01") + t.astype("timedelta64[D]")
    model = chreode.fit(x, dates, **SMALL)
    later = t >= 1
    assert np.array_equal(model.velocity(x[later], dates[later]), model.velocity(x[later], t[later]))
    for labels in [np.char.add("day", t.astype(int).astype(str)), t.astype("timedelta64[D]")]:
        with pytest.raises(chreode.InvalidArgumentError, match="like those of the fit"):
            model.velocity(x, labels)
    model = chreode.fit(x, np.char.add("day", t.astype(int).astype(str)), **SMALL)
    assert model.info["times"] == [0, 1, 2, 3, 4]
    with pytest.raises(chreode.InvalidArgumentError, match="fitted to labels like day…"):
        model.evaluate(x, np.char.add("E", t.astype(int).astype(str)))
