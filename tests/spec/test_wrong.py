"""Every way in which a spec can be wrong has a folder in ``wrong/``: ``spec.yaml`` and the whole text of the error.

``EXSEOS_REGENERATE=1 pytest tests/spec/test_wrong.py`` writes the expected texts anew, for a reader to check.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exseos.errors import UsageError
from exseos.resolve.check import check_experiment
from exseos.spec import read_spec

WRONG = Path(__file__).parent / "wrong"
LEAKS = ("Input should", "pydantic", "function-after", "type=", "validator", "Traceback", "[a-z", "^")
"""Words of the machinery, not of a spec's author."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What stands beside each spec."""
    (tmp_path / "events.csv").write_text("x,kind\n1,a\n2,b\n")
    (tmp_path / "experiment.py").write_text("def build_model(): ...\n")
    (tmp_path / "link.py").symlink_to("experiment.py")
    (tmp_path / "layers").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", sorted(path.name for path in WRONG.iterdir()))
def test_the_error_names_file_line_key_found_and_allowed(name: str, folder: Path) -> None:
    (folder / "spec.yaml").write_bytes((WRONG / name / "spec.yaml").read_bytes())
    with pytest.raises(UsageError) as caught:
        read_spec(folder / "spec.yaml", check_experiment(folder))
    text = str(caught.value).replace(f"{folder}/", "") + "\n"
    expected = WRONG / name / "expected.txt"
    if os.environ.get("EXSEOS_REGENERATE"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")
    assert "spec.yaml" in text
    assert not [leak for leak in LEAKS if leak in text]
    assert caught.value.exit_code == 2


def test_every_folder_holds_a_spec_and_a_text() -> None:
    assert {path.name for path in WRONG.glob("*/*")} == {"spec.yaml", "expected.txt"}
