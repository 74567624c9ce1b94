"""What it ran on."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def machine(packages: Iterable[str]) -> dict[str, Any]:
    """Date, processor, load, Python, BLAS libraries and versions of packages."""
    named = {"numpy", "scipy", "scikit-learn", "cvxpy", "clarabel", "piqp", *packages}
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "blas": _blas(),
        "versions": {name: _version(name) for name in sorted(named)},
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "from source" if distribution == "trackfolio" else "not installed"


def _blas() -> list[str]:
    """Thread pools of this process, NumPy's and SciPy's, with the threads they may use."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return ["unknown (threadpoolctl is not installed)"]
    import scipy.linalg  # noqa: F401  # SciPy brings a BLAS of its own

    return [
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', 'unknown')}, "
        f"{pool['num_threads']} thread)"
        for pool in threadpool_info()
    ]
