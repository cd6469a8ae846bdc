"""Real reports with true values: collected only where ``EXSEOS_REPORTS`` names a folder with an ``index.tsv``."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("EXSEOS_REPORTS", ""))
COLUMNS = ("clock_target_ns", "clock_estimated_ns", "latency_min_cycles", "latency_max_cycles", "interval_min", "interval_max")
COLUMNS += ("lut", "ff", "dsp", "bram_18k", "bram36", "uram", "wns_ns", "power_w", "alm", "m20k")
MISSING = {"NA", "?", "undef", "TBD", "-"}


def rows() -> list[dict[str, str]]:
    if not os.environ.get("EXSEOS_REPORTS"):
        return []
    with (FOLDER / "index.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


ROWS = rows()
if ROWS:

    @pytest.fixture(scope="module")
    def found() -> dict[str, dict[str, object]]:
        """What ``exseos metrics --json`` says of the whole tree, by path."""
        done = subprocess.run(
            [sys.executable, "-m", "exseos", "metrics", str(FOLDER), "--json"], capture_output=True, text=True, timeout=120, check=True
        )
        return {Path(entry["path"]).relative_to(FOLDER).as_posix(): entry for entry in json.loads(done.stdout)}

    @pytest.mark.parametrize("row", ROWS, ids=[row["path"] for row in ROWS])
    def test_every_column_is_exactly_the_true_value(row: dict[str, str], found: dict[str, dict[str, object]]) -> None:
        entry = found[row["path"]]
        metrics = entry["metrics"]
        assert isinstance(metrics, list)
        design = [metric for metric in metrics if metric["scope"] == "design"]
        assert len({(metric["name"], metric["level"]) for metric in design}) == len(design)
        read = {metric["name"]: metric["value"] for metric in reversed(design)}
        true = {name: row[name] for name in COLUMNS if row[name]}
        assert {name: read[name] for name in true if name in read} == {
            name: float(cell) for name, cell in true.items() if cell not in MISSING
        }
        about = {"tool": row["tool"], "version": row["tool_version"], "device": row["device"]}
        assert {name: entry[name] for name, cell in about.items() if cell} == {name: cell for name, cell in about.items() if cell}
