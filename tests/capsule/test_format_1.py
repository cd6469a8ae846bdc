"""A capsule that was archived once stays readable, whatever becomes of defaults, templates and formats."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest
import rfc8785

from exseos.archive import ArchiveReader
from exseos.capsule.inspect import inspect
from exseos.capsule.verify import verify
from exseos.errors import CapsuleError
from tests.e2e.running import Exseos, copy_sources
from tests.fixtures.make_format_1 import CAPSULE
from tests.hostile.resealing import archive, rederive, reidentify

OTHER_DEFAULTS = {
    "exseos/spec/models.py": {
        "batch_size: PositiveInt = 256": "batch_size: PositiveInt = 64",
        '"rmsprop", "sgd"] = "adam"': '"rmsprop", "sgd"] = "sgd"',
        "train: Fraction = 0.7": "train: Fraction = 0.6",
        "test: Fraction = 0.2": "test: Fraction = 0.3",
        "clock_ns: PositiveFloat = 5.0": "clock_ns: PositiveFloat = 7.0",
        'license: Word = "CC-BY-4.0"': 'license: Word = "MIT"',
        "lt=2**32)] = 0": "lt=2**32)] = 9",
    },
    "exseos/records/readme.py": {"with everything it takes to check it": "with all that it takes to check it"},
}


def with_other_defaults(folder: Path) -> Path:
    """A copy of the sources as a later version may be."""
    sources = copy_sources(folder)
    for name, changes in OTHER_DEFAULTS.items():
        text = (sources / name).read_text()
        for old, new in changes.items():
            assert old in text, f"{name} has no {old!r} any more: choose another default"
            text = text.replace(old, new)
        (sources / name).write_text(text)
    return sources


def test_it_verifies() -> None:
    report = verify(CAPSULE)
    assert report.problems == ()
    assert report.counts["stages"] == 7


def test_its_spec_leaves_much_unsaid() -> None:
    """Else a change of the defaults would prove nothing."""
    content = verify(CAPSULE).content
    assert content is not None
    said = content.experiment.model_fields_set
    assert not {"stream", "split", "seed", "license"} & said
    assert "optimizer" not in content.experiment.train.model_fields_set
    assert content.index.stages[1].parameters["stream"]["batch_size"] == 256


def test_it_verifies_after_defaults_and_templates_changed(tmp_path: Path) -> None:
    later = Exseos(with_other_defaults(tmp_path / "later"), tmp_path / "store", tmp_path)
    ended = later("capsule", "verify", CAPSULE)
    assert ended.code == 0, ended.text
    told = ended.out + ended.err
    for word in ("stream.batch_size", "train.optimizer", "split", "licence", "seed", "README.md"):
        assert word in told, told


def test_what_the_spec_says_must_still_be_so(tmp_path: Path) -> None:
    """A later version forgives its own defaults only: a forger cannot hide behind them."""
    later = Exseos(with_other_defaults(tmp_path / "later"), tmp_path / "store", tmp_path)
    entries = _entries()
    index = json.loads(entries["capsule.json"])
    index["stages"][1]["parameters"]["train"]["epochs"] = 500
    forged = tmp_path / "forged.zip"
    forged.write_bytes(archive(rederive({**entries, "capsule.json": rfc8785.dumps(index) + b"\n"})))
    ended = later("capsule", "verify", forged)
    assert ended.code == 1, ended.text
    assert "train.epochs is not what the spec gives" in ended.text


def test_older_shapes_are_refused_in_words() -> None:
    """Before format 1 the index had other keys under the same number; no released version wrote it."""
    entries = _entries()
    new = json.loads(entries["capsule.json"])
    old = {key: value for key, value in new.items() if key not in ("made_with", "probes")}
    old |= {"created_with": {"exseos": "0.1.0"}, "probe": {"train": {"digest": "ab" * 32}}, "optional": {}}
    old["stages"] = [{**stage, "outputs": {"model.keras": "0" * 64}} for stage in new["stages"]]
    _is_refused(entries, old, "of the time before format 1")


@pytest.mark.parametrize("number", [2, 3, 10**6])
def test_newer_formats_are_refused_in_words(number: int) -> None:
    _is_refused(_entries(), {**json.loads(_entries()["capsule.json"]), "exseos_capsule": number, "more": []}, f"capsule of format {number}")


@pytest.mark.parametrize("number", [0, -1, "1", None, 1.5, True, [1]])
def test_what_is_no_format_is_refused(number: object) -> None:
    _is_refused(_entries(), {**json.loads(_entries()["capsule.json"]), "exseos_capsule": number}, "not a valid index|not in canonical form")


def _is_refused(entries: dict[str, bytes], index: object, words: str) -> None:
    data = archive(reidentify({**entries, "capsule.json": rfc8785.dumps(index) + b"\n"}))
    with pytest.raises(CapsuleError, match=words):
        inspect(BytesIO(data))
    (problem,) = verify(BytesIO(data)).problems
    assert any(word in problem.what for word in words.split("|"))


def _entries() -> dict[str, bytes]:
    with ArchiveReader(CAPSULE) as reader:
        return {name: reader.read(name) for name in reader.names}
