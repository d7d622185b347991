"""Whatever comes in, what comes back is an exception that says what would be right."""

import errno
import os
import pickle
import random

import numpy as np
import pytest
from conftest import SMALL

import chreode

X, T = np.random.default_rng(1).random((20, 2)), np.repeat([0.0, 1.0], 10)
NAN = X.copy()
NAN[3, 1] = np.nan


@pytest.mark.parametrize(
    "kind, message, x, t",
    [
        (TypeError, "x must be an array of numbers, got None", None, T),
        (TypeError, "time must be the time of each cell, got None", X, None),
        (ValueError, r"one row a cell, got the shape \(20,\)", X[:, 0], T),
        (ValueError, r"got the shape \(20, 2, 1\)", X[:, :, None], T),
        (ValueError, "19", X, T[:-1]),
        (ValueError, "one-dimensional", X, np.stack([T, T])),
        (chreode.InvalidDataError, "row 4, coordinate 2", NAN, T),
        (chreode.InvalidDataError, None, X[:0], T[:0]),
        (ValueError, None, X[:, :0], T),
        (ValueError, None, X, np.zeros(20)),
        (ValueError, None, X, np.where(T == 1, np.inf, 0)),
        (ValueError, None, X, np.where(T == 1, np.nan, 0)),
        (TypeError, "complex128", X.astype(complex), T),
        (TypeError, "numbers", X.astype(str), T),
        (TypeError, "numbers", np.array([["a", None]] * 20, object), T),
        (TypeError, "complex128", X, T.astype(complex)),
        (TypeError, "names of columns are for an AnnData", X, "day"),
        (ValueError, "rows of one length", [[0.0, 1.0], [2.0]] * 10, T),
        (chreode.InvalidDataError, "masked", np.ma.masked_less(X, 0.5), T),
    ],
)
def test_cells(kind, message, x, t):
    with pytest.raises(kind, match=message):
        chreode.fit(x, t, **SMALL)


def test_text_that_is_numbers_is_a_time():
    assert list(chreode.Snapshots(X, [f"{time:g}" for time in T]).times) == [0, 1]


@pytest.mark.parametrize(
    "message, options",
    [
        ("nearest.*delta|delta", {"detla": 1.5}),
        ("delta must be", {"delta": -1}),
        ("delta", {"delta": float("nan")}),
        ("epochs", {"epochs": 1.5}),
        ("epochs", {"epochs": -1}),
        ("seed", {"seed": -1}),
        ("seed", {"seed": 2**64}),
        ("hidden", {"hidden": "wide"}),
        ("hidden", {"hidden": []}),
        ("usb", {"method": "ubs"}),
        ("threads", {"threads": 10**6}),
        ("nothing", {"nothing": None}),
        ("weights", {"weights": np.ones(19)}),
        ("weight", {"weights": -np.ones(20)}),
        ("mass", {"masses": [1.0]}),
        ("mass", {"masses": [1.0, -1.0]}),
    ],
)
def test_options(message, options):
    with pytest.raises(ValueError, match=message):
        chreode.fit(X, T, **{**SMALL, **options})


def test_options_of_wrong_types():
    for value in [{}, object(), 1j]:
        with pytest.raises(TypeError, match="the option delta must be"):
            chreode.fit(X, T, **{**SMALL, "delta": value})
    with pytest.raises(ValueError, match="fit"):
        chreode.options("fti")
    with pytest.raises(ValueError, match="gene-network"):
        chreode.dataset("gene-netwrok")


def test_points(model):
    x = X.astype(np.float32)
    for kind, message, call in [
        (ValueError, "2, the dimension", lambda: model.velocity(np.zeros((3, 3)), 0)),
        (chreode.InvalidDataError, "row 4, coordinate 2", lambda: model.velocity(NAN, 0)),
        (ValueError, "time", lambda: model.velocity(x, np.nan)),
        (ValueError, "t must", lambda: model.velocity(x, [0.0] * 19)),
        (ValueError, "got nan for row 1 and 19 others", lambda: model.velocity(x, [np.nan] * 20)),
        (ValueError, "finite", lambda: model.velocity(x, [np.inf] * 20)),
        (TypeError, "t must", lambda: model.velocity(x, None)),
        (TypeError, "t must", lambda: model.velocity(x, "0")),
        (ValueError, "velocity", lambda: model.field("velocty", x, 0)),
        (ValueError, "shape", lambda: model.velocity(x, 0, out=np.empty((19, 2)))),
        (TypeError, "out", lambda: model.velocity(x, 0, out=np.empty((20, 2), int))),
        (TypeError, "out", lambda: model.velocity(x, 0, out=[[0, 0]] * 20)),
        (ValueError, None, lambda: model.velocity(x, 0, out=x)),
        (
            ValueError,
            None,
            lambda: model.velocity(x, 0, out=np.lib.stride_tricks.as_strided(np.empty(2), (20, 2), (0, 8))),
        ),
        (ValueError, "writeable", lambda: model.velocity(x, 0, out=np.broadcast_to(np.empty(2), (20, 2)))),
        (ValueError, "empty", lambda: model.simulate(x, [])),
        (ValueError, "times", lambda: model.simulate(x, [0, 2, 1])),
        (ValueError, "branching", lambda: model.simulate(x, [1, 0], mode="branching")),
        (ValueError, "mode", lambda: model.simulate(x, [0, 1], mode="ebm")),
        (ValueError, "weights", lambda: model.simulate(x, [0, 1], weights=[1.0])),
        (
            chreode.PopulationLimitError,
            "limit of 20 cells",
            lambda: model.simulate(x, mode="branching", turnover=2, max_population=20, seed=1),
        ),
        (ValueError, "dimension|columns|coordinates", lambda: model.evaluate(np.zeros((2, 3)), [0, 1])),
        (TypeError, "neither", lambda: model.evaluate(chreode.Snapshots(X, T), T)),
    ]:
        with pytest.raises(kind, match=message):
            call()


def test_snapshots():
    snapshots = chreode.Snapshots(X, T)
    for k in [2, -3]:
        with pytest.raises(IndexError, match="2 times"):
            snapshots.points(k)
    with pytest.raises(TypeError):
        snapshots.points(0.5)
    with pytest.raises(ValueError, match="7"):
        snapshots.without([7.0])
    with pytest.raises(ValueError, match="one a block"):
        chreode.Snapshots.from_blocks([X, X], [0, 1], weights=[None])
    with pytest.raises(ValueError, match="2 elements"):
        chreode.Snapshots.from_blocks([X, X], [0])
    with pytest.raises(ValueError):
        chreode.Snapshots.from_blocks([], [])
    with pytest.raises(ValueError):
        snapshots.times[0] = 1


def test_closed_handles(model):
    snapshots, again = chreode.Snapshots(X, T), chreode.Dynamics.from_bytes(model.to_bytes())
    for _ in range(2):
        snapshots.close()
        again.close()
    for call in [
        lambda: snapshots.points(0),
        lambda: chreode.fit(snapshots, **SMALL),
        lambda: again.velocity(X, 0),
        lambda: again.to_bytes(),
        lambda: pickle.dumps(again),
    ]:
        with pytest.raises(ValueError, match="closed"):
            call()
    assert list(snapshots.times) == [0, 1], "what was told before stays"
    with pytest.raises(TypeError, match="made by"):
        chreode.Dynamics()


def test_files(model, tmp_path):
    for path in [tmp_path / "nothing", tmp_path]:
        with pytest.raises(OSError, match=str(path)) as caught:
            chreode.Dynamics.load(path)
        assert isinstance(caught.value, chreode.FileError)
        kind, number = (IsADirectoryError, errno.EISDIR) if path == tmp_path else (FileNotFoundError, errno.ENOENT)
        for error in [caught.value, pickle.loads(pickle.dumps(caught.value))]:
            assert isinstance(error, kind) and error.errno == number and str(path) in str(error)
    with pytest.raises(OSError, match="nothing"):
        model.save(tmp_path / "nothing" / "here")
    with pytest.raises(ValueError, match="NUL"):
        model.save("a\0b")
    with pytest.raises(TypeError):
        model.save(None)


def test_random_bytes_are_no_model(model):
    data, rng = model.to_bytes(), random.Random(1)
    bad = [b"", b"\0", data[:-1], data + b"\0", os.urandom(1000)]
    for _ in range(200):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            changed[rng.randrange(min(len(changed), 800))] = rng.randrange(256)
        bad.append(changed)
    refused = 0
    for given in bad:
        try:
            chreode.Dynamics.from_bytes(given).velocity(X, 0.5)  # another number somewhere may still be a model
        except chreode.ChreodeError as error:
            assert str(error)
            refused += 1
    assert refused > 100
    for given in [None, "text", 3]:
        with pytest.raises(TypeError):
            chreode.Dynamics.from_bytes(given)
