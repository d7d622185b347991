"""AnnData in and out, the real one where it is installed and one of its looks in any case."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import SMALL

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
    assert fitted.to_bytes() == model.to_bytes()
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
    assert other.to_bytes() != model.to_bytes() and data.obsm["chreode_velocity"].shape == cells[0].shape


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
