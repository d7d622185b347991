"""Plots: what is drawn is what was computed, with bands where there are error bars."""

import os
from dataclasses import replace

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


def data_of(snapshots):
    """Its cells as an AnnData, in mixed order, with an embedding and labels."""
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    x = np.concatenate([snapshots.points(k) for k in range(len(snapshots))])
    t = np.repeat(snapshots.times, snapshots.counts)
    order = np.random.default_rng(8).permutation(len(x))
    x, t = x[order], t[order]
    obs = pandas.DataFrame({"day": t}, index=[f"cell{i}" for i in order])
    obs["state"] = np.where(x[:, 1] > 1.0, "high", np.where(x[:, 0] > 1.0, "low", None))
    data = anndata.AnnData(np.zeros((len(x), 1), np.float32), obs=obs, obsm={"X_pca": x})
    data.obsm["X_umap"] = np.column_stack([x[:, 1], -x[:, 0]])
    return data


@pytest.fixture(scope="module")
def data(snapshots):
    return data_of(snapshots)


@pytest.fixture(scope="module")
def fitted(data):
    return chreode.fit(data, "day", method="usb", delta=1.5, sigma=0.02, hidden="32x2", epochs=150, seed=1)


@pytest.fixture(autouse=True)
def closed():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


#: What the three kinds of colour blindness see of linear red, green and blue (Machado, Oliveira & Fernandes 2009, severity 1).
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colours, seen_by=None):
    """CIELAB of colours of sRGB, as seen by somebody."""
    rgb = matplotlib.colors.to_rgba_array(colours)[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if seen_by is not None:
        linear = np.clip(linear @ np.array(BLIND[seen_by]).T, 0, 1)
    xyz = linear @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
    f = xyz / [0.9505, 1.0, 1.089]
    f = np.where(f > 0.008856, np.cbrt(f), 7.787 * f + 16 / 116)
    return np.column_stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])])


@pytest.mark.parametrize("vision", [None, *BLIND])
def test_colours_are_told_apart_with_any_vision(vision):
    from chreode import _drawing

    seen = lab(_drawing.PALETTE, vision)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(len(seen), 1)]
    assert apart.min() > 22.0
    # Of a map of amounts, every step is one of lightness, the same way all along; of differences, either side has its hue.
    steps = np.diff(lab(matplotlib.colormaps[_drawing.SEQUENTIAL](np.linspace(0, 1, 12)), vision)[:, 0])
    assert (steps > 0).all()
    below, middle, above = lab(_drawing.diverging()(np.array([0.0, 0.5, 1.0])), vision)
    assert np.linalg.norm(below - above) > 80 and middle[0] > max(below[0], above[0]) + 15
    assert 100 - middle[0] > 10, "seen on white"
    looks = {_drawing.look_of(k) for k in range(48)}
    assert len(looks) == 48, "beyond the colours there are markers"


def offsets(ax, begins):
    """The places and areas of the markers whose label begins so."""
    (found,) = [part for part in ax.collections if str(part.get_label()).endswith(begins)]
    return np.asarray(found.get_offsets()), found.get_sizes()


def test_populations_beside_the_observed(fitted, data, snapshots):
    run = fitted.simulate(data, [0.0, 0.5, 1.0])
    axes = plot.populations(run, data)
    assert len(axes) == 2, "the times that both have"
    observed, _ = offsets(axes[1], "observed")
    day = data.obs["day"].to_numpy()
    assert np.array_equal(np.sort(observed, 0), np.sort(data.obsm["X_pca"][day == 1], 0))
    predicted, areas = offsets(axes[1], "predicted")
    frame = run.frames[2]
    np.testing.assert_allclose(predicted, frame.points)
    np.testing.assert_allclose(areas / areas.sum(), frame.weights / frame.mass)
    labels = axes[1].get_legend_handles_labels()[1]
    assert labels == [f"{(day == 1).sum()} observed", f"{len(frame)} predicted"]
    # In an embedding that turns the coordinates, particles turn along, up to the width of a neighbourhood.
    turned = plot.populations(run, data, "day", axes, basis="umap")
    assert turned[0] is axes[0]
    placed = np.asarray(axes[1].collections[-1].get_offsets())
    expected = np.column_stack([frame.points[:, 1], -frame.points[:, 0]])
    assert np.linalg.norm(placed - expected, axis=1).mean() < 0.15
    both = plot.populations(run, snapshots)
    np.testing.assert_allclose(np.sort(offsets(both[1], "observed")[0], 0), np.sort(snapshots.points(1), 0))
    with pytest.raises(ValueError, match="frames at times of the cells"):
        plot.populations(
            fitted.simulate(data, [0.0, 0.5]).__class__([run.frames[1]], None, run.mass_sd, None, ""), data, "day"
        )
    with pytest.raises(ValueError, match="axes must be 2"):
        plot.populations(run, data, "day", axes[:1])


def test_streamlines_follow_the_velocity(fitted, data):
    def follow(ax, turn):
        (lines,) = [part for part in ax.collections if hasattr(part, "get_segments")]
        steps = np.array([[segment[0], segment[-1]] for segment in lines.get_segments()])
        moved = steps[:, 1] - steps[:, 0]
        at = steps.mean(1) @ turn.T  # where it is in the model's space
        _, near = min_distance(at, data.obsm["X_pca"])
        velocity = fitted.velocity(at.astype(np.float32), data.obs["day"].to_numpy()[near]) @ turn
        cosine = (moved * velocity).sum(1) / np.linalg.norm(moved, axis=1) / np.linalg.norm(velocity, axis=1)
        return np.median(cosine)

    turn = np.array([[0.0, -1.0], [1.0, 0.0]])  # umap = pca @ turn
    assert follow(plot.streamlines(fitted, data), np.eye(2)) > 0.95
    assert follow(plot.streamlines(fitted, data, basis="umap"), turn) > 0.9
    ax = plot.streamlines(fitted, data, 1.0)
    assert ax.get_title() == "velocity at time 1"
    with pytest.raises(ValueError, match="one of the coordinates"):
        plot.streamlines(fitted, data, basis="tsne")


def min_distance(points, among):
    apart = np.linalg.norm(points[:, None] - among[None], axis=2)
    return apart.min(1), apart.argmin(1)


def test_cells_in_the_colour_of_a_number(data):
    values = data.obsm["X_pca"][:, 0] - 1.0
    ax = plot.cells(data, np.where(data.obs["day"] == 0, np.nan, values), basis="umap", center=0, label="difference")
    pale, drawn = ax.collections
    known = data.obs["day"].to_numpy() != 0
    assert len(pale.get_offsets()) == (~known).sum() and len(drawn.get_offsets()) == known.sum()
    low, high = drawn.get_clim()
    assert low == -high and high == pytest.approx(np.quantile(np.abs(values[known]), 0.99))
    table = dict(zip(map(tuple, np.asarray(drawn.get_offsets())), drawn.get_array()))
    for place, value in zip(data.obsm["X_umap"][known].astype(float), values[known]):
        assert table[tuple(place)] == pytest.approx(value)
    bar = ax.figure.axes[-1]
    assert bar.get_ylabel() == "difference"
    assert f"{(~known).sum()} unknown" in ax.get_legend_handles_labels()[1]


def test_cells_in_the_colour_of_a_label_with_true_counts(data):
    ax = plot.cells(data, "state")
    labels = ax.get_legend_handles_labels()[1]
    counts = data.obs["state"].value_counts()
    assert labels == [f"none ({data.obs['state'].isna().sum()})", f"high ({counts['high']})", f"low ({counts['low']})"]
    turned = plot.cells(data, data.obs["state"][::-1])
    for one, other in zip(ax.collections, turned.collections):
        assert np.array_equal(one.get_offsets(), other.get_offsets()), "aligned by name"
    with pytest.raises(ValueError, match="values must have .* elements, one a cell, got 3"):
        plot.cells(data, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="columns of obs"):
        plot.cells(data, "fate")
    with pytest.raises(ValueError, match="basis must be"):
        plot.cells(data, "state", basis=np.zeros((3, 2)))


def test_masses_of_labels_sum_to_the_mass(fitted, data):
    run = fitted.simulate(data, [0.0, 2.0, 4.0])
    ax = plot.label_mass(run, data, "state")
    drawn = {line.get_label().split()[0]: line.get_ydata() for line in ax.lines}
    np.testing.assert_allclose(drawn["high"] + drawn["low"], run.masses, rtol=1e-9)
    assert not ax.collections
    runs = [run, fitted.simulate(data, [0.0, 2.0, 4.0], mode="sde", seed=1)]
    ax = plot.label_mass(runs, data, "state")
    each = [
        dict((line.get_label().split()[0], line.get_ydata()) for line in plot.label_mass(r, data, "state").lines)
        for r in runs
    ]
    high = np.array([one["high"] for one in each])
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx((high.mean(0) + Z * high.std(0, ddof=1)).max())
    # Those of an ensemble's members are stretched.
    members = [replace(one, origin=replace(one.origin, stretch=2.0)) for one in runs]
    band = plot.label_mass(members, data, "state").collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx((high.mean(0) + 2 * Z * high.std(0, ddof=1)).max())
    with pytest.raises(ValueError, match="labels must be known of a cell"):
        plot.label_mass(run, data, np.full(data.n_obs, None))
    with pytest.raises(ValueError, match="the same times"):
        plot.label_mass([run, fitted.simulate(data, [0.0, 4.0])], data, "state")


def test_distances_against_what_need_not_be_learned(fitted, snapshots):
    measured = fitted.evaluate(snapshots)
    ax = plot.distance(measured, snapshots=snapshots)
    drawn = {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines}
    assert np.array_equal(drawn["predicted"], measured.w1)
    found = chreode.validate(snapshots, method="usb", hidden="8x1", epochs=2, splits=1)
    assert (drawn["two halves of the cells"] < drawn["nothing moves"]).all()
    ax = plot.distance(found)
    drawn = {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines}
    assert np.array_equal(drawn["usb"], found.recipes[0]["w1"])
    assert np.array_equal(drawn["sampling floor"], found.measures["floor"])
    assert np.array_equal(drawn["nothing moves"], found.measures["nothing_moves"])


def test_what_need_not_be_learned_is_w1(snapshots):
    """W1 of equal numbers of cells that weigh the same: the best of all ways to pair them up."""
    optimize = pytest.importorskip("scipy.optimize")
    from chreode import _plot_curves

    first, last = snapshots.points(0)[:30], snapshots.points(4)[:30]
    still, halves = _plot_curves._references(chreode.Snapshots.from_blocks([first, last], [0, 1]))
    apart = np.linalg.norm(first[:, None].astype(float) - last[None], axis=2)
    assert still[0] == pytest.approx(apart[optimize.linear_sum_assignment(apart)].mean(), rel=1e-6)
    assert 0.0 < halves[0] < still[0]


def test_trends_of_genes(fitted, data):
    along = chreode.genes.trends(fitted, data.obsm["X_pca"][data.obs["day"] == 0], None, np.eye(2), start=0.0)
    axes = plot.trends(along)
    assert len(axes) == 2
    np.testing.assert_allclose(axes[1].lines[0].get_ydata(), along.mean[:, 1])
    corners = axes[1].collections[0].get_paths()[0].vertices
    assert corners[:, 1].max() == pytest.approx(along.quantile(0.95)[:, 1].max())


def test_lineages_are_drawn_whole(fitted, data):
    run = fitted.simulate(data, [0.0, 4.0], mode="branching", turnover=0.3, seed=2)
    lineage = run.lineage
    count = (lineage.parents < 0).sum()
    ax = plot.lineages(run, founders=int(count))
    lives, forks = (part for part in ax.collections if hasattr(part, "get_segments"))
    ends = np.array([segment[:, 0] for segment in lives.get_segments()])
    assert len(ends) == len(lineage)
    np.testing.assert_allclose(np.sort(ends[:, 1]), np.sort(lineage.ends))
    rows = sorted((segment[0, 1], *segment[:, 0]) for segment in lives.get_segments())
    for (height, _, end), (above, begin, _) in zip(rows, rows[1:]):
        assert above > height or begin >= end, "no line lies upon another"
    assert len(forks.get_segments()) == (lineage.parents >= 0).sum()
    died, alive = (lineage.fates == fate for fate in (chreode.Fate.DIED, chreode.Fate.ALIVE))
    assert ax.get_legend_handles_labels()[1] == [f"died ({died.sum()})", f"alive ({alive.sum()})"]
    few = plot.lineages(run, founders=3)
    assert few.get_title().startswith(f"3 of {count} founders")
    with pytest.raises(ValueError, match='mode="branching"'):
        plot.lineages(fitted.simulate(data, [0.0, 1.0]))


def test_flows_between_labels():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame([[3.0, 1.0, 0.0], [0.0, 2.0, 2.0]], ["stem", "blood"], ["stem", "blood", "none"])
    ax = plot.flow(table)
    assert {text.get_text() for text in ax.texts} == {"4  stem", "4  blood", "stem  3", "blood  3", "none  2"}
    heights = sorted(bar.get_height() for bar in ax.patches)
    np.testing.assert_allclose(heights, [2 / 8, 3 / 8, 3 / 8, 4 / 8, 4 / 8])
    assert len(ax.collections) == 4, "a stream for each mass that is not 0"
    for stream, width in zip(ax.collections, [3 / 8, 1 / 8, 2 / 8, 2 / 8]):
        corners = stream.get_paths()[0].vertices
        at_end = corners[corners[:, 0] == 1.0, 1]
        assert np.ptp(at_end) == pytest.approx(width)
    assert len(plot.flow(table.to_numpy(), least=0.2).collections) == 3
    named = plot.flow(table.to_numpy(), rows=[None, "stem"], columns=["stem", "blood", "none"])
    assert "4  no label" in {text.get_text() for text in named.texts}
    for wrong, message in [
        ([[1.0, -1.0]], "not negative"),
        ([[0.0]], "not all 0"),
        ([[np.nan]], "finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            plot.flow(np.array(wrong))
    with pytest.raises(ValueError, match="must name 2 and 3 labels, got 1 and 3"):
        plot.flow(table, rows=["a"])
