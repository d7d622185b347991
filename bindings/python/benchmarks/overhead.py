"""What the C interface and this package cost: the velocity at 100 000 × 50 points through ctypes and through chreode, each
right after the Rust call that it is held against; medians of several rounds.

From the root of the repository, with the package installed:

    python bindings/python/benchmarks/overhead.py [--rows N] [--dims D] [--threads T] [--rounds R]

Cargo builds the Rust call (`benches/fields.rs`), which runs beside this process and answers to its turn.
"""

import argparse
import ctypes
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

import chreode

ROOT = Path(__file__).resolve().parents[3]


class Matrix(ctypes.Structure):
    """``chreode_matrix`` and ``chreode_matrix_mut``."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("rows", ctypes.c_size_t),
        ("cols", ctypes.c_size_t),
        ("row_stride", ctypes.c_ssize_t),
        ("col_stride", ctypes.c_ssize_t),
        ("dtype", ctypes.c_int32),
    ]

    @classmethod
    def of(cls, array):
        strides = [stride // array.itemsize for stride in array.strides]
        return cls(array.ctypes.data, *array.shape, *strides, 0 if array.itemsize == 4 else 1)


class RawC:
    """The C function without any package."""

    def __init__(self, file, threads):
        name = next(Path(chreode.__file__).parent.glob("*chreode.[sd]*"))
        self.library = ctypes.CDLL(str(name))
        self.model = ctypes.c_void_p()
        assert self.library.chreode_model_load(str(file).encode(), ctypes.byref(self.model)) == 0
        assert self.library.chreode_model_set_threads(self.model, ctypes.c_size_t(threads)) == 0

    def __call__(self, points, values):
        arguments = (
            self.model,
            b"velocity",
            ctypes.c_double(0.5),
            ctypes.byref(Matrix.of(points)),
            ctypes.byref(Matrix.of(values)),
        )
        assert self.library.chreode_model_field(*arguments) == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in [("rows", 100_000), ("dims", 50), ("threads", 2), ("rounds", 7)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    rows, dims = given.rows, given.dims

    # The published widths; what the model learned does not matter here.
    snapshots = chreode.dataset("branching", cells=300, dims=dims)
    model = chreode.fit(snapshots, method="ot-cfm", epochs=1)
    model.threads = given.threads
    single = np.sin(np.arange(rows * dims, dtype=np.float32) * np.float32(0.37)).reshape(rows, dims)
    by_column = np.asfortranarray(single, np.float64)
    out, columns_out = np.empty_like(single), np.empty_like(by_column)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model"
        model.save(file)
        raw = RawC(file, given.threads)
        cargo = ["cargo", "bench", "--quiet", "--bench", "fields", "--"]
        numbers = [str(number) for number in (file, rows, dims, given.threads)]
        with subprocess.Popen(
            cargo + numbers, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as rust:

            def rust_call():
                rust.stdin.write("\n")
                return float(rust.stdout.readline())

            def copy_both():
                by_column.astype(np.float32, order="C")
                np.copyto(columns_out, out)

            def timed(work, *arguments, **named):
                start = time.perf_counter()
                work(*arguments, **named)
                return time.perf_counter() - start

            calls = {
                "C by ctypes, float rows": lambda: timed(raw, single, out),
                "Python, float rows, out": lambda: timed(model.velocity, single, 0.5, out=out),
                "Python, float rows": lambda: timed(model.velocity, single, 0.5),
                "Python, double columns": lambda: timed(model.velocity, by_column, 0.5, out=columns_out),
            }
            for start_threads in (rust_call, *calls.values()):
                start_threads()
            copies = [timed(copy_both) for _ in range(given.rounds)]
            rounds = [{name: (rust_call(), call()) for name, call in calls.items()} for _ in range(given.rounds)]
            rust.stdin.close()
    assert np.array_equal(out, columns_out), "the numbers are the same"

    base = median(of_rust for turns in rounds for of_rust, _ in turns.values())
    copy = median(copies) / base
    print(f"velocity at {rows} × {dims} points, {given.threads} threads, medians of {given.rounds} rounds")
    print(f"{'Rust call, float rows':<28}{1e3 * base:9.1f} ms")
    print(f"{'one copy of both matrices':<28}{1e3 * median(copies):9.1f} ms, {copy:.3f} of the Rust call")
    held = True
    for name in calls:
        ratio = median(turns[name][1] / turns[name][0] for turns in rounds)
        print(
            f"{name:<28}{1e3 * median(turns[name][1] for turns in rounds):9.1f} ms, {ratio:.3f} of the Rust call before it"
        )
        held &= ratio <= 1.1 + (copy if "double" in name else 0)
    print("held: at most 1.1 × the Rust call, plus one copy where the layout demands it" if held else "NOT HELD")
    return not held


if __name__ == "__main__":
    sys.exit(main())
