"""The frozen capsule of format 1 replays: by this version, and by a later one with other defaults and templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.capsule.test_format_1 import with_other_defaults
from tests.e2e.running import Exseos
from tests.fixtures.make_format_1 import CAPSULE

pytestmark = [pytest.mark.network, pytest.mark.engine, pytest.mark.slow]


def _replayed(exseos: Exseos) -> dict[str, object]:
    ended = exseos("capsule", "replay", CAPSULE, "--json", seconds=1800)
    assert ended.code == 0, ended.text
    verdict: dict[str, object] = json.loads(ended.out)
    assert verdict["verdict"] == "reproduced"
    return verdict


def test_it_replays(exseos: Exseos) -> None:
    """Whether or not its worker is this version's."""
    entries = _replayed(exseos)["entries"]
    assert isinstance(entries, list)
    assert {entry["verdict"] for entry in entries} == {"identical"}
    assert [entry["name"] for entry in entries if entry["kind"] == "stage"]


def test_a_later_version_replays_it(exseos: Exseos, tmp_path: Path) -> None:
    """Its worker is laid over the image, and the stages run with what the capsule recorded, not with the new defaults."""
    verdict = _replayed(exseos.but(sources=with_other_defaults(tmp_path / "later")))
    entries = verdict["entries"]
    assert isinstance(entries, list)
    assert {entry["verdict"] for entry in entries} == {"identical"}
    (worker,) = (entry for entry in entries if entry["name"].startswith("worker"))
    assert "laid over" in worker["detail"]
    assert "stream.batch_size" in json.dumps(verdict["notes"])
