"""``examples/magic``: one id whatever the engine, every claim holds, and a replay under the other engine reproduces it."""

from __future__ import annotations

import json
import re

import pytest

from exseos.capsule.inspect import inspect
from tests.e2e.conftest import require_engine
from tests.e2e.running import REPOSITORY, Exseos
from tests.e2e.trainings import WHOLE_MAGIC, goldens

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]


def test_once_per_engine_and_replayed(fresh: Exseos) -> None:
    for name in ("docker", "bubblewrap"):
        require_engine(name)
    spec = fresh.sources / "examples/magic/spec.yaml"
    one, two = fresh.folder / "one.capsule.zip", fresh.folder / "two.capsule.zip"
    built = fresh("capsule", "build", spec, "-o", one, "--without", "image", "--engine", "bubblewrap")
    assert built.code == 0, built.text
    assert "already in the store" not in built.err
    assert "not known to be exact" not in built.err

    replayed = fresh("capsule", "replay", one, "--engine", "docker", "--json")
    assert replayed.code == 0, replayed.text
    verdict = json.loads(replayed.out)
    assert verdict["verdict"] == "reproduced"
    assert {entry["verdict"] for entry in verdict["entries"]} == {"identical"}
    assert len([entry for entry in verdict["entries"] if entry["kind"] == "claim"]) == 8

    [training] = [entry for entry in verdict["entries"] if (entry["kind"], entry["name"]) == ("stage", "train")]
    assert training["expected"] == goldens()[WHOLE_MAGIC]
    assert not any("known to be exact" in note for note in verdict["notes"])

    other = fresh.but(store=fresh.folder / "other store")
    other.store.mkdir()
    (other.store / "cache").symlink_to(fresh.store / "cache")
    again = other("capsule", "build", spec, "-o", two, "--without", "image", "--engine", "docker")
    assert again.code == 0, again.text
    assert "already in the store" not in again.err
    assert inspect(one).id == inspect(two).id
    assert inspect(one).image_id == inspect(two).image_id


def test_the_commands_of_its_appendix_name_what_is_there() -> None:
    text = (REPOSITORY / "examples/magic/README.md").read_text()
    named = re.search(r"^name: (.+)$", (REPOSITORY / "examples/magic/spec.yaml").read_text(), re.MULTILINE)
    assert named is not None
    assert set(re.findall(r"\S+\.capsule\.zip", text)) == {f"{named[1]}.capsule.zip"}
    assert all((REPOSITORY / name).is_file() for name in re.findall(r"exseos (?:capsule build|lock) (\S+?)`?$", text, re.MULTILINE))
