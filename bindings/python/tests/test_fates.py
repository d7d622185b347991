"""Fates: rows under their own names, labels that may be missing, and errors that say what is wrong."""

import numpy as np
import pytest

import chreode

pandas = pytest.importorskip("pandas")
# Models of a moment let particles leave the cells, which is told.
pytestmark = pytest.mark.filterwarnings("ignore::chreode.ChreodeWarning")
QUICK = {"descendants": 4, "seed": 2}


@pytest.fixture(scope="module")
def kinds(cells):
    x, _ = cells
    return np.where(x[:, 0] > np.median(x[:, 0]), "right", "left").astype(object)


def test_rows_are_those_that_were_given(model, cells, kinds):
    x, time = cells
    mixed = np.random.default_rng(1).permutation(len(x))
    found = model.fates(x, time, kinds, **QUICK)
    assert found.labels == ["left", "right"] and found.to == time.max() and len(found) == (time < time.max()).sum()
    assert found.neighbours == 10 and found.unlabelled == 0
    assert np.allclose(found.p.sum(axis=1), 1) and np.allclose(found.p_se[:, 0], found.p_se[:, 1])
    assert np.isnan(found.p_sd).all() and np.array_equal(found.label, kinds[found.rows])
    other = model.fates(x[mixed], time[mixed], kinds[mixed], start=0, **QUICK)
    assert (time[mixed][other.rows] == 0).all() and (np.diff(other.rows) > 0).all()
    assert len(other.transitions) == 1 and other.transitions[0].labels == ["left", "right"]
    went = other.transitions[0].went
    assert np.allclose(went.sum(axis=1), 1) and other.transitions[0].cells_mass.sum() == (time == 0).sum()
    frame = found.to_frame()
    assert list(frame.columns[:7]) == ["time", "label", "p_left", "p_right", "n_left", "n_right", "p_none"]
    assert not any(name.startswith("sd_") for name in frame.columns) and (frame.index == found.rows).all()
    assert "right" in repr(found) and "right" in found._repr_html_()


def test_labels_go_by_names_and_may_be_missing(model, cells, kinds):
    x, time = cells
    names = [f"cell {i}" for i in range(len(x))]
    frame = pandas.DataFrame(x, index=names)
    labels = pandas.Series(kinds, index=names, dtype="category")
    labels.iloc[::5] = None
    found = model.fates(frame, time, labels.iloc[::-1], mode="ode", seed=2)
    assert found.names[0] == "cell 0" and found.label[0] is None and found.label[1] == kinds[1]
    assert found.unlabelled == labels[time == time.max()].isna().sum()
    assert found.transitions[0].labels[0] is None and (found.p_se == 0).all()
    plain = [None if i % 5 == 0 else kind for i, kind in enumerate(kinds)]
    for missing in (np.nan, pandas.NA, ""):
        given = [missing if kind is None else kind for kind in plain]
        assert np.array_equal(model.fates(x, time, given, mode="ode").p, found.p)
    numbered = model.fates(x, time, [10 if kind == "left" else 9.0 for kind in kinds], mode="ode")
    assert numbered.labels == ["9", "10"]


def test_columns_of_an_anndata_are_labels(model, cells, kinds):
    anndata = pytest.importorskip("anndata")
    x, time = cells
    obs = pandas.DataFrame({"day": time, "kind": kinds}, index=[f"c{i}" for i in range(len(x))])
    data = anndata.AnnData(np.zeros((len(x), 1)), obs=obs, obsm={"X_pca": x})
    found = model.fates(data, "day", "kind", **QUICK)
    assert found.names[3] == "c3" and np.array_equal(found.p, model.fates(x, time, kinds, **QUICK).p)
    with pytest.raises(chreode.InvalidArgumentError, match="labels must be one of the columns of obs"):
        model.fates(data, "day", "sort")


def test_an_ensemble_tells_how_far_its_members_differ(snapshots, cells, kinds):
    x, time = cells
    options = {"method": "usb", "hidden": "8x2", "epochs": 5, "seed": 1, "ensemble": 3, "delta": 1.5, "sigma": 0.02}
    model = chreode.fit(snapshots, **options)
    found = model.fates(x, time, kinds, **QUICK)
    members = [model.member(k).fates(x, time, kinds, **QUICK).n for k in range(3)]
    assert np.allclose(found.n_sd, model.deviation_over_members(members), atol=1e-12)
    assert "sd_p_left" in found.to_frame() and np.isnan(model.fates(x, time, kinds, error_bars=False, **QUICK).n_sd).all()


def test_mishaps_are_errors(model, cells, kinds):
    x, time = cells
    for labels, error, match in [
        (None, TypeError, "labels must be one a cell"),
        ("kind", TypeError, "labels must be one a cell"),
        (kinds[1:], chreode.InvalidArgumentError, f"labels must be one for each of {len(x)} cells"),
        ([None] * len(x), chreode.InvalidDataError, "has a label"),
        (pandas.Series(kinds, index=[f"c{i}" for i in range(len(x))]), chreode.InvalidArgumentError, "index|name"),
    ]:
        given = pandas.DataFrame(x) if isinstance(labels, pandas.Series) else x
        with pytest.raises(error, match=match):
            model.fates(given, time, labels)
    for options, match in [
        ({"to": 0.0}, "later than the first time"),
        ({"mode": "flow"}, "mode"),
        ({"turnover": 1}, "turnover"),
    ]:
        with pytest.raises(chreode.InvalidArgumentError, match=match):
            model.fates(x, time, kinds, **options)
    with pytest.raises(chreode.CancelledError):
        model.fates(x, time, kinds, progress=lambda *_: True)
