"""A population that goes several ways: its branches, and what the whole does not have."""

import numpy as np
import pytest

import chreode


@pytest.fixture(scope="module")
def branched(snapshots):
    small = {"hidden": "8x2", "epochs": 5, "interpolant_epochs": 2, "growth_epochs": 2, "batch_size": 8}
    return chreode.fit(snapshots, method="branch-sbm", threads=2, **small)


def test_branches_are_models_of_their_own(branched, snapshots):
    x = snapshots.points(0)
    assert branched.branches == 2 and branched.members == 1
    branches = [branched.branch(index) for index in range(2)]
    assert [branch.branches for branch in branches] == [0, 0]
    first, second = (branch.velocity(x, 0.0) for branch in branches)
    assert np.isfinite(first).all() and (first != second).any()
    for index in [2, -1]:
        with pytest.raises(chreode.InvalidArgumentError, match="branch must be"):
            branched.branch(index)


def test_the_whole_is_simulated_and_has_no_fields(branched, snapshots):
    x = snapshots.points(0)
    run = branched.simulate(x, [0.0, 1.0])
    assert list(run.counts) == [2 * len(x)] * 2 and run.masses[0] == pytest.approx(len(x))
    for k in range(2):
        assert list(run.founders(k)[:4]) == [0, 0, 1, 1] and list(run.frames[k].ids[:4]) == [0, 1, 2, 3]
    with pytest.raises(chreode.InvalidArgumentError, match="one velocity for velocity"):
        branched.velocity(x, 0.0)
    with pytest.raises(chreode.InvalidArgumentError, match="the mode sde"):
        branched.simulate(x, [0.0, 1.0], mode="sde")
