"""AnnData in and out, the real one where it is installed and one of its looks in any case."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import SMALL, learned_the_same

import chreode


def looks(x, t):
    return SimpleNamespace(obsm={"X_pca": x}, obs={"day": t, "size": np.ones(len(x))})


def real(x, t):
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    names = [f"cell{i}" for i in range(len(x))]
    obs = pandas.DataFrame({"day": pandas.Categorical(t), "size": 1.0, "text": [f"{v:g}" for v in t]}, index=names)
    return anndata.AnnData(np.zeros((len(x), 1), np.float32), obs=obs, obsm={"X_pca": x, "X_umap": x[:, ::-1]})


@pytest.mark.parametrize("make", [looks, real])
def test_results_are_written_back(make, cells, model):
    x, t = cells
    data = make(x, t)
    fitted = chreode.fit(data, "day", weights="size", **SMALL)
    assert learned_the_same(fitted, model)
    velocity, growth = np.asarray(data.obsm["chreode_velocity"]), np.asarray(data.obs["chreode_growth"])
    for time in np.unique(t):
        assert np.array_equal(velocity[t == time], model.velocity(x[t == time], time))
        assert np.array_equal(growth[t == time], model.growth(x[t == time], time))
    assert np.array_equal(fitted.evaluate(data, "day").w1, model.evaluate(x, t).w1)
    assert fitted.evaluate(data, t).mean_w1 == model.evaluate(x, t).mean_w1


def test_nothing_is_written_unless_wanted(cells):
    data = looks(*cells)
    chreode.fit(data, "day", annotate=False, **SMALL)
    assert list(data.obsm) == ["X_pca"] and "chreode_growth" not in data.obs


def test_other_coordinates_and_times_as_text(cells, model):
    data = real(*cells)
    other = chreode.fit(data, "text", obsm="X_umap", **SMALL)
    assert not learned_the_same(other, model) and data.obsm["chreode_velocity"].shape == cells[0].shape


def test_growth_that_was_not_learned_is_no_column(cells):
    data = looks(*cells)
    chreode.fit(data, "day", method="ot-cfm", hidden="16x2", epochs=20, seed=1)
    assert "chreode_velocity" in data.obsm and "chreode_growth" not in data.obs


def test_columns_that_are_there_are_kept(cells, model):
    data, told = looks(*cells), []
    data.obs["chreode_growth"] = mine = np.zeros(len(cells[0]))
    with pytest.raises(ValueError, match=r"obs\['chreode_growth'\] already.*overwrite"):
        chreode.fit(data, "day", progress=lambda *now: told.append(now), **SMALL)
    assert not told, "before anything is learned"
    assert data.obs["chreode_growth"] is mine and list(data.obsm) == ["X_pca"]
    model.annotate(data, "day", key_added="usb")
    assert {"usb_velocity", "X_pca"} == set(data.obsm) and "usb_growth" in data.obs
    chreode.fit(data, "day", overwrite=True, method="ot-cfm", hidden="16x2", epochs=20, seed=1)
    assert "chreode_growth" not in data.obs, "nothing of an earlier model stays"


def test_a_model_remembers_where_its_cells_were(cells):
    x, t = cells
    data = real(x[:, ::-1].copy(), t)
    data.obs["weight"] = 1.0 + np.arange(len(x)) % 3
    masses = {"0": 1.0, "1": 2.0, "2": 2.0, "3": 3.0, "4": 5.0}
    given = {"obsm": "X_umap", "weights": "weight", "masses": masses}
    model = chreode.fit(data, "text", **given, **SMALL)
    expected = model.evaluate(data, "text", **given)
    direct = chreode.Snapshots(x, t, weights=data.obs["weight"].to_numpy(), masses=list(masses.values()))
    assert expected.mean_w1 == model.evaluate(direct).mean_w1
    for same in [model, pickle.loads(pickle.dumps(model))]:
        told = same.evaluate(data)
        assert (told.mean_w1, told.mean_rme) == (expected.mean_w1, expected.mean_rme)
        assert same.evaluate(data[data.obs["day"] != 2]).w1[0] == expected.w1[0], "a part of the times has its masses"
        same.annotate(data, key_added="again", overwrite=True)
        assert np.array_equal(data.obsm["again_velocity"], data.obsm["chreode_velocity"])
    assert np.array_equal(data.obsm["chreode_velocity"], model.velocity(x, t))
    plain = model.evaluate(data, weights=False, masses=False)
    assert plain.mean_rme != expected.mean_rme
    assert plain.mean_rme == model.evaluate(chreode.Snapshots(x, t)).mean_rme
    with pytest.raises(ValueError, match="fitted with weights"):
        model.evaluate(x, t)
    with pytest.raises(ValueError, match="none for 5"):
        model.evaluate(x, np.where(t == 4, 5, t), weights=False)
    with pytest.raises(ValueError, match="X_umap"):
        model.evaluate(looks(x, t), "day", weights=False)


def test_snapshots_of_its_cells(cells):
    x, t = cells
    data = real(x, t)
    given = chreode.Snapshots.from_anndata(
        data, "text", obsm="X_umap", weights="size", masses={k: 1.0 + k for k in range(5)}
    )
    assert np.array_equal(given.points(2), x[t == 2][:, ::-1].astype(np.float32))
    assert np.allclose(given.masses, [1, 2, 3, 4, 5], rtol=1e-12)
    model = chreode.fit(given, **SMALL)
    told = model.evaluate(data)
    assert (told.mean_w1, told.mean_rme) == (model.evaluate(given).mean_w1, model.evaluate(given).mean_rme)


def test_columns_are_aligned_with_the_cells(cells, model):
    pandas = pytest.importorskip("pandas")
    x, t = cells
    data = real(x, t)
    turned = pandas.Series(t, data.obs_names)[::-1]
    assert learned_the_same(chreode.fit(data, turned, **SMALL), model)
    with pytest.raises(ValueError, match="time must have a value for each cell by its name.*'cell0'"):
        chreode.fit(data, pandas.Series(t), overwrite=True, **SMALL)


def test_sparse_coordinates_and_frames(cells, model):
    pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    x, t = cells
    data = real(x, t)
    data.obsm["X_sparse"] = sparse.csr_matrix(x)
    data.obsm["X_frame"] = pandas.DataFrame(x, data.obs_names, ["first", "second"])
    for key in ["X_sparse", "X_frame"]:
        fitted = chreode.fit(data, "day", obsm=key, overwrite=True, **SMALL)
        assert learned_the_same(fitted, model)
        assert fitted.coordinates == (["first", "second"] if key == "X_frame" else None)


def test_a_view_on_disk_is_refused_before_anything_is_learned(cells, tmp_path):
    anndata, told = pytest.importorskip("anndata"), []
    real(*cells).write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    view = backed[np.arange(backed.n_obs) % 2 == 0]
    with pytest.raises(ValueError, match="to_memory"):
        chreode.fit(view, "day", progress=lambda *now: told.append(now), **SMALL)
    assert not told
    assert chreode.fit(view, "day", annotate=False, **SMALL).evaluate(view).w1.shape == (4,)


def test_a_model_that_cannot_be_written_is_not_lost(cells):
    class Sealed(dict):
        def __setitem__(self, key, value):
            raise RuntimeError("sealed")

    x, t = cells
    data = SimpleNamespace(obsm=Sealed(X_pca=x), obs={"day": t})
    with pytest.raises(RuntimeError, match="sealed") as caught:
        chreode.fit(data, "day", **SMALL)
    assert caught.value.model.velocity(x, 0.5).shape == x.shape


def test_what_is_missing_is_named(cells):
    data = looks(*cells)
    with pytest.raises(ValueError, match="X_pca.*X_umap"):
        chreode.fit(data, "day", obsm="X_umap", **SMALL)
    with pytest.raises(ValueError, match="day, size.*hour"):
        chreode.fit(data, "hour", **SMALL)
    with pytest.raises(TypeError, match="day, size"):
        chreode.fit(data, **SMALL)
    with pytest.raises(TypeError, match="AnnData"):
        chreode.fit(*cells, obsm="X_pca", **SMALL)


def test_every_method_takes_the_cells_and_their_keys(cells):
    x, t = cells
    data = real(x, t)
    model = chreode.fit(data, "day", **SMALL)
    assert np.array_equal(model.velocity(data), model.velocity(x, t))
    assert np.array_equal(model.growth(data, 1.0), model.growth(x, 1.0))
    assert np.array_equal(model.score_drift(data, "text"), model.score_drift(x, t))
    assert np.array_equal(model.velocity(data, obsm="X_umap"), model.velocity(x[:, ::-1], t))
    some = data[::-3]
    assert np.array_equal(model.velocity(some), model.velocity(x[::-3], t[::-3]))
    plan = chreode.transport(data[t == 0], data[t == 1], obsm="X_pca", source_weights="size")
    assert np.array_equal(plan.masses, chreode.transport(x[t == 0], x[t == 1]).masses)
    with pytest.raises(ValueError, match="obsm must be one of the coordinates.*X_tsne"):
        model.velocity(data, obsm="X_tsne")
    for wrong in [lambda: model.velocity(x), lambda: model.velocity(x, 0.0, obsm="X_pca")]:
        with pytest.raises(TypeError):
            wrong()


def test_what_was_fitted_is_remembered_beside_the_results(cells, tmp_path):
    anndata = pytest.importorskip("anndata")
    data = real(*cells)
    model = chreode.fit(data, "text", obsm="X_umap", key_added="usb", **{**SMALL, "hidden": [16, 16]})
    for same in [model, pickle.loads(pickle.dumps(model))]:
        given = {**SMALL, "hidden": "16,16"}
        del given["threads"]  # nothing depends on them
        assert same._source.options == given and same._source.key_added == "usb"
        same.annotate(data, overwrite=True)
    assert {"usb_velocity", "X_pca", "X_umap"} == set(data.obsm) and "usb_growth" in data.obs
    data.write_h5ad(tmp_path / "cells.h5ad")
    told = anndata.read_h5ad(tmp_path / "cells.h5ad").uns["usb"]
    assert (told["method"], told["obsm"], told["time"], told["seed"]) == ("usb", "X_umap", "text", 1)
    assert told["options"]["hidden"] == "16,16" and told["options"]["epochs"] == 20 and "threads" not in told["options"]
    assert list(told["times"]) == [0, 1, 2, 3, 4] and "velocity" in told["fields"]
    with pytest.raises(ValueError, match=r"uns\['usb'\] already"):
        model.annotate(data)


def test_an_ensemble_writes_its_errors_and_a_plain_model_takes_them_away(cells, model):
    data = real(*cells)
    ensemble = chreode.fit(data, "day", ensemble=2, **{**SMALL, "epochs": 5})
    sd = data.obsm["chreode_velocity_sd"]
    assert np.array_equal(sd, ensemble.field_sd("velocity", data))
    assert np.array_equal(data.obs["chreode_growth_sd"], ensemble.field_sd("growth", data)[:, 0])
    model.annotate(data, "day", overwrite=True)
    assert "chreode_velocity_sd" not in data.obsm and "chreode_growth_sd" not in data.obs


def test_a_bias_that_is_known_is_written_beside_the_field(model):
    # Cells that only move: at a finite price of growth some die behind and are born ahead.
    x, t = np.random.default_rng(3).normal(0, 0.3, (300, 2)), np.repeat([0.0, 1.0], 150)
    x[:, 0] += t
    data = real(x, t)
    small = {"hidden": "24x2", "growth_hidden": "24", "epochs": 300, "batch_size": 64}
    ensemble = chreode.fit(data, "day", method="usb", ensemble=3, seed=5, **small)
    assert ensemble.is_biased("growth") and not model.is_biased("growth")
    with pytest.raises(chreode.InvalidArgumentError, match="no field 'grwoth'"):
        ensemble.is_biased("grwoth")
    bias = np.asarray(data.obs["chreode_growth_bias"])
    middle = ensemble.field_quantile("growth", 0.5, data)[:, 0]
    assert np.array_equal(bias, ensemble.growth(data) - middle) and np.abs(bias).max() > 0
    assert np.square(data.obs["chreode_growth"] - bias).mean() < np.square(data.obs["chreode_growth"]).mean()
    wide = np.zeros((len(x), 2))
    assert np.shares_memory(ensemble.field_bias("growth", data, out=wide[:, :1]), wide) and (wide[:, 0] == bias).all()
    assert ("chreode_velocity_bias" in data.obsm) == ensemble.is_biased("velocity")
    genes = chreode.genes.velocity(ensemble, x, t, np.eye(2))
    if ensemble.is_biased("velocity"):
        assert np.allclose(genes.bias, data.obsm["chreode_velocity_bias"], atol=1e-6)
    else:
        assert genes.bias is None and not ensemble.field_bias("velocity", data).any()
    model.annotate(data, "day", overwrite=True)
    assert not any("bias" in name for name in [*data.obs, *data.obsm])


def test_a_population_starts_from_the_cells_of_a_time(cells, tmp_path):
    anndata = pytest.importorskip("anndata")
    x, t = cells
    order = np.random.default_rng(3).permutation(len(x))
    data = real(x[order], t[order])
    data.obs["weight"] = 1.0 + np.arange(len(x)) % 3
    model = chreode.fit(data, "day", weights="weight", masses=[1, 2, 3, 4, 5], **SMALL)
    start = np.asarray(data.obs["day"].astype(float) == 1.0)
    weights = data.obs["weight"][start].to_numpy()
    found = model.simulate(data, [1.0, 2.0])
    expected = model.simulate(x[order][start], [1.0, 2.0], weights=2 * weights / weights.sum())
    assert np.array_equal(found.frames[1].points, expected.frames[1].points)
    np.testing.assert_allclose(found.masses, expected.masses, rtol=1e-12)
    told = found.to_anndata()
    assert told.shape == (2 * start.sum(), 2) and list(told.obs["founder"][: start.sum()]) == list(
        data.obs_names[start]
    )
    # Weights of one's own are taken as they are; the other cells need none.
    data.obs["chance"] = np.where(start, np.arange(len(x)) % 5, np.nan)
    own = model.simulate(data, [1.0, 2.0], weights="chance")
    assert own.masses[0] == pytest.approx(np.nansum(data.obs["chance"]))
    assert model.simulate(data, [1.0, 2.0], weights=False).masses[0] == start.sum()
    with pytest.raises(ValueError, match="weights must have a value everywhere"):
        model.simulate(data, [2.0, 3.0], weights="chance")
    # Back by name, whatever the order of the cells.
    mixed = data[::-1]
    first = told[told.obs["time"] == 1.0]
    assert np.array_equal(mixed[first.obs["founder"]].obsm["X_pca"].astype(np.float32), first.X)
    again = chreode.distributed.simulate(model, data, [1.0, 2.0], founders=10)
    assert list(again.to_anndata().obs["founder"]) == list(told.obs["founder"])
    with pytest.raises(ValueError, match="start must be one of the times of the cells.*got 0.5"):
        model.simulate(data, [0.5, 2.0])

    some = model.simulate(data[::2], [1.0, 2.0])
    assert some.masses[0] == pytest.approx(2.0), "part of the cells stand for all"

    branched = model.simulate(data, [0.0, 2.0, 4.0], mode="branching", seed=2)
    table = branched.to_anndata()
    lineage = branched.lineage
    for name, cell in zip(table.obs["founder"], table.obs["cell"]):
        while lineage.parents[cell] >= 0:
            cell = lineage.parents[cell]
        assert name == data.obs_names[data.obs["day"].astype(float) == 0.0][cell]
    later = table[table.obs["time"] > 0].obs
    assert (table.obs.loc[later["ancestor"], "time"].to_numpy() < later["time"].to_numpy()).all()
    assert (table.obs.loc[later["ancestor"], "founder"].to_numpy() == later["founder"].to_numpy()).all()
    table.write_h5ad(tmp_path / "branched.h5ad")
    kept = anndata.read_h5ad(tmp_path / "branched.h5ad").uns["chreode"]
    assert kept["mode"] == "branching" and kept["lineage"]["newick"] == branched.newick()
    assert np.array_equal(kept["lineage"]["parent"], lineage.parents)
    drawn = model.simulate(data, [0.0, 2.0], mode="branching", weights="weight").to_anndata()
    assert set(drawn.obs["founder"]) <= set(map(str, range(len(x)))), "founders were drawn: numbers of the lineage"
