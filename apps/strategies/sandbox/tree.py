"""The only files that are to be seen in the sandbox: an interpreter and a few packages, copied.

A copy, since the interpreter of the lab may lie where the sandbox's own user can't read, and since
nothing else of the machine needs to be seen then: no shell, no settings, no lab.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from py_compile import PycInvalidationMode

INSIDE = Path(__file__).parent / "inside"
PACKAGES = {"numpy": "numpy", "pandas": "pandas", "talib": "ta-lib", "dateutil": "python-dateutil"}
SINGLE = {"six": "six"}
# Beside a package: the shared libraries that its wheel brought.
WHEEL_LIBRARIES = ("numpy.libs", "pandas.libs", "ta_lib.libs")
# fmt: off
LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "_tkinter*",
    "turtledemo", "ensurepip", "lib2to3", "config-*", "pydoc_data", "include", "f2py", "distutils",
    "*.a", "*.c", "*.pyi", "*.pyx", "*.pxi",
)
# fmt: on
VERSION = "2"
PYTHON, CODE, LIBRARIES, STANDARD = "py/bin/python", "py/inside", "py/so", "py/lib"


@cache
def digest_of_tree() -> str:
    """Return the digest of what the tree is made from: versions, and every byte of ``inside``."""
    named = {**PACKAGES, **SINGLE}
    parts = [VERSION, sys.version, *(f"{name}={version(dist)}" for name, dist in named.items())]
    sha = hashlib.sha256("\n".join(parts).encode())
    for path in sorted(INSIDE.glob("*.py")):
        sha.update(path.name.encode() + path.read_bytes())
    return sha.hexdigest()


def place_of(home: Path) -> Path:
    """Return where the tree of this interpreter and this lab lies below ``home``."""
    return home / digest_of_tree()[:20]


def build(home: Path) -> Path:
    """Return the tree below ``home``, made if it is not there. Raises ``OSError``."""
    root = place_of(home)
    if root.is_dir():
        return root
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=home, prefix=".made-"))
    try:
        _fill(made)
        made.chmod(0o755)
        made.rename(root)
    except OSError:
        if not root.is_dir():  # else another process has made it meanwhile
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return root


def _fill(root: Path) -> None:
    short = f"python{sys.version_info.major}.{sys.version_info.minor}"
    standard = root / STANDARD / short
    shutil.copytree(sysconfig.get_path("stdlib"), standard, ignore=LEFT_OUT, symlinks=False)
    shared = Path(sysconfig.get_config_var("DESTSHARED") or "")
    if shared.is_dir() and not (standard / "lib-dynload").is_dir():
        shutil.copytree(shared, standard / "lib-dynload")
    packages = root / "py" / "packages"
    for name in PACKAGES:
        _copy_package(name, packages)
    for name in SINGLE:
        shutil.copy2(_origin(name), packages)
    python = root / PYTHON
    python.parent.mkdir(parents=True)
    shutil.copy2(os.path.realpath(sys.executable), python)
    shutil.copytree(INSIDE, root / CODE, ignore=shutil.ignore_patterns("__pycache__"))
    # Nothing can be written there later, so what starts each time is compiled now.
    compileall.compile_dir(
        root / CODE, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )
    _copy_libraries(root)
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path == python or ".so" in path.name else 0o644)


def _copy_package(name: str, packages: Path) -> None:
    folder = Path(_origin(name)).parent
    shutil.copytree(folder, packages / name, ignore=LEFT_OUT)
    for beside in WHEEL_LIBRARIES:
        found, into = folder.parent / beside, packages / beside
        if found.is_dir() and not into.is_dir():
            shutil.copytree(found, into)


def _origin(name: str) -> str:
    found = find_spec(name)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"the package {name} is not installed")
    return found.origin


def _copy_libraries(root: Path) -> None:
    """Copy the shared libraries of the machine that the tree needs, and the loader."""
    ours = [str(path) for path in root.rglob("*.so*") if path.is_file()]
    listed = subprocess.run(  # noqa: S603 on copies of the lab's own files
        [shutil.which("ldd") or "/usr/bin/ldd", str(root / PYTHON), *ours],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", **_search()},
    )
    into = root / LIBRARIES
    into.mkdir(parents=True)
    for line in set(listed.stdout.splitlines()):
        words = line.split()
        if "=>" in words and len(words) > 3 and words[2].startswith("/"):
            found = Path(words[2])
            if root not in found.parents and not (into / words[0]).exists():
                shutil.copy2(found.resolve(), into / words[0])
        elif words and words[0].startswith("/") and words[0].partition(" ")[0].count("ld-"):
            loader = root / words[0].lstrip("/")
            loader.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(words[0]).resolve(), loader)


def _search() -> dict[str, str]:
    """Return where the interpreter's own library lies, which its copy does not know."""
    return {"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR") or "")}
