"""Static transport."""

import sys

import numpy as np
import pytest

import chreode

RNG = np.random.default_rng(3)
X, Y = RNG.random((30, 2)), RNG.random((40, 2)) + 0.1


def test_the_exact_plan_is_that_of_scipy():
    linear_sum_assignment = pytest.importorskip("scipy.optimize").linear_sum_assignment
    y = Y[:30]
    plan = chreode.transport(X, y, cost="half-sqeuclidean", epsilon=0, source_penalty=np.inf, target_penalty=np.inf)
    cost = ((X[:, None] - y[None]) ** 2).sum(axis=2) / 2
    rows, columns = linear_sum_assignment(cost)
    assert np.isclose(plan.report["primal"], cost[rows, columns].sum(), rtol=1e-6)  # points are kept as float32
    assert sorted(zip(plan.sources, plan.targets)) == sorted(zip(rows, columns))


def test_plans_and_potentials():
    plan = chreode.transport(X, Y, source_weights=np.full(30, 1 / 30), target_weights=np.full(40, 1 / 40))
    assert plan.shape == (30, 40) and plan.report["converged"]
    assert plan.source_potential.shape == (30,) and plan.target_potential.shape == (40,)
    assert plan.row_offsets[-1] == len(plan.targets) == len(plan.masses) == len(plan.sources)
    assert np.isclose(plan.masses.sum(), plan.report["transported_mass"])
    assert "30 × 40" in repr(plan)


def test_sparse_where_scipy_is(monkeypatch):
    plan = chreode.transport(X, Y)
    sparse = pytest.importorskip("scipy.sparse")
    matrix = plan.plan
    assert (
        isinstance(matrix, sparse.csr_matrix)
        and matrix.shape == (30, 40)
        and np.isclose(matrix.sum(), plan.masses.sum())
    )
    monkeypatch.setitem(sys.modules, "scipy", None)
    sources, targets, masses = plan.plan
    assert np.array_equal(matrix.toarray()[sources, targets], masses)


def test_a_plan_short_of_its_tolerance_is_a_warning():
    names = [option.name for option in chreode.options("transport")]
    limit = next(name for name in names if "iterations" in name)
    with pytest.warns(chreode.NotConvergedWarning) as caught:
        plan = chreode.transport(X, Y, epsilon=0.001, **{limit: 1})
    assert not plan.report["converged"] and caught[0].filename == __file__


def test_bad_input():
    for kind, message, call in [
        (ValueError, None, lambda: chreode.transport(X, Y[:, :1])),
        (ValueError, None, lambda: chreode.transport(X[:0], Y)),
        (ValueError, "source_weights must be 30 values, got 1", lambda: chreode.transport(X, Y, source_weights=[1.0])),
        (ValueError, "target_weights must be 40 values, got 2", lambda: chreode.transport(X, Y, target_weights=[1, 2])),
        (ValueError, "target: row 1: the weight is -1", lambda: chreode.transport(X, Y, target_weights=[-1.0] * 40)),
        (ValueError, "epsilon", lambda: chreode.transport(X, Y, epsilon=-1)),
        (TypeError, "None", lambda: chreode.transport(X, None)),
    ]:
        with pytest.raises(kind, match=message):
            call()
