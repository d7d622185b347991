"""Plots: what is drawn is what was computed, with bands where there are error bars."""

import os

import numpy as np
import pytest

import chreode

if os.environ.get("CI") == "true":
    import matplotlib
else:
    matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from chreode import plot  # noqa: E402

Z = 1.6448536


@pytest.fixture(scope="module")
def ensemble(snapshots):
    return chreode.fit(snapshots, method="usb", hidden="8x2", epochs=5, batch_size=8, ensemble=2, threads=2)


def band_of(ax):
    """The lower and the upper border at each place of the only band."""
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    places = np.unique(corners[:, 0])
    at = [corners[corners[:, 0] == place, 1] for place in places]
    return places, np.array([c.min() for c in at]), np.array([c.max() for c in at])


def test_bands_of_an_ensemble(ensemble, snapshots):
    run = ensemble.simulate(snapshots.points(0), [0.0, 1.0, 2.0])
    ax = plot.mass(run, color="black")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), run.masses)
    places, low, high = band_of(ax)
    np.testing.assert_allclose(places, run.times)
    np.testing.assert_allclose(low, run.masses - Z * run.mass_sd, rtol=1e-6)
    np.testing.assert_allclose(high, run.masses + Z * run.mass_sd, rtol=1e-6)
    measured = ensemble.evaluate(snapshots)
    _, low, high = band_of(plot.distance(measured))
    np.testing.assert_allclose(high, measured.w1 + Z * measured.w1_error, rtol=1e-6)
    np.testing.assert_allclose(low, np.maximum(measured.w1 - Z * measured.w1_error, 0), rtol=1e-6)
    x = snapshots.points(1)
    ax = plot.growth(ensemble, x, 1.0)
    assert (np.diff(ax.lines[0].get_ydata()) >= 0).all()
    _, low, high = band_of(ax)
    order = np.argsort(np.ravel(ensemble.growth(x, 1.0)), kind="stable")
    np.testing.assert_allclose(high - low, 2 * Z * np.ravel(ensemble.field_sd("growth", x, 1.0))[order], rtol=1e-4)


def test_no_bands_without_error_bars_and_axes_are_taken(model, snapshots):
    from matplotlib import pyplot

    _, axes = pyplot.subplots()
    assert plot.mass(model.simulate(snapshots.points(0), [0.0, 1.0]), ax=axes) is axes
    assert not axes.collections
    assert not plot.growth(model, snapshots.points(0), 0.0).collections
    pyplot.close("all")
