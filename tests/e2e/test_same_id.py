"""One experiment id, whoever builds, wherever, whenever and with what."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from exseos.capsule.inspect import inspect
from tests.e2e.circumstances import FACTORS, Laboratory
from tests.e2e.comparison import culprits, differences
from tests.e2e.conftest import CAPSULE, require_engine
from tests.e2e.running import Exseos
from tests.e2e.second_system import PYTHON, make_second_system

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]


@pytest.mark.timeout(5400)
def test_same_id_with_everything_around_it_varied_at_once(warm: Exseos, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("docker", "bubblewrap"):
        require_engine(name)
    system = make_second_system(tmp_path / "second", warm, warm.store / "cache")
    laboratory = Laboratory(warm, system, tmp_path)

    one = warm.folder / CAPSULE
    assert not any(stage["from_store"] for stage in facts(one, "stages")), "the first build did not begin with an empty store"
    ended, two = laboratory.build("second", frozenset(FACTORS))
    assert ended.code == 0, ended.text
    assert [facts(capsule, "host")["engine"].split()[0] for capsule in (one, two)] == ["docker", "bubblewrap"]
    assert facts(two, "host")["python"].startswith(f"{PYTHON}.")
    assert facts(two, "host")["begun"][:4] > facts(one, "host")["begun"][:4]

    if inspect(one).id != inspect(two).id:
        found = differences(one, two)
        with capsys.disabled():
            print(f"\nThese entries differ:\n{found}\nLooking for the circumstance to blame…")
        pytest.fail(f"the experiment id depends on {sorted(culprits(FACTORS, Bisection(laboratory, one)))}; these entries differ:\n{found}")
    assert inspect(one).image_id == inspect(two).image_id
    assert differences(one, two) == ""


def facts(capsule: Path, about: str) -> Any:
    """What the capsule says of its build (``host``, ``stages``): proof that the circumstances did vary."""
    with zipfile.ZipFile(capsule) as archive:
        return json.loads(archive.read(f"run/{about}.json"))


class Bisection:
    """Whether a build with some factors varied differs from ``reference``."""

    def __init__(self, laboratory: Laboratory, reference: Path) -> None:
        self._laboratory, self._reference, self._runs = laboratory, reference, 0

    def __call__(self, varied: frozenset[str]) -> bool:
        self._runs += 1
        ended, capsule = self._laboratory.build(f"bisection {self._runs}", varied)
        return ended.code != 0 or inspect(capsule).id != inspect(self._reference).id
