"""A small model, fitted once."""

import numpy as np
import pytest

import chreode

SMALL = {"method": "usb", "delta": 1.5, "sigma": 0.02, "hidden": "16x2", "epochs": 20, "seed": 1, "threads": 2}


@pytest.fixture(scope="session")
def snapshots():
    return chreode.dataset("gene-network", cells_per_state=30)


@pytest.fixture(scope="session")
def cells(snapshots):
    """The same as a matrix of doubles and a time for each row."""
    x = np.concatenate([snapshots.points(k) for k in range(len(snapshots))]).astype(np.float64)
    return x, np.repeat(snapshots.times, snapshots.counts)


@pytest.fixture(scope="session")
def model(snapshots):
    return chreode.fit(snapshots, **SMALL)


def learned_the_same(one, other):
    """Whether two models have the same fields to the bit, whatever they remember of where their cells came from."""
    x = np.random.default_rng(0).normal(size=(100, one.dims))
    return np.array_equal(one.losses, other.losses) and np.array_equal(one.velocity(x, 0.5), other.velocity(x, 0.5))
