"""Fields, simulations, evaluations; saving, pickling, copying, forking."""

import copy
import multiprocessing
import os
import pickle
import tracemalloc

import numpy as np
import pytest

import chreode


def test_fields_by_name(model, snapshots):
    x = snapshots.points(0)
    assert model.fields == {"velocity": 2, "growth": 1, "score_drift": 2}
    for name in ["velocity", "growth", "score_drift"]:
        assert model.field(name, x, 0.5).shape == (len(x), model.fields[name])
    with pytest.raises(chreode.InvalidArgumentError, match="usb learns no landscape; .* velocity, growth, score_drift"):
        model.field("landscape", x, 0.5)


@pytest.mark.parametrize(
    "method, learned",
    [
        ("ot-cfm", {"velocity"}),
        ("sf2m", {"velocity", "score_drift"}),
        ("wfr-fm", {"velocity", "growth"}),
        ("var-ruot", {"velocity", "growth", "score_drift", "landscape"}),
    ],
)
def test_what_was_not_learned_is_absent(snapshots, method, learned):
    short = {"hidden": "8x1", "epochs": 2, "threads": 1, "sigma": 0.1 if "score_drift" in learned else None}
    model = chreode.fit(snapshots, method=method, **short)
    x = snapshots.points(0)
    assert set(model.fields) == learned
    for name in chreode.capabilities()["fields"]:
        if name in learned:
            assert np.abs(model.field(name, x, 0.5)).max() > 0
        else:
            with pytest.raises(chreode.InvalidArgumentError, match=f"{method} learns no {name}"):
                model.field(name, x, 0.5)


def test_the_landscape_of_a_model_that_learned_one(snapshots):
    short = {"hidden": "8x1", "epochs": 3, "score_epochs": 2, "threads": 1}
    model = chreode.fit(snapshots, method="var-ruot", **short)
    x = snapshots.points(0)
    assert model.field("landscape", x, 0.5).shape == (len(x), model.fields["landscape"])


def test_fields_by_their_own_names(model, snapshots):
    x = snapshots.points(0)
    assert model.growth(x, 0.5).shape == (60,)
    assert np.array_equal(model.growth(x, 0.5), model.field("growth", x, 0.5)[:, 0])
    assert not np.array_equal(model.velocity(x, 0.5), model.score_drift(x, 0.5))
    assert model.velocity(x, 0).dtype == np.float32 and model.velocity(x.astype(float), 0).dtype == np.float64
    assert model.velocity(np.empty((0, 2)), 0).shape == (0, 2)
    assert model.velocity([[0, 1], [1, 0]], 0).shape == (2, 2)


def test_layouts_give_the_same_bits(model):
    x = np.random.default_rng(0).random((1000, 2), np.float32)
    expected = model.velocity(x, 0.5)
    wide = np.zeros((1000, 6), np.float32)
    wide[:, 5:1:-3] = x
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    for same in [
        np.asfortranarray(x),
        x.astype(float),
        np.asfortranarray(x, float),
        wide[:, 5:1:-3],
        x.astype(">f4"),
        unaligned,
    ]:
        assert np.array_equal(model.velocity(same, 0.5), expected)
    assert np.array_equal(model.velocity(x[::-1], 0.5), expected[::-1])
    assert np.array_equal(model.velocity(np.broadcast_to(x[0], (9, 2)), 0.5), np.broadcast_to(expected[0], (9, 2)))
    for out in [np.empty((1000, 2)), np.empty((2, 1000), np.float32).T, np.empty((2000, 2), np.float32)[::-2]]:
        assert model.velocity(x, 0.5, out=out) is out
        assert np.array_equal(out, expected)


def test_a_time_a_row(model):
    x = np.random.default_rng(0).random((60, 2))
    times = np.arange(60) % 3
    values = model.velocity(x, times)
    for time in range(3):
        assert np.array_equal(values[times == time], model.velocity(x[times == time], time))


def test_nothing_is_copied_in_place(model):
    """Arrays of numpy's are counted by tracemalloc: the result is all there is."""
    x = np.random.default_rng(0).random((200_000, 2), np.float32)
    out = np.empty_like(x)
    for given, into, allowed in [
        (x, out, 0),
        (x, None, x.nbytes),
        (np.asfortranarray(x), out, 0),
        (x[::-1], out, 0),
        (x.astype(float), out, 0),
        (np.frombuffer(x.tobytes(), np.float32).reshape(x.shape), out, 0),  # read-only
    ]:
        tracemalloc.start()
        model.velocity(given, 0.5, out=into)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < allowed + 100_000, (given.flags, peak)


def test_simulations(model, snapshots):
    x = snapshots.points(0)
    flow = model.simulate(x, snapshots.times)
    assert np.array_equal(flow.times, snapshots.times) and list(flow.counts) == [60] * 5
    assert np.array_equal(flow.frames[0].points, x) and flow.lineage is None and flow.newick() == ""
    assert np.array_equal(flow.frames[4].ids, np.arange(60)) and flow.frames[0].mass == 60
    back = model.simulate(flow.frames[4].points, [4.0, 0.0])
    assert np.abs(back.frames[1].points - x).max() < 1e-2
    noisy = model.simulate(x, None, "sde", 3, weights=np.full(60, 0.5))
    assert noisy.frames[0].mass == 30 and not np.array_equal(noisy.frames[4].points, flow.frames[4].points)
    late = model.simulate(x, [2.0], start=1.0)
    assert late.times == [2.0] and len(late.frames) == 1


def test_lineages(model, snapshots):
    population = model.simulate(snapshots.points(0)[:20], mode="branching", seed=1, turnover=0.5)
    lineage, last = population.lineage, population.frames[-1]
    assert np.array_equal(lineage.parents[:20], [-1] * 20) and (lineage.parents[20:] >= 0).all()
    assert (lineage.fates == chreode.Fate.ALIVE).sum() == len(last) == population.counts[-1]
    assert (lineage.parents >= 0).sum() == 2 * (lineage.fates == chreode.Fate.DIVIDED).sum()
    assert (lineage.births <= lineage.ends).all()
    assert len(population.newick().splitlines()) == 20
    again = pickle.loads(pickle.dumps(population))
    assert again.newick() == population.newick() and np.array_equal(again.frames[-1].points, last.points)
    assert "cells in the lineage" in repr(population)


def test_cells_are_drawn_by_seed():
    x = np.arange(40.0).reshape(20, 2)
    weights = np.where(np.arange(20) < 3, 0.0, 1.0)
    weights[19] = 1000.0
    snapshots = chreode.Snapshots(np.concatenate([x, x]), np.repeat([0, 1], 20), weights=np.tile(weights, 2))
    drawn = snapshots.sample(0, 5, seed=1)
    assert np.array_equal(drawn, snapshots.sample(0, 5, seed=1))
    assert (np.diff(drawn[:, 0]) > 0).all() and 38 in drawn[:, 0], (
        "in the order of the snapshot, and the heavy one among them"
    )
    assert not np.array_equal(drawn, snapshots.sample(0, 5, seed=2))
    firsts = [snapshots.sample(0, 1, seed)[0, 0] for seed in range(300)]
    assert firsts.count(38) > 285, "in proportion to weights: 1000 of 1016"
    everyone = snapshots.sample(1, 17)
    assert len(np.unique(everyone, axis=0)) == 17 and everyone[:, 0].min() == 6, (
        "different ones, and none without a weight"
    )
    for count in [0, 18, -1]:
        with pytest.raises(ValueError, match="1 to 17|at least 1"):
            snapshots.sample(0, count)
    with pytest.raises(ValueError, match="seed"):
        snapshots.sample(0, 1, -1)


def test_a_draw_stands_for_its_snapshot(snapshots):
    start = snapshots.points(0).mean(axis=0)
    far = [np.abs(snapshots.sample(0, 30, seed).mean(axis=0) - start).max() for seed in range(20)]
    first = np.abs(snapshots.points(0)[:30].mean(axis=0) - start).max()
    assert max(far) < first, "the first rows are one of the two states alone"


def test_notebooks_see_tables(model, snapshots):
    plan = chreode.transport(snapshots.points(0), snapshots.points(1))
    for told, word in [
        (model, "usb"),
        (snapshots, "60"),
        (model.evaluate(snapshots), "W1"),
        (model.simulate(snapshots.points(0), mode="branching"), "lineage"),
        (plan, "primal"),
    ]:
        page = told._repr_html_()
        assert page.count("<table>") == 1 == page.count("</table>") and word in page


def test_evaluations(model, snapshots, cells):
    evaluation = model.evaluate(snapshots)
    assert np.array_equal(evaluation.time, snapshots.times[1:])
    assert np.isclose(evaluation.mean_w1, evaluation.w1.mean()) and (evaluation.w1 <= evaluation.w2 + 1e-12).all()
    assert evaluation.measures["action"] == evaluation.action > 0
    assert np.array_equal(model.evaluate(*cells).w1, evaluation.w1)
    noisy = model.evaluate(snapshots, mode="sde", runs=2)
    assert (noisy.w1_sd > 0).all() and noisy.mean_w1_sd > 0
    assert pickle.loads(pickle.dumps(evaluation)).mean_w1 == evaluation.mean_w1


def test_round_trips(model, snapshots, tmp_path):
    x = snapshots.points(0)
    expected = model.velocity(x, 0.5)
    path = tmp_path / "modèle.safetensors"
    model.save(path)
    for given in [path, str(path), os.fsencode(path)]:
        loaded = chreode.Dynamics.load(given)
        assert np.array_equal(loaded.velocity(x, 0.5), expected)
        assert loaded.report == model.report and np.array_equal(loaded.losses, model.losses)
    data = model.to_bytes()
    for given in [data, bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)]:
        again = chreode.Dynamics.from_bytes(given)
        assert again.to_bytes() == data and again.report is None and again.losses.size == 0
    for again in [pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model)]:
        assert np.array_equal(again.velocity(x, 0.5), expected)
        assert again.threads == model.threads == 2 and again.report == model.report
        assert np.array_equal(again.losses, model.losses)
    weighted = snapshots.with_masses([3, 1, 4, 1, 5])
    again = pickle.loads(pickle.dumps(weighted))
    for k in range(5):
        assert np.array_equal(again.points(k), weighted.points(k)) and np.array_equal(
            again.weights(k), weighted.weights(k)
        )
    assert copy.deepcopy(snapshots) is snapshots


def test_errors_can_be_sent_to_another_process(snapshots):
    with pytest.raises(chreode.CancelledError) as caught:
        chreode.fit(snapshots, progress=lambda stage, *now: stage == "training", hidden="8x1")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is chreode.CancelledError and str(again) == str(caught.value) and again.status == -6
    assert again.model.to_bytes() == caught.value.model.to_bytes()


def _in_child(model, x, sent):
    same = model.velocity(x, 0.5)
    population = model.simulate(x, mode="branching", seed=1)
    fitted = chreode.fit(
        chreode.dataset("gene-network", cells_per_state=10), hidden="8x1", epochs=2, delta=1.5
    )
    sent.put((same.tobytes(), population.newick(), model.threads, len(fitted.losses)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_model_that_computed_goes_on_in_a_forked_child(model, snapshots):
    x = snapshots.points(0)
    expected = model.velocity(x, 0.5)
    context = multiprocessing.get_context("fork")
    sent = context.Queue()
    child = context.Process(target=_in_child, args=(model, x, sent))
    child.start()
    same, newick, threads, epochs = sent.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0
    assert same == expected.tobytes() and (threads, epochs) == (2, 2)
    assert newick == model.simulate(x, mode="branching", seed=1).newick()
    assert np.array_equal(model.velocity(x, 0.5), expected), "and in the parent"
    with context.Pool(2) as pool:
        assert all(np.array_equal(values, expected) for values in pool.starmap(model.velocity, [(x, 0.5)] * 4))


def test_threads(model):
    again = chreode.Dynamics.from_bytes(model.to_bytes())
    assert again.threads == 0
    again.threads = 1
    x = np.random.default_rng(0).random((5000, 2))
    assert np.array_equal(again.velocity(x, 0), model.velocity(x, 0)) and again.threads == 1


def test_the_library_describes_itself():
    assert chreode.version() == chreode.__version__ == chreode.capabilities()["version"]
    names = [option.name for option in chreode.options()]
    assert "delta" in names and names == [option.name for option in chreode.options("fit")]
    for name in names:
        assert chreode.fit.__doc__.count(f"\n{name} : ") == 1
    for name in chreode.capabilities()["option_lists"]:
        assert all(option.meaning and option.kind and option.default for option in chreode.options(name))
    for name in chreode.capabilities()["data_sets"]:
        assert len(chreode.dataset(name)) > 1
