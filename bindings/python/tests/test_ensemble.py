"""Ensembles: members, error bars of fields, masses and measures."""

import pickle

import numpy as np
import pytest

import chreode


@pytest.fixture(scope="module")
def ensemble(snapshots):
    return chreode.fit(snapshots, method="usb", hidden="8x2", epochs=5, batch_size=8, ensemble=3, threads=2)


def test_members_and_their_mean(ensemble, snapshots):
    x = snapshots.points(1)
    assert ensemble.members == 3 and ensemble.info["uncertainty"]["growth"]["sampling"] > 0
    members = [ensemble.member(index) for index in range(3)]
    assert [member.members for member in members] == [1, 1, 1]
    growth = np.array([member.growth(x, 1.0) for member in members])
    np.testing.assert_allclose(ensemble.growth(x, 1.0), growth.mean(0), atol=1e-6)
    again = pickle.loads(pickle.dumps(ensemble))
    assert again.members == 3 and (again.field_sd("growth", x, 1.0) == ensemble.field_sd("growth", x, 1.0)).all()
    for index in [3, -1]:
        with pytest.raises(chreode.InvalidArgumentError, match="member must be"):
            ensemble.member(index)


def test_deviations_and_quantiles(ensemble, snapshots):
    x, times = snapshots.points(1), np.full(len(snapshots.points(1)), 1.0)
    for name in ["velocity", "growth", "score_drift"]:
        mean, sd = ensemble.field(name, x, 1.0), ensemble.field_sd(name, x, 1.0)
        assert sd.shape == mean.shape and (sd > 0).all()
        members = np.array([ensemble.member(index).field(name, x, 1.0) for index in range(3)])
        error = ensemble.info["uncertainty"][name]
        assert (sd >= error["shrinkage"] * ensemble.deviation_over_members(members) * (1 - 1e-5)).all()
        high, middle = (ensemble.field_quantile(name, level, x, times) for level in (0.95, 0.5))
        np.testing.assert_allclose(high, middle + 1.6448536 * sd, rtol=1e-4, atol=1e-5)
        assert (middle != mean).any() == error["biased"]
    with pytest.raises(chreode.InvalidArgumentError, match="the level of a quantile"):
        ensemble.field_quantile("growth", 1.0, x, 1.0)


def test_what_members_give_is_stretched_to_what_other_cells_would_give(ensemble, model):
    # Their weights have a quarter of the variance that drawn cells have.
    assert (ensemble.info["stretch"], model.info["stretch"]) == (2, 1)
    assert ensemble.member(0).simulate([[0.0, 0.0]], [0.0, 1.0]).origin.stretch == 2
    np.testing.assert_allclose(ensemble.deviation_over_members([[1, 0], [2, 0], [6, 0]]), [2 * 7**0.5, 0])
    assert ensemble.deviation_over_members([1, 2, 6]) == pytest.approx(2 * 7**0.5)
    for one, values in [(ensemble, [1, 2]), (ensemble, 3.0), (model, [1])]:
        with pytest.raises(chreode.InvalidArgumentError, match="of_members must be of each of two or more members"):
            one.deviation_over_members(values)


def test_a_plain_model_has_no_error_bars(model, snapshots):
    x = snapshots.points(0)
    assert model.members == 1 and model.info["uncertainty"] is None
    with pytest.raises(chreode.InvalidArgumentError, match="2 or more"):
        model.field_sd("growth", x, 0.5)
    run = model.simulate(x, [0.0, 1.0])
    assert np.isnan(run.mass_sd).all() and 0 <= run.outside <= 1
    assert chreode.fit(snapshots, hidden="4", epochs=1, guard=False).simulate(x, [0.0, 1.0]).outside is None
    assert np.isnan(model.evaluate(snapshots).w1_error).all()


def test_masses_and_measures(ensemble, snapshots):
    run = ensemble.simulate(snapshots.points(0), [0.0, 1.0, 2.0])
    assert run.mass_sd[0] == 0 and (run.mass_sd[1:] > 0).all() and run.masses[0] == len(snapshots.points(0))
    assert "±" in run._repr_html_()
    off = ensemble.simulate(snapshots.points(0), [0.0, 1.0, 2.0], error_bars=False)
    assert np.isnan(off.mass_sd).all() and (off.masses == run.masses).all()
    measured = ensemble.evaluate(snapshots)
    assert (measured.w1_error > 0).all() and (measured.rme_error > 0).all()
