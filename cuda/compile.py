#!/usr/bin/env python3
"""Makes cuda/ptx/NAME.ptx of each cuda/NAME.cu with NVRTC, and tells what the kernels take of a GPU.

    compile.py [NV_DIR]          writes the PTX, which is committed: building chreode needs no NVIDIA tool
    compile.py --check [NV_DIR]  fails where the committed PTX is not what the sources give
    compile.py --table [NV_DIR]  compiles the PTX with ptxas and prints registers, shared memory, spills and occupancy;
                                 fails if a kernel spills

NV_DIR is where `pip install --no-deps --target NV_DIR nvidia-cuda-nvrtc-cu12==12.8.93 nvidia-cuda-nvcc-cu12==12.8.93`
put them; without it, the environment's CHREODE_NVRTC, or Python's own packages. The version is pinned, for the PTX to be
the same everywhere and to be accepted by drivers from CUDA 12.8 on.
"""

import argparse
import ctypes
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ARCHITECTURE = "compute_70"  # the oldest GPUs whose threads synchronise as the kernels assume
GPUS = ("sm_80", "sm_90")
NVRTC, PTXAS = "cuda_nvrtc/lib/libnvrtc.so.12", "cuda_nvcc/bin/ptxas"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nv_dir", nargs="?", type=Path)
    parser.add_argument("--sources", type=Path, default=HERE, help="the folder of the .cu files")
    parser.add_argument("--output", type=Path, default=HERE / "ptx", help="the folder of the PTX")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true")
    action.add_argument("--table", action="store_true")
    parser.add_argument("--dynamic", action="append", default=[], metavar="KERNEL=BYTES",
                        help="dynamic shared memory of a kernel's launches, for its occupancy")
    arguments = parser.parse_args()

    nvidia = find_nvidia(arguments.nv_dir)
    if arguments.table:
        dynamic = {kernel: int(count) for kernel, count in (pair.split("=") for pair in arguments.dynamic)}
        return table(nvidia / PTXAS, sorted(arguments.output.glob("*.ptx")), dynamic)
    nvrtc = Nvrtc(nvidia / NVRTC)
    made = {source.stem + ".ptx": nvrtc.compile(source) for source in sorted(arguments.sources.glob("*.cu"))}
    return check(made, arguments.output) if arguments.check else write(made, arguments.output)


def write(made, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, ptx in made.items():
        (folder / name).write_text(ptx)
    return 0


def check(made, folder):
    committed = {path.name: path.read_text() for path in folder.glob("*.ptx")}
    wrong = sorted(name for name in made.keys() | committed.keys() if made.get(name) != committed.get(name))
    for name in wrong:
        print(f"{folder / name} is not what the sources give: run cuda/compile.py", file=sys.stderr)
    return 1 if wrong else 0


def find_nvidia(given):
    """The folder `nvidia` with NVRTC and ptxas in it."""
    folders = [Path(folder) for folder in (given, os.environ.get("CHREODE_NVRTC")) if folder]
    spec = importlib.util.find_spec("nvidia")
    candidates = [folder / "nvidia" for folder in folders]
    candidates += [Path(folder) for folder in (spec.submodule_search_locations if spec else [])]
    for candidate in candidates:
        if (candidate / NVRTC).exists():
            return candidate
    sys.exit("there is no NVRTC: give the folder that pip installed it into; see --help")


class Nvrtc:
    def __init__(self, path):
        ctypes.CDLL(str(path.parent / "libnvrtc-builtins.so.12.8"), ctypes.RTLD_GLOBAL)
        self.library = ctypes.CDLL(str(path))
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def compile(self, source):
        """The PTX of a source. Headers are given by name, so that no path of this machine can get into it."""
        headers = {path.name: path.read_bytes() for path in sorted(HERE.glob("*.cuh"))}
        program = ctypes.c_void_p()
        strings = ctypes.c_char_p * len(headers)
        self.call("nvrtcCreateProgram", ctypes.byref(program), source.read_bytes(), source.name.encode(),
                  len(headers), strings(*headers.values()), strings(*(name.encode() for name in headers)))
        options = [f"--gpu-architecture={ARCHITECTURE}", "--std=c++17"]
        try:
            flags = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
            failed = self.library.nvrtcCompileProgram(program, len(options), flags)
            log = self.text(program, "ProgramLog").splitlines()
            # A warning is an error, but for the one that the architecture will go some day.
            log = [line for line in log if line.strip() and "are deprecated and may be removed" not in line]
            if failed or log:
                sys.exit("\n".join(log))
            ptx = self.text(program, "PTX")
        finally:
            self.call("nvrtcDestroyProgram", ctypes.byref(program))
        if str(HERE) in ptx or str(Path.cwd()) in ptx:
            sys.exit(f"the PTX of {source.name} names a folder of this machine")
        return ptx

    def text(self, program, what):
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{what}", program, buffer)
        return buffer.value.decode()

    def call(self, name, *arguments):
        error = getattr(self.library, name)(*arguments)
        if error != 0:
            sys.exit(f"{name}: {self.library.nvrtcGetErrorString(error).decode()}")


def table(ptxas, paths, dynamic):
    print("| kernel | GPU | threads a block | registers | static shared | dynamic shared | stack | spills (stores, loads) "
          "| blocks an SM | warps an SM |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    spilling = []
    for path in paths:
        threads = block_sizes(path.read_text())
        for gpu in GPUS:
            for kernel, used in resources(ptxas, path, gpu).items():
                size, extra = threads[kernel], dynamic.get(kernel, 0)
                blocks = occupancy(gpu, size, used["registers"], used["shared"] + extra)
                print(f"| {kernel} | {gpu} | {size} | {used['registers']} | {used['shared']} | {extra} | {used['stack']} "
                      f"| {used['stores']}, {used['loads']} | {blocks} | {blocks * -(-size // 32)} |")
                if used["stores"] or used["loads"]:
                    spilling.append(f"{kernel} ({gpu})")
    if spilling:
        print("registers are spilled by " + ", ".join(spilling), file=sys.stderr)
    return 1 if spilling else 0


def block_sizes(ptx):
    """The threads a block of each kernel, from its __launch_bounds__; without them, the most there can be."""
    sizes = {}
    for text in ptx.split(".entry ")[1:]:
        bound = re.search(r"\.maxntid (\d+)(?:, (\d+))?(?:, (\d+))?", text.split("{")[0])
        size = 1
        for axis in bound.groups(default="1") if bound else ("1024",):
            size *= int(axis)
        sizes[re.match(r"\w+", text).group()] = size
    return sizes


def resources(ptxas, path, gpu):
    """What ptxas -v tells of each kernel."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(ptxas), "-v", f"-arch={gpu}", str(path), "-o", str(Path(folder) / "cubin")]
        told = subprocess.run(command, stderr=subprocess.PIPE, universal_newlines=True)
    if told.returncode != 0:
        sys.exit(told.stderr)
    kernels = {}
    for text in told.stderr.split("Compiling entry function '")[1:]:
        def number(pattern):
            found = re.search(pattern, text)
            return int(found.group(1)) if found else 0

        kernels[text.split("'")[0]] = {
            "registers": number(r"Used (\d+) registers"),
            "shared": number(r"(\d+) bytes smem"),
            "stack": number(r"(\d+) bytes stack frame"),
            "stores": number(r"(\d+) bytes spill stores"),
            "loads": number(r"(\d+) bytes spill loads"),
        }
    return kernels


def occupancy(gpu, threads, registers, shared):
    """The blocks that a multiprocessor holds at once: bounded by warps, registers and shared memory.

    The limits are those of the CUDA C++ Programming Guide's table of technical specifications: 64 warps, 32 blocks and
    65536 registers, given out by 256 a warp; shared memory is given out by 128 bytes and each block loses 1 KiB of it.
    """
    memory = {"sm_80": 164 << 10, "sm_90": 228 << 10}[gpu]
    warps = -(-threads // 32)
    a_warp = max(1, -(-registers * 32 // 256)) * 256
    a_block = -(-shared // 128) * 128 + 1024
    return min(32, 64 // warps, 65536 // a_warp // warps, memory // a_block)


if __name__ == "__main__":
    sys.exit(main())
