"""Where a run was computed: the code, what was installed, the machine; found once per process."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from apps.backtests.kernel import engine
from apps.core.kernel.hashing import canonical_json, digest_json

APPS = Path(__file__).resolve().parents[2]
# The code that decides what a run comes to; pages, doors and vendors do not.
DECIDING = (
    "backtests/kernel",
    "core/kernel",
    "market/kernel",
    "risk/kernel",
    "strategies/kernel",
    "strategies/library",
)
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "NUMBA_DISABLE_JIT",
)
# What compilers choose instructions by: with or without them sums may differ in the last digits.
FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512vl", "asimd", "sve")
CPUINFO = Path("/proc/cpuinfo")


@lru_cache(maxsize=1)
def environment() -> bytes:
    """Return what is installed as canonical JSON: Python, platform, distributions, versions."""
    found = {each.name.lower().replace("_", "-"): each.version for each in distributions()}
    libc = " ".join(platform.libc_ver()).strip()
    return canonical_json(
        {
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "platform": f"{platform.system()} {platform.machine()} {libc}".strip(),
            "byteorder": sys.byteorder,
            "distributions": dict(sorted(found.items())),
        }
    )


@lru_cache(maxsize=1)
def environment_digest() -> str:
    """Return the sha-256 of the listing of what is installed."""
    return hashlib.sha256(environment()).hexdigest()


@lru_cache(maxsize=1)
def source_digest() -> str:
    """Return the sha-256 over the lab's own code that decides results: paths and contents."""
    sha = hashlib.sha256()
    for folder in DECIDING:
        for path in sorted((APPS / folder).rglob("*.py")):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            sha.update(f"{content} {path.relative_to(APPS).as_posix()}\n".encode())
    return sha.hexdigest()


@lru_cache(maxsize=1)
def machine() -> dict[str, Any]:
    """Return threads asked for and the instructions of the processor, as far as they matter."""
    text = CPUINFO.read_text(encoding="utf-8", errors="replace") if CPUINFO.is_file() else ""
    pairs = (line.partition(":") for line in text.splitlines())
    lines = {name.strip(): value.strip() for name, _, value in pairs}
    flags = set((lines.get("flags") or lines.get("Features") or "").split())
    return {
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
        "cpu": lines.get("model name", platform.machine()),
        "flags": [flag for flag in FLAGS if flag in flags],
    }


def origin_of(version_digest: str) -> dict[str, Any]:
    """Return where a run of a version would be computed now.

    ``code`` stands for version, the lab's deciding code and the engine's number together.
    """
    parts = {"version": version_digest, "lab": source_digest(), "engine": engine.ENGINE_VERSION}
    return {
        **parts,
        "code": digest_json(parts),
        "environment": environment_digest(),
        **machine(),
    }
