"""Type hints."""

import subprocess
import sys
from pathlib import Path

import pytest

import chreode


def test_the_hints_hold(tmp_path):
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(
        "import chreode, numpy\n"
        "model: chreode.Dynamics = chreode.fit(numpy.zeros((3, 2)), [0, 0, 1], delta=1.0)\n"
        "reveal_type(model.velocity(numpy.zeros((3, 2)), 0.0))\n"
        "model.simulate(3, seed='one')\n"
    )
    assert (Path(chreode.__file__).parent / "py.typed").exists()
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), str(program)]
    told = subprocess.run(command, capture_output=True, text=True).stdout
    assert "ndarray" in told and told.count("error:") == 1 and '"simulate"' in told, told
