"""Facts about the machine of one execution: kept in ``run/``, outside the experiment id."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exseos import __version__
from exseos.engines.base import Engine


def host_facts(engine: Engine, begin: float) -> dict[str, Any]:
    """Versions, CPU and times; no host name, user name or path."""
    return {
        "exseos": __version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "engine": engine.version(),
        "not_enforced": list(engine.unenforced()),
        "begun": datetime.fromtimestamp(begin, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - begin, 3),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
