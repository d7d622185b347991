"""Recipes held against cells that they were not fitted to."""

import numpy as np
import pytest

import chreode

SHORT = {"hidden": "8x1", "growth_hidden": "8x1", "epochs": 5, "threads": 2, "splits": 2}


def test_recipes_stand_side_by_side(snapshots):
    found = chreode.validate(snapshots, method=["wfr-fm", "usb"], sigma=[0.02, 0.05], seed=1, **SHORT)
    assert [recipe["recipe"] for recipe in found.recipes] == ["wfr-fm", "usb sigma=0.02", "usb sigma=0.05"]
    assert found.best == int(np.argmin([recipe["ratio"] for recipe in found.recipes]))
    assert found.verdict.startswith("W1 to unseen cells is") and found.verdict in repr(found)
    first = found.recipes[0]
    assert len(first["w1"]) == len(found.measures["times"]) == len(snapshots.times) - 1
    assert first["ratio"] == pytest.approx(np.mean(first["ratios"]))
    assert "usb sigma=0.05" in found._repr_html_() and "±" in found._repr_html_()
    again = chreode.validate(snapshots, method=["wfr-fm", "usb"], sigma=[0.02, 0.05], seed=1, **{**SHORT, "threads": 1})
    assert [recipe["ratio"] for recipe in again.recipes] == [recipe["ratio"] for recipe in found.recipes]


def test_parts_and_growth_go_with_their_cells(snapshots):
    blocks = [snapshots.points(k) for k in range(len(snapshots.times))]
    x, time = np.concatenate(blocks), np.repeat(snapshots.times, snapshots.counts)
    parts = np.array(["a", "b"])[np.arange(len(x)) % 2]
    growth = x[:, 1] ** 2 / (1 + x[:, 1] ** 2)
    order = np.random.default_rng(0).permutation(len(x))
    sorted_cells = chreode.validate(x, time, parts=parts, growth=growth, **SHORT)
    shuffled = chreode.validate(x[order], time[order], parts=parts[order], growth=growth[order], **SHORT)
    ready = chreode.validate(snapshots, parts=parts, growth=growth, **SHORT)
    assert ready.measures["parts"] == 2 and ready.measures["splits"] == 2
    assert ready.recipes[0]["ratio"] == sorted_cells.recipes[0]["ratio"]
    assert ready.recipes[0]["growth_error"] == sorted_cells.recipes[0]["growth_error"]
    # Another order of the cells of a time is another fit, with the same cells held out.
    assert shuffled.measures["nothing_moves"] == pytest.approx(sorted_cells.measures["nothing_moves"])
    for wrong in ({"parts": parts[1:]}, {"growth": growth[1:]}):
        for cells in ((snapshots, None), (x, time)):
            with pytest.raises(chreode.InvalidArgumentError):
                chreode.validate(*cells, **wrong, **SHORT)
    with pytest.raises(chreode.InvalidDataError, match="part `1` has 0 cells at time 0"):
        chreode.validate(x, time, parts=time > 0, **SHORT)


def test_held_out_times_and_progress(snapshots):
    told = []
    found = chreode.validate(
        snapshots, hold_out_times=True, progress=lambda *now: told.append(now[:3]) and False, **SHORT
    )
    inner = len(snapshots.times) - 2
    assert len(found.recipes[0]["held_out_w1"]) == len(found.measures["held_out"]["interpolation"]) == inner
    assert told[0] == ("validation", 0, 100 * (2 + inner)) and told[-1][1] == told[-1][2]
    with pytest.raises(chreode.CancelledError):
        chreode.validate(snapshots, progress=lambda *now: True, **SHORT)


def test_what_cannot_be_validated_is_refused(snapshots):
    with pytest.raises(chreode.InvalidArgumentError, match="`splits` is the nearest"):
        chreode.validate(snapshots, split=2)
    with pytest.raises(chreode.InvalidArgumentError, match="sigma must be left out with wfr-fm"):
        chreode.validate(snapshots, method="wfr-fm", sigma=0.1)
    with pytest.raises(chreode.InvalidDataError, match="two times or more"):
        chreode.validate(snapshots.without(snapshots.times[1:]))
