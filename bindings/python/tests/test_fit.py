"""Fits: what goes in, progress, errors of callbacks, interrupts."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from conftest import SMALL

import chreode

LONG = {**SMALL, "epochs": 1_000_000}


def same(one, other):
    return one.to_bytes() == other.to_bytes()


def test_a_fit_tells_what_it_is_and_how_it_went(model, snapshots):
    assert model.info["method"] == "usb" and model.info["times"] == list(snapshots.times)
    assert model.report["epochs"] == 20 == len(model.losses)
    assert model.report["last_loss"] == model.losses[-1]
    assert all(coupling["converged"] for coupling in model.report["couplings"])
    assert "usb" in repr(model) and "cells: 60 at 0" in repr(snapshots)


def test_a_fit_tells_a_logger_what_it_chose(snapshots, caplog):
    with caplog.at_level(logging.INFO, logger="chreode"):
        model = chreode.fit(snapshots, hidden="8x1", epochs=2)
    for key in ["delta", "sigma", "penalty"]:
        if model.report[key] is not None:
            assert f"{key} {model.report[key]}" in caplog.text
    assert "method usb, delta " in caplog.text and "60 at 0" in caplog.text and "pairs [" in caplog.text


def test_warnings_of_the_library_are_shown_where_the_caller_stands(snapshots, monkeypatch):
    real = json.loads

    def warning(text):
        told = real(text)
        return {**told, "warnings": ["mind the gap"]} if isinstance(told, dict) and "first_loss" in told else told

    monkeypatch.setattr(json, "loads", warning)
    with pytest.warns(chreode.ChreodeWarning, match="mind the gap") as caught:
        chreode.fit(snapshots, **SMALL)
    assert [warned.filename for warned in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(chreode.ChreodeWarning) as raised:
            chreode.fit(snapshots, **SMALL)
    assert isinstance(raised.value.model, chreode.Dynamics), "a warning that is an error loses no model"


def test_layouts_and_precisions_give_the_same_bits(model, cells):
    x, t = cells
    doubled = np.zeros((2 * len(x), 2 * x.shape[1]))
    doubled[::2, ::2] = x
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    read_only = x.copy()
    read_only.flags.writeable = False
    for same_cells in [
        x,
        x.astype(np.float32),
        np.asfortranarray(x),
        x[::-1][::-1],
        np.ascontiguousarray(x[::-1])[::-1],
        doubled[::2, ::2],
        x.astype(">f8"),
        unaligned,
        read_only,
        x.tolist(),
        np.ma.masked_array(x),
        x.astype(object),
    ]:
        assert same(chreode.fit(same_cells, t, **SMALL), model)
    order = np.argsort(t, kind="stable")[::-1]
    assert not same(chreode.fit(x[order], t[order], **SMALL), model), "other pairs are sampled from another order"


def test_options_of_python_types(model, snapshots):
    given = {**SMALL, "hidden": [16, 16], "epochs": np.int64(20), "delta": np.float32(1.5), "ema": None}
    assert same(chreode.fit(snapshots, **given), model)
    assert chreode.fit(snapshots, **{**SMALL, "seed": 2**64 - 1}).info["seed"] == 2**64 - 1
    for widths in [np.array([16, 16]), (16, 16), "16,16"]:
        assert same(chreode.fit(snapshots, **{**SMALL, "hidden": widths}), model)
    with pytest.raises(TypeError, match="hidden must be"):
        chreode.fit(snapshots, **{**SMALL, "hidden": np.full((2, 2), 16)})


def test_the_default_method_is_the_librarys(snapshots):
    default = next(option.default for option in chreode.options() if option.name == "method")
    rest = {key: value for key, value in SMALL.items() if key not in ("method", "sigma")}
    assert chreode.fit(snapshots, **rest).info["method"] == default
    assert chreode.fit(snapshots, method=None, **rest, penalty=None).info["method"] == default


def test_a_coupling_and_a_bridge_instead_of_a_method(snapshots):
    rest = {key: value for key, value in SMALL.items() if key != "method"}
    assert chreode.fit(snapshots, coupling="wfr", bridge="brownian", **rest).info["method"] == "custom"


def test_masses_and_weights(snapshots, cells):
    x, t = cells
    masses = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert np.allclose(chreode.Snapshots(x, t, masses=masses).masses, masses)
    weighted = chreode.Snapshots(x, t, weights=np.full(len(x), 2.0))
    assert np.array_equal(weighted.masses, 2 * snapshots.masses)
    assert np.allclose(snapshots.with_masses(masses).masses, masses)
    assert np.array_equal(snapshots.without([2.0]).times, [0, 1, 3, 4])
    blocks = [snapshots.points(k) for k in range(5)]
    again = chreode.Snapshots.from_blocks(
        blocks, snapshots.times, weights=[None, *[snapshots.weights(k) for k in range(1, 5)]]
    )
    assert np.array_equal(again.points(-1), snapshots.points(4)) and np.array_equal(again.masses, snapshots.masses)


def test_progress_is_told_to_a_function(snapshots):
    told = []
    chreode.fit(snapshots, progress=lambda *now: told.append(now), **SMALL)
    stages = [now[0] for now in told]
    assert set(stages) == {"coupling", "training"} and stages == sorted(stages)
    coupling = [now for now in told if now[0] == "coupling"]
    assert coupling[0][1:3] == (0, 4) and coupling[-1][1:3] == (4, 4)
    assert told[-1][1:3] == (20, 20) and isinstance(told[-1][3], float) and told[0][3] is None


@pytest.mark.parametrize("tqdm", [True, False])
def test_progress_is_drawn(snapshots, capsys, monkeypatch, tqdm):
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    chreode.fit(snapshots, progress=True, **SMALL)
    told = capsys.readouterr()
    assert "training" in told.err and "20/20" in told.err and told.out == ""


def test_a_function_stops_a_fit_and_the_model_is_usable(snapshots):
    with pytest.raises(chreode.CancelledError, match="cancel") as caught:
        chreode.fit(snapshots, progress=lambda stage, done, total, loss: stage == "training" and done > 3, **LONG)
    partial = caught.value.model
    assert caught.value.status == -6
    assert 0 < len(partial.losses) < 1_000_000 and partial.report["epochs"] == len(partial.losses)
    assert np.isfinite(partial.velocity(snapshots.points(0), 0.0)).all()
    with pytest.raises(chreode.CancelledError) as caught:
        chreode.fit(snapshots, progress=lambda *now: True, **LONG)
    assert caught.value.model is None, "training had not begun"


def test_an_exception_of_a_function_comes_back(snapshots):
    class Slotted(Exception):
        __slots__ = ()

    def progress(stage, done, total, loss):
        if stage == "training":
            raise kind("mine")

    for kind in [KeyError, ZeroDivisionError, Slotted, SystemExit, KeyboardInterrupt]:
        with pytest.raises(kind, match="mine") as caught:
            chreode.fit(snapshots, progress=progress, **LONG)
        assert isinstance(caught.value.model, chreode.Dynamics)
        assert any(entry.name == "progress" for entry in caught.traceback), "it says where it was raised"
    with pytest.raises(TypeError):
        chreode.fit(snapshots, progress=lambda: None, **LONG)
    with pytest.raises(TypeError, match="progress must be"):
        chreode.fit(snapshots, progress="bar", **SMALL)


def test_a_function_may_call_the_library_but_not_the_snapshots_of_its_fit(snapshots, model):
    seen = []

    def progress(stage, done, total, loss):
        seen.append(model.velocity([[0.5, 0.5]], 0.0))
        with pytest.raises(chreode.InvalidArgumentError):
            chreode.dataset("nothing")
        if stage == "training":
            snapshots.points(0)

    with pytest.raises(RuntimeError, match="in use"):
        chreode.fit(snapshots, progress=progress, **LONG)
    assert seen and snapshots.points(0).shape == (60, 2)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("progress", ["None", "lambda *now: None"])
def test_an_interrupt_ends_a_fit_with_its_model(progress):
    program = f"""
import os, signal, threading, time
import chreode
snapshots = chreode.dataset("gene-network", cells_per_state=30)
# A script that starts these tests in the background has interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    chreode.fit(snapshots, progress={progress}, **{LONG!r})
except KeyboardInterrupt as stopped:
    print(len(stopped.model.losses) > 0, stopped.model.velocity(snapshots.points(0), 0.0).shape)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("True (60, 2)\n", "")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals as POSIX has them")
def test_a_signal_handler_that_raises_ends_a_fit(snapshots):
    class TooLong(Exception):
        pass

    def handler(number, frame):
        raise TooLong

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(TooLong) as caught:
            chreode.fit(snapshots, **LONG)
        assert caught.value.model.losses.size > 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_other_python_threads_run_during_a_fit(snapshots):
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.005):
            ticks.append(time.perf_counter())

    ticking = threading.Thread(target=tick)
    ticking.start()
    start = time.perf_counter()
    chreode.fit(snapshots, **{**SMALL, "epochs": 200, "hidden": "64x3"})
    end = time.perf_counter()
    done.set()
    ticking.join()
    during = sum(start < at < end for at in ticks)
    assert during > 0.1 * (end - start) / 0.005, f"{during} ticks in {end - start} s"


def test_eight_threads_with_a_handle_each(snapshots, model):
    results, blocks = {}, [snapshots.points(k) for k in range(5)]

    def work(i):
        own = chreode.Snapshots.from_blocks(blocks, [0, 1, 2, 3, 4])
        with pytest.raises(chreode.InvalidArgumentError, match=f"nothing{i}"):
            chreode.fit(own, **{f"nothing{i}": 1})
        fitted = chreode.fit(own, **{**SMALL, "threads": 1})
        results[i] = (fitted.to_bytes(), fitted.velocity(blocks[0], 0.5).tobytes())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(results) == 8 and len(set(results.values())) == 1
    assert results[0][0] == model.to_bytes(), "the same bits at any number of threads"


def test_eight_threads_take_turns_with_one_handle(snapshots, model):
    points = snapshots.points(0)
    expected, wrong = model.velocity(points, 0.5), []

    def work():
        for _ in range(20):
            if not np.array_equal(model.velocity(points, 0.5), expected):
                wrong.append(1)
            model.threads = 2

    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong
