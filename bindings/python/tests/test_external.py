"""Hand-over to other packages, with the real ones where they are installed: tools/handover.txt lists them."""

import numpy as np
import pytest
from conftest import SMALL

import chreode
from chreode import _neighbours, external

sparse = pytest.importorskip("scipy.sparse")


@pytest.fixture(scope="module")
def data():
    """Cells in mixed order, and a model of them that is good enough to go by."""
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    snapshots = chreode.dataset("gene-network", cells_per_state=40)
    x = np.concatenate([snapshots.points(k) for k in range(len(snapshots))])
    t = np.repeat(snapshots.times, snapshots.counts)
    order = np.random.default_rng(4).permutation(len(x))
    obs = pandas.DataFrame({"day": t[order]}, index=[f"cell{i}" for i in order])
    data = anndata.AnnData(np.zeros((len(x), 1), np.float32), obs=obs, obsm={"X_pca": x[order]})
    data.obsm["X_umap"] = x[order] @ np.array([[0.0, 1.0], [-1.0, 0.0]], np.float32)  # a quarter turn
    return data


@pytest.fixture(scope="module")
def fitted(data):
    return chreode.fit(data, "day", **{**SMALL, "hidden": "32x2", "epochs": 200})


@pytest.mark.parametrize("few", [0, 10], ids=["by all distances", "by a tree"])
def test_nearest_cells_are_those(few, monkeypatch):
    monkeypatch.setattr(_neighbours, "_FEW", few)
    rng = np.random.default_rng(1)
    points, among = rng.normal(1000.0, 1.0, (70, 3)), rng.normal(1000.0, 1.0, (50, 3))
    found, apart = _neighbours.nearest(points, among, 4)
    every = np.linalg.norm(points[:, None] - among[None], axis=2)
    assert np.array_equal(found, np.argsort(every, axis=1)[:, :4])
    np.testing.assert_allclose(apart, np.sort(every, axis=1)[:, :4], rtol=1e-9)
    twice = np.repeat(points, 2, axis=0)
    others, zero = _neighbours.nearest(twice, twice, 1, others=True)
    assert np.array_equal(others[:, 0], np.arange(140) ^ 1) and not zero.any(), "the twin, not the cell itself"
    heap = np.zeros((9, 3))
    upon, _ = _neighbours.nearest(heap, heap, 2, others=True)
    assert (upon != np.arange(9)[:, None]).all() and (upon[:, 0] != upon[:, 1]).all()
    assert _neighbours.nearest(points, among, 99)[0].shape == (70, 50)
    with pytest.raises(ValueError, match="neighbours must be at least 1"):
        _neighbours.nearest(points, among, 0)
    with pytest.raises(ValueError, match="2 or more cells"):
        _neighbours.nearest(points[:1], points[:1], 1, others=True)


def test_a_walk_follows_the_velocity():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [-2.0, 0.0], [0.0, 3.0]])
    neighbours = np.array([[1, 2, 3]])
    chances = _neighbours.walk(points[:1], np.array([[0.3, 0.0]]), np.array([[0]]))
    assert chances.shape == (1, 1) and chances[0, 0] == 1.0
    all_of = np.vstack([neighbours, [[0, 2, 3]], [[0, 1, 3]], [[0, 1, 2]]])
    chances = _neighbours.walk(points, np.array([[0.3, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]), all_of)
    expected = np.exp(10.0 * np.array([1.0, -1.0, 0.0]))
    np.testing.assert_allclose(chances[0], expected / expected.sum(), rtol=1e-12)
    np.testing.assert_allclose(chances[1:], 1.0 / 3.0)


def test_projected_directions_turn_with_the_embedding(data, fitted):
    velocity = fitted.velocity(data)
    along = _neighbours.project(data.obsm["X_pca"], velocity, data.obsm["X_pca"], 30)
    cosine = (along * velocity).sum(1) / np.linalg.norm(along, axis=1) / np.linalg.norm(velocity, axis=1)
    assert np.median(cosine) > 0.9
    turned = _neighbours.project(data.obsm["X_pca"], velocity, data.obsm["X_umap"], 30)
    np.testing.assert_allclose(turned, along @ np.array([[0.0, 1.0], [-1.0, 0.0]]), atol=1e-5)
    assert np.linalg.norm(along, axis=1).max() < 2.0


def test_transitions_go_from_each_snapshot_to_the_next(data, fitted):
    matrix = external.transition_matrix(fitted, data)
    np.testing.assert_allclose(np.asarray(matrix.sum(1)).ravel(), 1.0, rtol=1e-12)
    day = data.obs["day"].to_numpy()
    rows, columns = matrix.nonzero()
    assert np.array_equal(day[columns], np.minimum(day[rows] + 1, 4))
    # Where a cell is expected is where the flow takes it, up to noise and neighbours.
    first = day == 0
    expected = (matrix @ data.obsm["X_pca"])[first]
    flow = fitted.simulate(data, [0.0, 1.0]).frames[1].points
    order = np.argsort(day, kind="stable")[: first.sum()]
    assert np.array_equal(np.sort(order), np.flatnonzero(first))
    assert np.linalg.norm(expected - flow, axis=1).mean() < 0.3
    # Aligned with the cells, whatever their order.
    straight = external.transition_matrix(fitted, data, mode="ode")
    turned = external.transition_matrix(fitted, data[::-1], mode="ode")[::-1][:, ::-1]
    # Adaptive steps depend on who goes along: of neighbours that are as far to rounding, another may be the last.
    assert abs(turned - straight).sum() < 1e-3 * data.n_obs
    array = external.transition_matrix(fitted, data.obsm["X_pca"], day, mode="ode")
    assert abs(array - straight).max() == 0.0
    with pytest.raises(ValueError, match="mode must be ode or sde, got 'branching'"):
        external.transition_matrix(fitted, data, mode="branching")
    with pytest.raises(ValueError, match="descendants must be at least 1"):
        external.transition_matrix(fitted, data, descendants=0)


def test_what_is_handed_to_scvelo(data, fitted):
    view = external.to_scvelo(fitted, data)
    velocity = fitted.velocity(data)
    assert view.shape == (data.n_obs, 4) and list(view.obs_names) == list(data.obs_names)
    assert np.array_equal(view.layers["velocity"], np.hstack([velocity, -velocity]))
    assert (view.obsp["distances"].getnnz(1) == 30).all()
    with pytest.raises(TypeError, match="AnnData"):
        external.to_scvelo(fitted, data.obsm["X_pca"], 0.0)
    with pytest.raises(TypeError, match="AnnData"):
        external.to_cellrank(fitted, data.obsm["X_pca"], 0.0)


def test_scvelo_draws_the_velocities(data, fitted):
    scvelo = pytest.importorskip("scvelo")
    import matplotlib

    matplotlib.use("Agg")
    view = external.to_scvelo(fitted, data)
    scvelo.settings.verbosity = 0
    scvelo.tl.velocity_graph(view, n_jobs=1, show_progress_bar=False)
    scvelo.tl.velocity_embedding(view, basis="umap")
    drawn, velocity = view.obsm["velocity_umap"], fitted.velocity(data) @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    cosine = (drawn * velocity).sum(1) / np.linalg.norm(drawn, axis=1) / np.linalg.norm(velocity, axis=1)
    assert np.nanmedian(cosine) > 0.9
    assert scvelo.pl.velocity_embedding_stream(view, basis="umap", show=False) is not None


def test_cellrank_takes_the_kernel(data, fitted):
    cellrank = pytest.importorskip("cellrank")
    kernel = external.to_cellrank(fitted, data)
    assert abs(kernel.transition_matrix - external.transition_matrix(fitted, data)).max() == 0.0
    # The gene network ends in two states; the cells of the last day are those where either gene is high.
    last, x = data.obs["day"].to_numpy() == 4, data.obsm["X_pca"]
    high = np.where(last, np.where(x[:, 0] > x[:, 1], "first", "second"), None)
    estimator = cellrank.estimators.GPCCA(kernel)
    states = {name: list(data.obs_names[high == name]) for name in ("first", "second")}
    estimator.set_terminal_states(states)
    estimator.compute_fate_probabilities(solver="direct", use_petsc=False, show_progress_bar=False)
    chances = estimator.fate_probabilities
    np.testing.assert_allclose(chances.X.sum(1), 1.0, atol=1e-6)
    assert np.allclose(chances[:, "first"].X[high == "first"], 1.0)


def test_ete_reads_lineages_with_the_times_of_events(fitted, data):
    ete3 = pytest.importorskip("ete3")
    population = fitted.simulate(data, [0.0, 4.0], mode="branching", turnover=0.2, seed=3)
    lineage, seen = population.lineage, set()
    for text in population.newick().splitlines():
        tree = ete3.Tree(text, format=1)
        for node in tree.traverse():
            if not node.name:
                continue  # what stands around a founder that never divided
            cell = int(node.name[1:])
            seen.add(cell)
            length = node.dist + sum(above.dist for above in node.get_ancestors())
            assert length == pytest.approx(lineage.ends[cell] - lineage.births[0], abs=1e-9)
            if node.up is not None and node.up.name:
                assert int(node.up.name[1:]) == lineage.parents[cell]
    assert seen == set(range(len(lineage))) and (lineage.fates == chreode.Fate.DIVIDED).any()
