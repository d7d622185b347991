"""Couplings: sparse, under the cells' names, and nothing is lost along them."""

import builtins
import copy
import pickle

import numpy as np
import pytest

import chreode

# So short a delta leaves many cells without a partner, which is told.
pytestmark = pytest.mark.filterwarnings("ignore::chreode.ChreodeWarning")
OPTIONS = {"method": "wfr-fm", "delta": 0.12, "seed": 1}


@pytest.fixture(scope="module")
def coupled(cells):
    return chreode.couple(*cells, **OPTIONS)


def test_what_cells_send_and_receive_is_what_they_weigh(coupled, cells, snapshots):
    _, time = cells
    assert len(coupled) == 4 and np.array_equal(coupled.times, snapshots.times)
    assert np.array_equal(coupled.counts, snapshots.counts) and np.array_equal(coupled.time, time)
    first, last = time == time.min(), time == time.max()
    assert np.allclose((coupled.sent + coupled.dying)[~last], 1, rtol=1e-9)
    assert np.allclose((coupled.received + coupled.born)[~first], 1, rtol=1e-9)
    assert not coupled.sent[last].any() and not coupled.received[first].any()
    assert coupled.dying.sum() > 0 and coupled.unmatched.shape == (4, 2)
    assert np.allclose(coupled.unmatched[:, 0].sum(), coupled.dying.sum())
    assert "4 of cells" in repr(coupled) and "dying" in coupled._repr_html_()


def test_a_coupling_is_a_sparse_matrix(coupled):
    sparse = pytest.importorskip("scipy.sparse")
    for k in range(4):
        sent, received = coupled.coupling(k), coupled.coupling(k, "received")
        assert isinstance(sent, sparse.csr_matrix) and sent.shape == tuple(coupled.counts[k : k + 2])
        assert sent.nnz == len(coupled.pairs(k)[0]) == coupled.report["pairs"][k]
        assert np.allclose(sent.sum(axis=1).A1, coupled.sent[coupled.rows(k)], atol=1e-12)
        assert np.allclose(received.sum(axis=0).A1, coupled.received[coupled.rows(k + 1)], atol=1e-12)
    assert np.array_equal(coupled.coupling(-1).data, sent.data)
    with pytest.raises(IndexError, match="4 intervals"):
        coupled.coupling(4)
    with pytest.raises(chreode.InvalidArgumentError, match="'sent' or 'received'"):
        coupled.coupling(0, "both")


def test_without_scipy_there_are_arrays_and_an_error_that_says_so(coupled, monkeypatch):
    plain = builtins.__import__

    def refuse(name, *rest):
        if name.split(".")[0] == "scipy":
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match="pip install scipy, or take pairs"):
        coupled.coupling(0)
    assert len(coupled.pairs(0)) == 4


def test_mass_goes_on_and_back_and_what_does_not_is_told(coupled):
    rng = np.random.default_rng(1)
    for start, to in [(0, 4), (1, 2), (2, 3)]:
        there = rng.random(coupled.counts[start])
        forth = coupled.push(there, start, to)
        assert len(forth.masses) == coupled.counts[to] and len(forth.lost) == to - start
        assert forth.masses.sum() + forth.lost.sum() == pytest.approx(there.sum(), rel=1e-9)
        back = coupled.pull(forth.masses, to, start)
        assert back.masses.sum() + back.lost.sum() == pytest.approx(forth.masses.sum(), rel=1e-9)
    # Of a single interval it is a product with the matrix over what there is of each cell.
    share = rng.random(coupled.counts[0])
    assert np.allclose(share @ coupled.coupling(0).toarray(), coupled.push(share, 0, 1).masses)
    grown = coupled.push(np.ones(coupled.counts[0]), 0, 1, carry="mass")
    assert np.allclose(grown.masses, coupled.received[coupled.rows(1)])


def test_cells_keep_their_names(cells):
    pandas = pytest.importorskip("pandas")
    x, time = cells
    mixed = np.random.default_rng(2).permutation(len(x))
    names = np.array([f"cell {i}" for i in range(len(x))])
    frame = pandas.DataFrame(x[mixed], index=names[mixed])
    named = chreode.couple(frame, pandas.Series(time, names), **OPTIONS)
    plain = chreode.couple(x[mixed], time[mixed], **OPTIONS)
    table = named.to_frame()
    assert list(table.columns) == ["time", "weight", "sent", "dying", "received", "born"]
    assert (table.index == names[mixed]).all() and np.array_equal(table["sent"], plain.sent)
    assert (named.cells(1) == names[mixed][named.rows(1)]).all() and (time[mixed][named.rows(1)] == 1).all()
    # A distribution goes by name, and may have other cells as well.
    every = pandas.Series(np.arange(len(x), dtype=float), names)
    forth = named.push(every, 0, 2)
    assert (forth.masses.index == named.cells(2)).all()
    assert np.array_equal(forth.masses, plain.push(every[named.cells(0)].to_numpy(), 0, 2).masses)
    assert np.array_equal(
        named.push(every > 5, 0, 1).masses, plain.push((every > 5)[named.cells(0)].to_numpy(), 0, 1).masses
    )
    with pytest.raises(chreode.InvalidArgumentError, match="distribution must have a value for each cell by its name"):
        named.push(every[1:][time[1:] > 0], 0, 1)


def test_an_anndata_keeps_the_names_of_its_cells_and_labels_of_times_are_times(cells):
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    x, time = cells
    obs = pandas.DataFrame({"day": [f"day{t:g}" for t in time]}, index=[f"c{i}" for i in range(len(x))])
    data = anndata.AnnData(np.zeros((len(x), 1)), obs=obs, obsm={"X_pca": x})
    found = chreode.couple(data, "day", **OPTIONS)
    assert list(found.names[:2]) == ["c0", "c1"]
    pushed = found.push(np.ones(found.counts[1]), "day1", "day3").masses
    assert list(pushed.index) == list(found.cells(3)) and pushed.sum() > 0


def test_descendants_and_ancestors_through_the_dynamics(model, cells):
    pandas = pytest.importorskip("pandas")
    x, time = cells
    mixed = np.random.default_rng(3).permutation(len(x))
    names = np.array([f"cell {i}" for i in range(len(x))])
    quick = {"descendants": 5, "seed": 2}
    found = model.descent(pandas.DataFrame(x[mixed], index=names[mixed]), time[mixed], start=1, to=3, **quick)
    assert list(found.times) == [1, 3] and len(found) == 1 and found.report["neighbours"] == 10
    both = np.isin(time[mixed], [1, 3])
    assert np.array_equal(found.row, np.flatnonzero(both)) and (found.names == names[mixed][both]).all()
    assert np.array_equal(found.time, time[mixed][both]) and (found.weight == 1).all()
    assert (found.to_frame().index == found.names).all()
    # What descends from a cell is what its fates count.
    kind = np.full(len(x), "all")
    told = model.fates(x[mixed], time[mixed], kind, start=1, to=3, **quick)
    grown = found.push(np.ones(found.counts[0]), 1, 3, carry="mass")
    assert grown.masses.sum() == pytest.approx(told.n.sum(), rel=1e-9)
    assert grown.lost.sum() == pytest.approx(told.p_none.sum(), rel=1e-9)
    start = pandas.Series(1.0, names[mixed][time[mixed] == 3][:5]).reindex(found.cells(1), fill_value=0.0)
    back = found.pull(start, 3, 1)
    assert back.masses.sum() + back.lost.sum() == pytest.approx(5, rel=1e-9)
    assert (back.masses.index == found.cells(0)).all()
    whole = model.descent(x, time, mode="ode")
    assert list(whole.times) == [0, 4] and len(whole.coupling(0).data) == len(whole.pairs(0)[0])
    with pytest.raises(chreode.InvalidArgumentError, match="from must be before 1"):
        model.descent(x, time, start=3, to=1)
    with pytest.raises(chreode.InvalidArgumentError, match="one of the times 1, 3"):
        found.push(np.ones(found.counts[0]), 0, 3)
    with pytest.raises(chreode.CancelledError):
        model.descent(x, time, progress=lambda *_: True)


def test_a_model_keeps_its_couplings_where_it_is_asked_to(cells, coupled, model):
    assert model.couplings is None
    kept = chreode.fit(*cells, keep_couplings=True, epochs=1, hidden="4", **OPTIONS)
    for one in (kept, pickle.loads(pickle.dumps(kept))):
        again = one.couplings
        assert np.array_equal(again.times, coupled.times) and again.weight is None and again.names is None
        for ours, theirs in zip(again.pairs(2), coupled.pairs(2)):
            assert np.array_equal(ours, theirs)
        assert np.array_equal(again.sent, coupled.sent)
    # Times as they were given.
    x, time = cells
    labels = np.array([f"day{int(t)}" for t in time])
    labelled = chreode.fit(x, labels, keep_couplings=True, epochs=1, hidden="4", **OPTIONS).couplings
    ones = np.ones(labelled.counts[0])
    assert np.array_equal(labelled.push(ones, "day0", "day2").masses, coupled.push(ones, 0, 2).masses)


def test_mishaps_are_errors(coupled, cells):
    ones = np.ones(coupled.counts[0])
    for work, match in [
        (lambda: coupled.push(ones, 0, 0), "to must be later"),
        (lambda: coupled.pull(ones, 0, 1), r"to must be earlier than 0, .*push\(\)"),
        (lambda: coupled.push(ones, 0, 7), "to must be one of the times 0, 1, 2, 3, 4, got 7"),
        (lambda: coupled.push(ones[1:], 0, 1), "distribution must have"),
        (lambda: coupled.push(-ones, 0, 1), "finite and not negative"),
        (lambda: coupled.push(ones, 0, 1, carry="all"), "carry"),
        (lambda: chreode.couple(*cells, method="tigon"), "one that couples cells"),
        (lambda: chreode.couple(*cells, ensemble=3), "ensemble must be 1"),
    ]:
        with pytest.raises(chreode.InvalidArgumentError, match=match):
            work()
    with pytest.raises(chreode.CancelledError):
        chreode.couple(*cells, progress=lambda *_: True, **OPTIONS)
    with pytest.raises(TypeError, match="made by chreode.couple and"):
        chreode.Couplings()
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(coupled)
    assert copy.deepcopy(coupled) is coupled
