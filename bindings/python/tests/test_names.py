"""What has names is aligned by them, and refused where they do not match."""

import numpy as np
import pytest
from conftest import SMALL, learned_the_same

import chreode

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def frame(cells):
    return pandas.DataFrame(cells[0], columns=["gene A", "gene B"], index=[f"cell{k}" for k in range(len(cells[0]))])


def shuffled(series):
    return series.sample(frac=1, random_state=0)


def test_series_of_times_and_weights_are_aligned_with_a_frame(frame, cells, model):
    x, t = cells
    weights = 1 + np.arange(len(x)) % 3
    expected = chreode.Snapshots(x, t, weights=weights)
    time, weight = pandas.Series(t, frame.index), pandas.Series(weights, frame.index)
    given = chreode.Snapshots(frame, shuffled(time), weights=shuffled(weight))
    assert given.coordinates == ["gene A", "gene B"]
    for k in range(5):
        assert np.array_equal(given.points(k), expected.points(k))
        assert np.array_equal(given.weights(k), expected.weights(k))
    fitted = chreode.fit(frame, shuffled(time), **SMALL)
    assert learned_the_same(fitted, model)
    assert np.array_equal(fitted.velocity(frame, shuffled(time)), model.velocity(x, t))


def test_weights_are_aligned_with_the_times_where_the_cells_have_no_names(cells):
    x, t = cells
    time, weights = pandas.Series(t), pandas.Series(1.0 + np.arange(len(x)))
    given = chreode.Snapshots(x, time, weights=shuffled(weights))
    assert np.array_equal(given.weights(0), 1.0 + np.flatnonzero(t == 0))


def test_other_names_are_refused(frame, cells):
    x, t = cells
    for time in [pandas.Series(t), pandas.Series(t[1:], frame.index[1:])]:
        with pytest.raises(
            chreode.InvalidArgumentError, match="time must have a value for each cell by its name.*'cell0'"
        ):
            chreode.Snapshots(frame, time)
    twice = frame.set_axis(["same"] * len(frame))
    with pytest.raises(chreode.InvalidArgumentError, match="unique"):
        chreode.Snapshots(twice, pandas.Series(t, frame.index))
    assert len(chreode.Snapshots(twice, pandas.Series(t, twice.index))) == 5


def test_coordinates_are_taken_by_their_names(frame, cells):
    x, t = cells
    model = chreode.fit(frame, t, **SMALL)
    assert model.coordinates == ["gene A", "gene B"]
    turned = frame[["gene B", "gene A"]]
    wider = turned.assign(other=1.0)
    for same in [turned, wider]:
        assert np.array_equal(model.velocity(same, 0.5), model.velocity(x, 0.5))
        assert model.evaluate(same, t).mean_w1 == model.evaluate(x, t).mean_w1
    one, other = (model.simulate(points[:20]).frames[-1].points for points in (turned, frame))
    assert np.array_equal(one, other)
    with pytest.raises(chreode.InvalidArgumentError, match="coordinates gene A, gene B, .*got gene A, gene C"):
        model.velocity(frame.set_axis(["gene A", "gene C"], axis=1), 0.5)
    with pytest.raises(chreode.InvalidArgumentError, match="snapshots must have the coordinates"):
        model.evaluate(chreode.Snapshots(turned, t))


def test_masses_go_by_time(frame, cells, snapshots):
    x, t = cells
    expected = [10.0, 20.0, 30.0, 40.0, 50.0]
    counts = pandas.Series(np.repeat([0.0, 1, 2, 3, 4], [10, 20, 30, 40, 50])).value_counts()
    assert list(counts.index) == [4, 3, 2, 1, 0], "not in the order of time"
    for masses in [counts, dict(counts), {3: 40, 1: 20, 2: 30, 4: 50, 0: 10}, expected]:
        assert np.allclose(chreode.Snapshots(x, t, masses=masses).masses, expected, rtol=1e-12)
        assert np.allclose(snapshots.with_masses(masses).masses, expected, rtol=1e-12)
    days = [f"day{time:g}" for time in t]
    by_label = {f"day{k}": mass for k, mass in enumerate(expected)}
    labelled = chreode.Snapshots(x, days, masses=pandas.Series(by_label)[::-1])
    assert np.allclose(labelled.masses, expected, rtol=1e-12)
    for wrong in [{0: 1.0, 1: 2.0}, {**dict(counts), 5: 1.0}, counts.set_axis([1, 2, 3, 4, 5]), {}]:
        with pytest.raises(chreode.InvalidArgumentError, match="each of the times 0, 1, 2, 3, 4, got"):
            chreode.Snapshots(x, t, masses=wrong)


def test_transport_of_frames(frame):
    weights = pandas.Series(1.0 + np.arange(20), frame.index[:20])
    plan = chreode.transport(frame[:20], frame[20:50][["gene B", "gene A"]], source_weights=shuffled(weights))
    expected = chreode.transport(frame[:20].to_numpy(), frame[20:50].to_numpy(), source_weights=weights.to_numpy())
    assert plan.report["primal"] == expected.report["primal"]
