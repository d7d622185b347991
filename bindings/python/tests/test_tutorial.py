"""The tutorial runs, and what it says is so."""

import os
import runpy
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
GIVEN = Path(os.environ.get("CHREODE_TUTORIAL_DATA", HERE.parents[2] / "../shared/data/simulation_gene.h5ad"))


def test_the_tutorial_runs(tmp_path, monkeypatch):
    if os.environ.get("CI") != "true":
        for module in ["anndata", "matplotlib", "scipy"]:
            pytest.importorskip(module)
        if not GIVEN.exists():
            pytest.skip(f"{GIVEN.name} is not here: set CHREODE_TUTORIAL_DATA")
    import matplotlib.pyplot

    matplotlib.use("Agg")
    monkeypatch.setenv("CHREODE_TUTORIAL_DATA", str(GIVEN.resolve()))
    monkeypatch.chdir(tmp_path)
    made = runpy.run_path(str(HERE.parent / "examples/tutorial.py"))
    matplotlib.pyplot.close("all")
    adata, model, along = made["adata"], made["model"], made["along"]
    assert model.members == 4 and (tmp_path / "report.html").stat().st_size > 1e5
    # What it says of the data: B goes up and A down along the way, and growth goes with B.
    start, end = along.mean[0], along.mean[-1]
    assert end[0] < start[0] - 1 and end[1] > start[1] + 1
    ranking = dict(zip(made["ranking"].genes, made["ranking"].correlation))
    assert ranking["B"] > 0.7 and made["ranking"].fdr.max() < 1e-6
    assert made["evaluation"].w1.max() < 0.3 * made["validation"].measures["nothing_moves"][-1]
    assert 0.2 < made["sure"].mean() < 1.0
    assert len(made["families"].frames[-1]) == pytest.approx((adata.obs["samples"] == 4).sum(), rel=0.25)
    layers = adata.layers
    np.testing.assert_allclose(
        layers["chreode_velocity"], adata.obsm["chreode_velocity"] @ adata.varm["PCs"].T, atol=1e-5
    )
    assert (layers["chreode_velocity_sd"] > 0).all()
