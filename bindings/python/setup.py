"""Builds the crate into the package: a shared library that any Python 3 loads, and the declarations of its header.

The crate is two folders up in the repository, and in ``crate/`` in a source distribution. ``CARGO_TARGET_DIR`` is used as
cargo uses it, with the features of the crate that ``CHREODE_FEATURES`` names (``cuda``). With ``CHREODE_LIBRARY`` the wheel
holds that library instead of one that cargo builds now.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
IN_REPOSITORY = not (HERE / "crate").exists()
CRATE = HERE.parent.parent if IN_REPOSITORY else HERE / "crate"
# What cargo needs of the crate.
CRATE_FILES = ["Cargo.toml", "Cargo.lock", "build.rs", "LICENSE", "README.md", "include", "src", "benches"]


def version():
    manifest = (CRATE / "Cargo.toml").read_text(encoding="utf-8")
    return re.search(r'^version = "(.+?)"', manifest, re.MULTILINE)[1]


def library():
    """The shared library: the one that was named, or a new one."""
    given = os.environ.get("CHREODE_LIBRARY")
    if given:
        return Path(given)
    refuse_old_rust()
    print("cargo compiles chreode: some minutes the first time", file=sys.stderr, flush=True)
    features = os.environ.get("CHREODE_FEATURES", "")
    command = ["cargo", "build", "--release", "--locked", "--lib", "--features", features]
    command.append("--message-format=json-render-diagnostics")
    try:
        told = subprocess.run(command, cwd=CRATE, stdout=subprocess.PIPE, check=True).stdout
    except subprocess.CalledProcessError as error:
        sys.exit(f"cargo ended with {error.returncode}")
    for line in reversed(told.splitlines()):
        message = json.loads(line)
        of_crate = message["reason"] == "compiler-artifact" and message["target"]["name"] == "chreode"
        if of_crate and "cdylib" in message["target"]["kind"]:
            return next(Path(file) for file in message["filenames"] if file.endswith((".so", ".dylib", ".dll")))
    sys.exit("cargo built no shared library")


def refuse_old_rust():
    """Says what is needed where cargo itself would speak of manifests and lock files."""
    needed = re.search(r'^rust-version = "(.+?)"', (CRATE / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    try:
        told = subprocess.run(["cargo", "--version"], cwd=CRATE, stdout=subprocess.PIPE, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"chreode is compiled by cargo {needed} or later, which is not here ({error}): see https://rustup.rs")
    found = re.search(r"(\d+)\.(\d+)", told)
    if [int(part) for part in found.groups()] < [int(part) for part in needed.split(".")]:
        sys.exit(
            f"chreode needs Rust {needed} or later, here is {told.strip()}: run rustup update, or see https://rustup.rs"
        )


def declarations():
    """The header as C99 sees it, without what only a preprocessor reads."""
    kept, lines = [True], []
    for line in (CRATE / "include" / "chreode.h").read_text(encoding="utf-8").splitlines():
        word = line.strip()
        if word.startswith(("#if ", "#ifdef ")):
            kept.append(False)  # all conditions are about C++ and C23
        elif word.startswith("#ifndef "):
            kept.append(True)
        elif word.startswith("#else"):
            kept[-1] = not kept[-1]
        elif word.startswith("#endif"):
            kept.pop()
        elif all(kept) and (not word.startswith("#") or re.match(r"#define \w+ \S", word)):
            lines.append(line)
    return "\n".join(lines)


class Build(build_py):
    def run(self):
        super().run()
        import cffi

        package = HERE / "src" / "chreode" if self.editable_mode else Path(self.build_lib) / "chreode"
        built = library()
        # Always the plain name, also if the library was given by its versioned one.
        plain = {"win32": "chreode.dll", "darwin": "libchreode.dylib"}.get(sys.platform, "libchreode.so")
        bundled = package / plain
        shutil.copyfile(built, bundled)
        if sys.platform == "linux" and shutil.which("strip"):
            # Line tables are four fifths of the file; the names of functions stay.
            subprocess.run(["strip", "--strip-debug", str(bundled)], check=True)
        ffi = cffi.FFI()
        ffi.set_source("chreode._ffi", None)
        ffi.cdef(declarations())
        ffi.emit_python_code(str(package / "_ffi.py"))


class Wheel(bdist_wheel):
    def get_tag(self):
        # One wheel for every Python 3 of a platform: the library knows nothing of Python.
        return "py3", "none", super().get_tag()[2]


class Source(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        for name in CRATE_FILES:
            source, target = CRATE / name, Path(base_dir) / "crate" / name
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copyfile(source, target)


class Compiled(Distribution):
    def has_ext_modules(self):
        return True


def temporary_folders():
    """Keeps what setuptools writes out of the repository's tree."""
    if not IN_REPOSITORY:
        return {}
    folder = Path(os.environ.get("CARGO_TARGET_DIR") or CRATE / "target").resolve() / "python"
    folder.mkdir(parents=True, exist_ok=True)
    return {"build": {"build_base": str(folder / "build")}, "egg_info": {"egg_base": str(folder)}}


setup(
    version=version(),
    distclass=Compiled,
    cmdclass={"build_py": Build, "bdist_wheel": Wheel, "sdist": Source},
    options=temporary_folders(),
)
