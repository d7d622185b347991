"""Genes: what the loadings make of the model's coordinates, and how expression goes with what is known of the cells."""

import sys

import numpy as np
import pytest
from conftest import SMALL

import chreode
from chreode import genes

GENES = 7


@pytest.fixture(scope="module")
def ensemble(snapshots):
    return chreode.fit(snapshots, **{**SMALL, "epochs": 5}, ensemble=3)


@pytest.fixture(scope="module")
def loadings():
    """Orthonormal, d × genes."""
    return np.linalg.qr(np.random.default_rng(1).normal(size=(GENES, 2)))[0].T


def experiment(cells, loadings):
    """Cells whose expression has the model's coordinates as its principal components."""
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    x, t = cells
    expression = 5.0 + (x - x.mean(0)) @ loadings
    data = anndata.AnnData(
        expression,
        obs=pandas.DataFrame({"day": t}, index=[f"cell{i}" for i in range(len(x))]),
        var=pandas.DataFrame(index=[f"gene{g}" for g in range(GENES)]),
        obsm={"X_pca": x - x.mean(0)},
        varm={"PCs": loadings.T},
    )
    return data


def test_velocities_of_genes(model, ensemble, cells, loadings):
    x, t = cells
    found = genes.velocity(model, x, t, loadings)
    np.testing.assert_allclose(found.velocity, model.velocity(x, t) @ loadings, rtol=1e-5, atol=1e-6)
    assert found.sd is None and found.genes is None
    # Along the coordinates themselves the errors are the model's own.
    same = genes.velocity(ensemble, x, t, np.eye(2))
    np.testing.assert_allclose(same.sd, ensemble.field_sd("velocity", x, t), rtol=1e-4)
    # And along a mixture they are those of the mixed members.
    mixed = genes.velocity(ensemble, x, t, np.array([[1.0], [-1.0]])).sd[:, 0]
    members = np.array([ensemble.member(k).velocity(x, t) for k in range(3)])
    shrinkage = ensemble.info["uncertainty"]["velocity"]["shrinkage"]
    by_cells = lambda of_members: shrinkage * ensemble.deviation_over_members(of_members)  # noqa: E731
    added = (ensemble.field_sd("velocity", x, t) ** 2 - by_cells(members) ** 2).sum(1)
    expected = np.sqrt(by_cells(members @ [1.0, -1.0]) ** 2 + added)
    np.testing.assert_allclose(mixed, expected, rtol=1e-4)
    assert np.abs(mixed / np.sqrt((same.sd**2).sum(1)) - 1).max() > 0.01, "coordinates are not independent"


def test_layers_of_an_anndata(cells, loadings, tmp_path):
    data = experiment(cells, loadings)
    model = chreode.fit(data, "day", ensemble=2, key_added="net", **{**SMALL, "epochs": 5})
    found = genes.velocity(model, data)
    assert found.genes == list(data.var_names)
    assert np.array_equal(data.layers["net_velocity"], found.velocity) and (data.layers["net_velocity_sd"] > 0).all()
    with pytest.raises(ValueError, match=r"layers\['net_velocity'\].*already"):
        genes.velocity(model, data)
    some = genes.velocity(model, data, genes=["gene4", "gene1"])
    assert some.genes == ["gene4", "gene1"] and np.array_equal(some.velocity, found.velocity[:, [4, 1]])
    turned = genes.velocity(model, data[::-1], annotate=False)
    assert np.array_equal(turned.velocity, found.velocity[::-1])
    data.write_h5ad(tmp_path / "genes.h5ad")


def test_loadings_that_do_not_fit_are_one_clear_error(model, cells, loadings):
    x, t = cells
    data = experiment(cells, loadings)
    data.varm["wide"] = np.zeros((GENES, 5))
    with pytest.raises(ValueError, match=r"d = 2 coordinates of the model, got varm\['wide'\] with 5"):
        genes.velocity(model, data, "day", "wide")
    with pytest.raises(ValueError, match=r"got an array with 7 coordinates; give its transpose"):
        genes.velocity(model, x, t, loadings.T)
    with pytest.raises(ValueError, match=r"one of the keys of varm of the AnnData \(PCs, wide\), got 'pcs'"):
        genes.velocity(model, data, "day", "pcs")
    with pytest.raises(ValueError, match=r"the 7 genes of the AnnData, got 3"):
        genes.velocity(model, data, "day", np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"genes must be among the 7 of the loadings \(gene0.*got 'Gata1'"):
        genes.velocity(model, data, "day", genes=["Gata1"])
    with pytest.raises(TypeError, match="d × genes"):
        genes.velocity(model, x, t)
    with pytest.raises(ValueError, match="finite"):
        genes.velocity(model, x, t, np.full((2, 3), np.nan))


def test_loadings_with_names_are_aligned_by_them(cells, loadings):
    pandas = pytest.importorskip("pandas")
    x, t = cells
    model = chreode.fit(pandas.DataFrame(x, columns=["first", "second"]), t, **{**SMALL, "epochs": 5})
    frame = pandas.DataFrame(loadings, index=["first", "second"], columns=[f"g{g}" for g in range(GENES)])
    found = genes.velocity(model, x, t, frame[::-1])
    assert found.genes == list(frame.columns)
    assert np.array_equal(found.velocity, genes.velocity(model, x, t, loadings).velocity)


def ties(count=200):
    """A count matrix with ties, and a quantity that goes with two of its genes."""
    rng = np.random.default_rng(5)
    quantity = rng.normal(size=count)
    x = rng.poisson(2.0, size=(count, 40)).astype(float)
    x[:, 3] += np.floor(3 * quantity)
    x[:, 8] -= np.floor(2 * quantity)
    x[:, 11] = 1.0
    return x, quantity


def test_associations_are_spearmans_with_a_false_discovery_rate():
    stats, sparse = pytest.importorskip("scipy.stats"), pytest.importorskip("scipy.sparse")
    x, quantity = ties()
    found = genes.associate(x, quantity)
    varies = np.arange(40) != 11
    expected = [stats.spearmanr(x[:, g], quantity) for g in np.flatnonzero(varies)]
    np.testing.assert_allclose(found.correlation[varies], [each.statistic for each in expected], rtol=1e-10)
    np.testing.assert_allclose(found.p_value[varies], [each.pvalue for each in expected], rtol=1e-7)
    assert np.isnan(found.correlation[11]) and np.isnan(found.fdr[11]) and found.order[-1] == 11
    # Benjamini and Hochberg's: the smallest p(j) m / j over the ranks from one on.
    p = np.sort(found.p_value[varies])
    steps = np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    np.testing.assert_allclose(np.sort(found.fdr[varies]), np.minimum(steps, 1.0), rtol=1e-12)
    assert set(found.order[:2]) == {3, 8} and found.fdr[[3, 8]].max() < 1e-6 and found.correlation[8] < 0
    again = genes.associate(sparse.csr_matrix(x), quantity)
    assert np.array_equal(again.correlation, found.correlation, equal_nan=True)
    perfect = genes.associate(np.column_stack([quantity, -quantity, x[:, 0]]), quantity)
    assert list(perfect.correlation[:2]) == [1.0, -1.0] and perfect.p_value[:2].max() == 0.0


def test_what_is_not_associated_is_rarely_found():
    pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(2)
    found = genes.associate(rng.normal(size=(100, 2000)), rng.normal(size=100))
    assert (found.fdr < 0.05).sum() == 0 and 60 <= (found.p_value < 0.05).sum() <= 140


def test_associations_are_aligned_and_written_by_name(cells, loadings):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("scipy.stats")
    data = experiment(cells, loadings)
    data.obs["fate"] = np.where(np.arange(data.n_obs) % 5 == 0, np.nan, cells[0][:, 0])
    found = genes.associate(data, "fate", key_added="fate")
    assert found.cells == np.isfinite(data.obs["fate"]).sum()
    assert np.array_equal(data.var["fate_correlation"], found.correlation) and "fate_fdr" in data.var
    turned = genes.associate(data, data.obs["fate"][::-1])
    assert np.array_equal(turned.correlation, found.correlation)
    frame = found.to_frame()
    assert list(frame.index) == [f"gene{g}" for g in found.order] and frame["correlation"].abs().is_monotonic_decreasing
    assert "gene" in repr(found)
    with pytest.raises(ValueError, match=r"var\['fate_correlation'\].*already"):
        genes.associate(data, "fate", key_added="fate")
    with pytest.raises(ValueError, match="columns of obs"):
        genes.associate(data, "growth")
    with pytest.raises(ValueError, match="quantity must have a value for each cell"):
        genes.associate(data, pandas.Series(1.0, index=["other"]))
    with pytest.raises(ValueError, match="quantity must have .* elements, got 3"):
        genes.associate(data, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="quantity must differ"):
        genes.associate(data, np.ones(data.n_obs))
    with pytest.raises(ValueError, match="layer must be one of the layers"):
        genes.associate(data, "fate", layer="counts")
    data.X[3, 2] = np.inf
    with pytest.raises(ValueError, match="expression must be finite, got inf of gene2"):
        genes.associate(data, cells[0][:, 0])


def test_without_scipy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install chreode\[genes\]"):
        genes.associate(*ties())


def test_trends_along_the_mean_path(cells, loadings):
    data = experiment(cells, loadings)
    model = chreode.fit(data, "day", ensemble=2, **{**SMALL, "epochs": 5})
    found = genes.trends(model, data, [0.0, 1.0, 2.0], genes=["gene2", "gene0"])
    run = model.simulate(data, [0.0, 1.0, 2.0])
    frame = run.frames[2]
    expression = 5.0 + frame.points.astype(float) @ loadings[:, [2, 0]]
    np.testing.assert_allclose(found.mean[2], np.average(expression, axis=0, weights=frame.weights), rtol=1e-6)
    first = np.asarray(data.X[cells[1] == 0])[:, [2, 0]]
    np.testing.assert_allclose(found.mean[0], first.mean(0), rtol=1e-6)
    np.testing.assert_allclose(
        found.quantile(0.5)[0], np.quantile(first, 0.5, axis=0, method="inverted_cdf"), rtol=1e-6
    )
    assert (found.quantile(0.05) <= found.quantile(0.95)).all()
    assert (found.sd[0] < 1e-6).all() and (found.sd[1:] > 0).all()
    members = [genes.trends(model.member(k), data, [0.0, 1.0, 2.0], genes=[2, 0], center=0) for k in range(2)]
    assert np.isnan(members[0].sd).all()
    np.testing.assert_allclose(found.sd, model.deviation_over_members([each.mean for each in members]), rtol=1e-6, atol=1e-9)
    half = genes.trends(model, data[::2], genes=["gene2"])
    assert len(half.times) == 21 and half.mean.shape == (21, 1)
    data.X *= 2.0
    with pytest.raises(ValueError, match="X, centred, times the loadings must give the coordinates.*center"):
        genes.trends(model, data)


def test_positions_along_the_path(cells, model):
    x = cells[0]
    found = genes.trends(model, x[:30], [0.0, 0.5, 1.5], np.eye(2), start=0.0)
    np.testing.assert_allclose(found.position(found.path), found.times, atol=1e-5)
    between = 0.25 * found.path[1] + 0.75 * found.path[2]
    np.testing.assert_allclose(found.position(between[None]), [1.25], atol=1e-5)
    assert ((found.position(x) >= 0.0) & (found.position(x) <= 1.5)).all()
    with pytest.raises(ValueError, match="x must have the 2 coordinates"):
        found.position(np.zeros((3, 4)))
