"""What is known of cells, growth that is expected of them and clones, goes by cell and decides what is learned."""

import pickle

import numpy as np
import pytest

import chreode
from chreode import distributed

SMALL = {"method": "usb", "delta": 1.5, "sigma": 0.2, "hidden": "8x1", "epochs": 5, "seed": 1}
pytestmark = pytest.mark.filterwarnings("ignore::chreode.ChreodeWarning")


@pytest.fixture(scope="module")
def barcoded():
    """Cells, their times, growth rates and clones."""
    generator = np.random.default_rng(3)
    x, time = generator.normal(size=(60, 2)), np.repeat([0.0, 1.0], 30)
    clones = np.array(["AC", "TG", None, ""] * 15, dtype=object)
    return x, time, generator.normal(size=60), clones


def test_it_goes_with_its_cells_in_any_order_of_times_and_through_copies(barcoded):
    x, time, rates, clones = barcoded
    known = {"growth_prior": rates, "clones": clones}

    def learned(*given, **named):
        return chreode.fit(*given, **named, **SMALL).losses.tolist()

    losses = learned(x, time, **known)
    # The two times in turn, each in its order.
    turns = np.argsort(np.tile(np.arange(30), 2), kind="stable")
    shuffled = chreode.Snapshots(x[turns], time[turns], growth_prior=rates[turns], clones=clones[turns])
    for snapshots in (shuffled, pickle.loads(pickle.dumps(shuffled)), shuffled.with_masses([30, 30])):
        assert learned(snapshots) == losses
    for fewer in ({}, {"growth_prior": rates}, {"clones": clones}):
        assert learned(x, time, **fewer) != losses
    numbers = np.array([{"AC": 7.0, "TG": 3.0}.get(clone, np.nan) for clone in clones])
    assert learned(x, time, growth_prior=rates, clones=numbers) == losses


def test_a_task_of_some_cells_knows_the_same(barcoded):
    x, time, rates, clones = barcoded
    snapshots = chreode.Snapshots(x, time, growth_prior=rates, clones=clones)
    work = distributed.plan_fit(snapshots, chunk_size=10, clone_penalty=2, **SMALL)
    for task in range(len(work.tasks)):
        assert work.run(work.share(snapshots, task), task) == work.run(snapshots, task)


def test_what_cannot_be_is_told(barcoded):
    x, time, rates, clones = barcoded
    with pytest.raises(chreode.InvalidArgumentError, match="growth_prior must have 60 elements"):
        chreode.Snapshots(x, time, growth_prior=rates[1:])
    with pytest.raises(chreode.InvalidArgumentError, match="clones must have 60 elements"):
        chreode.Snapshots(x, time, clones=clones[1:])
    with pytest.raises(chreode.InvalidDataError, match="growth_prior must have a value everywhere"):
        chreode.Snapshots(x, time, growth_prior=np.where(rates > 1, np.nan, rates))
    with pytest.raises(chreode.InvalidArgumentError, match="its coupling exact-ot has no source penalty"):
        chreode.fit(x, time, "ot-cfm", growth_prior=rates)
    with pytest.raises(chreode.InvalidArgumentError, match="left out where no clones of cells are known"):
        chreode.fit(x, time, clone_penalty=1)
    with pytest.raises(TypeError, match="give them to Snapshots"):
        chreode.fit(chreode.Snapshots(x, time), clones=clones)


def test_columns_of_an_anndata_are_named(barcoded):
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    x, time, rates, clones = barcoded
    names = [f"cell {i}" for i in range(60)]
    obs = pandas.DataFrame({"day": time, "birth": rates, "barcode": clones}, index=names)
    data = anndata.AnnData(obs=obs, obsm={"X_pca": x})
    by_name = chreode.fit(data, "day", growth_prior="birth", clones="barcode", annotate=False, **SMALL)
    # By name, in another order.
    series = pandas.Series(rates, names)[::-1]
    aligned = chreode.fit(data, "day", growth_prior=series, clones=clones, annotate=False, **SMALL)
    known = chreode.fit(x, time, growth_prior=rates, clones=clones, **SMALL)
    assert np.array_equal(by_name.losses, known.losses) and np.array_equal(aligned.losses, known.losses)
