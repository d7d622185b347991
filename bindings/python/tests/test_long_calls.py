"""Long calls tell where they stand, end when they are asked to, and warn where a result means little."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest

import chreode

#: Seconds within which a call must come back after it was asked to: it takes a third of one on a free machine (figures are
#: printed), and machines may be busy.
AT_MOST = 3.0


@pytest.fixture(scope="module")
def many():
    """Snapshots of 5000 cells each, and a model of them that was hardly trained."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(10_000, 10)) + np.repeat([[0.0], [1.0]], 5000, axis=0)
    snapshots = chreode.Snapshots(x, np.repeat([0.0, 1.0], 5000))
    small = {"method": "ot-cfm", "chunk_size": 50, "epochs": 1, "hidden": "256x3"}
    return x, snapshots, chreode.fit(snapshots, **small)


def calls(many):
    x, snapshots, model = many
    at = np.linspace(0, 1, 1_000_000)
    steps = {"solver": "rk4", "step": 1e-5}
    return {
        "transport": lambda **told: chreode.transport(x[:5000], x[5000:], cost="euclidean", penalty=np.inf, **told),
        "simulation": lambda **told: model.simulate(x[:5000], [0.0, 1.0], **steps, **told),
        "evaluation": lambda **told: model.evaluate(snapshots, **steps, **told),
        "coupling": lambda **told: chreode.fit(snapshots, method="usb", delta=9.0, sigma=0.1, **told),
        "field": lambda **told: model.velocity(np.tile(x, (100, 1)), at, **told),
    }


@pytest.mark.parametrize("name", ["transport", "simulation", "evaluation", "coupling", "field"])
@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
def test_an_interrupt_ends_every_long_call(many, name):
    sent = []

    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    call = calls(many)[name]
    timer = threading.Timer(0.3, interrupt)
    # A script that starts these tests in the background has interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    waited = time.perf_counter() - sent[0]
    print(f"{name}: {1e3 * waited:.0f} ms after the interrupt")
    assert waited < AT_MOST


@pytest.mark.parametrize("name", ["transport", "simulation", "evaluation"])
def test_progress_is_told_and_can_end_every_long_call(many, name):
    seen = []

    def enough(stage, done, total, loss):
        seen.append(threading.get_ident())
        assert (stage, done, total, loss) == (name, 0, 1, None)
        return len(seen) == 3

    call = calls(many)[name]
    with pytest.raises(chreode.CancelledError) as caught:
        call(progress=enough)
    assert seen == [threading.get_ident()] * 3 and caught.value.model is None

    def fails(*now):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        call(progress=fails)


def test_a_bar_is_shown_for_a_short_call(model, snapshots, capsys):
    model.simulate(snapshots.sample(0, 5), [0.0, 1.0], progress=True)
    assert "simulation" in capsys.readouterr().err


def test_results_that_mean_little_are_warned_of(model, snapshots):
    x = snapshots.sample(0, 5)
    with pytest.warns(chreode.ChreodeWarning, match="the time 50 is 46.000 after .* extrapolation") as caught:
        model.simulate(x, [0.0, 50.0])
    assert caught[0].filename == __file__
    with pytest.warns(chreode.ChreodeWarning, match="nothing is transported"):
        plan = chreode.transport(x, x + 100, delta=1e-2)
    assert len(plan.masses) == 0 and plan.report["warnings"]
    with pytest.warns(chreode.ChreodeWarning, match="no partner within reach"):
        chreode.fit(snapshots, method="wfr-fm", delta=1e-4, hidden="4", epochs=1)
    later = chreode.Snapshots(np.concatenate([x, x]), [0.0] * 5 + [9.0] * 5)
    with pytest.warns(chreode.ChreodeWarning, match="the time 9 is 5.000 after"):
        model.evaluate(later)
    with pytest.warns(chreode.ChreodeWarning, match="at the same point"):
        chreode.fit(np.ones((5, 2)), [0.0, 0.0, 1.0, 1.0, 1.0], method="ot-cfm", hidden="4", epochs=1)


def test_rows_at_times_of_their_own(model, snapshots):
    x = np.concatenate([snapshots.points(0)] * 3)
    times = np.linspace(0, 4, len(x)).round(1)
    values = model.velocity(x, times)
    for at in np.unique(times):
        assert np.array_equal(values[times == at], model.velocity(x[times == at], at))


def test_fields_beyond_the_times_of_the_fit_are_warned_of(snapshots, model):
    x = snapshots.points(0)[:2]
    with pytest.warns(chreode.ChreodeWarning, match="the time 9 is 5.000 beyond"):
        model.velocity(x, 9)
    with pytest.warns(chreode.ChreodeWarning, match="the time -1 is 1.000 beyond"):
        model.growth(x, [2, -1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.velocity(x, [0, 4])
