"""Points that stay where they are."""

import gc
import weakref

import numpy as np
import pytest
from conftest import SMALL

import chreode

TIME = np.tile([0.0, 2.0, 1.0], 40)
X = (np.random.default_rng(3).normal(size=(120, 3)) + TIME[:, None]).astype(np.float32)


def fitted(snapshots):
    return chreode.fit(snapshots, **SMALL).to_bytes()


def test_a_mapped_file_gives_the_model_of_a_copy_to_the_bit(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    # Rows of the times alternate, and stand together.
    order = np.argsort(TIME, kind="stable")
    np.save(tmp_path / "sorted.npy", X[order])
    together = np.load(tmp_path / "sorted.npy", mmap_mode="r")
    expected = fitted(chreode.Snapshots(X, TIME))
    for points, time in [(mapped, TIME), (together, TIME[order]), (X, TIME)]:
        shared = chreode.Snapshots(points, time, copy=False)
        assert shared.points(1).tolist() == X[TIME == 1].tolist()
        assert fitted(shared) == expected


def test_the_array_is_kept_as_long_as_anything_is_made_of_it_and_no_longer():
    points = X.copy()
    gone = weakref.ref(points)
    snapshots = chreode.Snapshots(points, TIME, copy=False)
    del points
    other = snapshots.without([1.0]).with_masses({0: 1, 2: 5})
    model = chreode.fit(snapshots, **SMALL)
    snapshots.close()
    gc.collect()
    assert gone() is not None
    assert other.points(1).tolist() == X[TIME == 2].tolist()
    del other
    gc.collect()
    assert gone() is None, "no model keeps it"
    assert model.dims == 3


def test_what_speaks_dlpack_is_used_where_it_is():
    class Tensor:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    snapshots = chreode.Snapshots(Tensor(X), TIME, copy=False)
    assert np.shares_memory(snapshots._shared, X)
    assert snapshots.points(0).tolist() == X[TIME == 0].tolist()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (X.astype(np.float64), "<f8 in C order"),
        (X.astype(">f4"), ">f4"),
        (np.asfortranarray(X), "another order"),
        (X[::2], "another order"),
        (X.ravel(), "the shape"),
    ],
)
def test_what_would_need_a_copy_is_refused(given, told):
    with pytest.raises(chreode.InvalidArgumentError, match=told):
        chreode.Snapshots(given, TIME[: len(given)], copy=False)
    with pytest.raises(TypeError, match="an array"):
        chreode.Snapshots(X.tolist(), TIME, copy=False)


def test_what_is_not_finite_is_refused_by_its_place():
    broken = X.copy()
    broken[7, 1] = np.nan
    with pytest.raises(chreode.InvalidDataError, match="row 8, coordinate 2"):
        chreode.Snapshots(broken, TIME, copy=False)
