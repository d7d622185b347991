"""Type hints."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import chreode

PROGRAM = """
import chreode, numpy
x = numpy.zeros((3, 2))
model: chreode.Dynamics = chreode.fit(x, [0, 0, 1], delta=1.0, hidden=[64, 64], seed=numpy.int64(1))
chreode.fit(x, [0, 0, 1], hidden=numpy.array([64, 64]), sigma=numpy.float32(1), coupling="wfr", bridge=None)
reveal_type(model.velocity(x, 0.0))
model.simulate(3, seed='one')  # wrong
chreode.fit(x, [0, 0, 1], epocs=3)  # wrong
chreode.fit(x, [0, 0, 1], epochs=1.5)  # wrong
chreode.fit(x, [0, 0, 1], activation="relo")  # wrong
model.evaluate(x, [0, 0, 1], rums=2)  # wrong
chreode.transport(x, x, epsilon="small")  # wrong
chreode.dataset("branching", fate=3)  # wrong
spread: chreode.Dynamics = chreode.distributed.fit(x, [0, 0, 1], delta=1.0, client=None)
chreode.distributed.fit(x, [0, 0, 1], epocs=3)  # wrong
"""


def test_the_hints_hold(tmp_path):
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    assert (Path(chreode.__file__).parent / "py.typed").exists()
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), str(program)]
    told = subprocess.run(command, capture_output=True, text=True).stdout
    wrong = [number for number, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# wrong")]
    found = [int(line.split(":")[1]) for line in told.splitlines() if "error:" in line]
    assert "ndarray" in told and found == wrong, told


def test_the_package_keeps_its_own_hints(tmp_path):
    pytest.importorskip("mypy")
    package, settings = Path(chreode.__file__).parent, Path(__file__).parents[1] / "pyproject.toml"
    command = [sys.executable, "-m", "mypy", "--config-file", str(settings), "--cache-dir", str(tmp_path), str(package)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_names_of_options_are_completed():
    for function, name in [
        (chreode.fit, "fit"),
        (chreode.distributed.fit, "fit"),
        (chreode.Dynamics.simulate, "simulate"),
        (chreode.transport, "transport"),
    ]:
        known = inspect.signature(function).parameters
        assert {option.name for option in chreode.options(name)} <= set(known)
        assert inspect.Parameter.VAR_KEYWORD not in {given.kind for given in known.values()}
