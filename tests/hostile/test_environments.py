"""A lock may pin real wheels of somebody else's choice: what they would change of the worker is refused before anything runs."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from exseos.errors import CapsuleError, ExseosError
from exseos.fetch import vouch
from exseos.image.archive import find_image, read_archive
from exseos.image.assemble import assemble, with_worker
from exseos.image.dockerfile import own_config
from exseos.image.image import Image, blob, image_config, small_files
from exseos.image.tar import TarEntry, header, padding
from exseos.lock import ExseosPin, Lock, WheelPin
from exseos.progress import Quiet
from exseos.resolve.image import Environment, UnsoundLock, image_of
from exseos.resolve.wheels import origin
from exseos.spec.models import Experiment
from tests.image import sample

SITE = "opt/exseos/lib/python3.11/site-packages"
WORKER = {"exseos/__init__.py": b"OWN = True\n"}
NUMBERS = {"numbers_/__init__.py": b"PI = 3\n"}


class Lab:
    """A cache with wheels that the index was seen to have, and locks of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder, folder / "cache"
        self.given = sample.write_sample(folder)
        self.pins: list[WheelPin] = []
        self.asked: list[str] = []
        self.worker = self.wheel_of_exseos("exseos-1-py3-none-any.whl", ["numbers>=1; extra == 'experiment'"])
        self.pin("numbers", NUMBERS)

    def wheel_of_exseos(self, name: str, requires: Sequence[str], files: Mapping[str, bytes] = WORKER) -> Path:
        path = self.folder / name
        path.write_bytes(sample.wheel("exseos", "1", files, requires=requires))
        return path

    def pin(self, name: str, files: Mapping[str, bytes], *, data: bytes | None = None, **more: Any) -> None:
        data = sample.wheel(name, "1", files, **more) if data is None else data
        sha256 = hashlib.sha256(data).hexdigest()
        pin = WheelPin(name=name, version="1", filename=f"{name}-1-py3-none-any.whl", size=len(data), sha256=sha256)
        target = self.cache / "downloads" / sha256
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        vouch(self.cache, sha256, origin(pin))
        self.pins.append(pin)

    def image(self, worker: Path | None = None, also: Path | None = None) -> Environment:
        wheel = worker or self.worker
        lock = Lock(
            request={},
            python="3.11",
            platform="x86_64-manylinux_2_36",
            exclude_newer="2026-01-02T03:04:05Z",
            packages=self.given.packages,
            data={},
            exseos=ExseosPin(version="1", filename="exseos-1-py3-none-any.whl", sha256=hashlib.sha256(wheel.read_bytes()).hexdigest()),
            wheels=tuple(self.pins),
        )
        experiment = Experiment.model_validate(
            {
                "exseos": 1,
                "name": "one",
                "title": "One",
                "environment": {"requirements": self.asked},
                "data": {"events": {"path": "events.csv", "format": "csv"}},
                "model": {"call": "experiment.py:build"},
            }
        )
        return image_of(lock, experiment, wheel, self.cache, Quiet(), also=also)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    lab = Lab(tmp_path)
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", lab.given.mirror)
    return lab


def test_what_exseos_needs_is_nobodys_choice(lab: Lab) -> None:
    assert lab.image().authors == ()


def test_what_the_spec_asks_for_is_named(lab: Lab) -> None:
    lab.pin("helper", {"helper.py": b""})
    lab.pin("mine", {"mine.py": b""}, requires=["helper", "numbers"])
    lab.asked = ["mine"]
    assert lab.image().authors == ("helper 1", "mine 1")


def test_a_wheel_that_nothing_requires_is_refused(lab: Lab) -> None:
    lab.pin("stray", {"stray.py": b""})
    with pytest.raises(UnsoundLock, match="stray 1: nothing requires it"):
        lab.image()


def test_a_wheel_that_is_left_out_cannot_be_played_by_another(lab: Lab) -> None:
    lab.pins.clear()
    lab.pin("mine", NUMBERS)
    lab.asked = ["mine"]
    with pytest.raises(UnsoundLock, match="numbers is not pinned, and exseos needs it"):
        lab.image()


def test_a_forged_worker_cannot_make_its_friends_pass_for_needed(lab: Lab) -> None:
    lab.pin("stray", {"stray.py": b""})
    forged = lab.wheel_of_exseos("forged.whl", ["numbers; extra == 'experiment'", "stray; extra == 'experiment'"])
    assert lab.image(also=forged).authors == ("stray 1",)
    assert lab.image(forged).authors == ()  # a reviewer who trusts it trusts what it says


def test_a_wheel_that_says_it_is_another_is_refused(lab: Lab) -> None:
    lab.pin("mine", {}, data=sample.wheel("numbers", "1", NUMBERS))
    lab.asked = ["mine"]
    with pytest.raises(UnsoundLock, match="says in itself that it is numbers 1"):
        lab.image()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"sitecustomize.py": b""}, "sitecustomize"),
        ({"exseos/worker/x.py": b""}, "the worker itself"),
        ({"numbers_/more.py": b""}, "modules of numbers 1"),
        ({"numbers_/__init__.py": b"PI = 4\n"}, "different files"),
        ({"mine-1.data/scripts/alpha": b""}, "hides that of the base layer"),
    ],
)
def test_a_wheel_that_reaches_the_worker_is_refused_again_and_again(lab: Lab, files: Mapping[str, bytes], message: str) -> None:
    lab.pin("mine", files)
    lab.asked = ["mine"]
    for _ in range(2):  # the second time all layers may be in the cache
        with pytest.raises(UnsoundLock, match=message):
            lab.image()


def test_a_worker_with_more_than_itself_is_refused(lab: Lab) -> None:
    with pytest.raises(UnsoundLock, match="not below exseos/"):
        lab.image(lab.wheel_of_exseos("w.whl", ["numbers; extra == 'experiment'"], {**WORKER, "json.py": b""}))


def test_a_broken_wheel_is_one_error(lab: Lab) -> None:
    lab.pin("mine", {}, data=b"no zip at all")
    lab.asked = ["mine"]
    with pytest.raises(UnsoundLock, match=r"mine-1-py3-none-any\.whl: not a wheel"):
        lab.image()


def test_a_further_debian_package_replaces_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sample.DEBS, "zeta", sample.deb({"usr/bin/alpha": b"#!/bin/sh\necho zeta\n"}, {"usr/bin/alpha": 0o755}))
    given = sample.write_sample(tmp_path / "more")
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", given.mirror)
    with pytest.raises(ExseosError, match="zeta: 'alpha' is another file"):
        assemble(given.packages, (), None, tmp_path / "other", Quiet())
    monkeypatch.setitem(sample.DEBS, "zeta", sample.deb({"bin/alpha": b"#!/bin/sh\necho alpha\n"}, {"bin/alpha": 0o755}))
    given = sample.write_sample(tmp_path / "same")
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", given.mirror)
    assemble(given.packages, (), None, tmp_path / "other", Quiet())


def renamed(image: Image, names: Sequence[str]) -> Image:
    """The image with another history."""
    named = list(zip(names, [layer.sha256 for layer in image.layers], strict=True))
    return Image(image_config(own_config(), named), image.layers, image.cache)


def test_the_worker_is_laid_over_an_image_in_the_place_of_its_own(lab: Lab) -> None:
    image = lab.image().image
    assert with_worker(image, lab.worker, lab.cache, Quiet()).id == image.id
    other = lab.wheel_of_exseos("other.whl", [], {"exseos/__init__.py": b"OWN = False\n"})
    laid = with_worker(image, other, lab.cache, Quiet())
    assert (laid.rootfs() / SITE / "exseos/__init__.py").read_bytes() == b"OWN = False\n"
    assert len(laid.layers) == len(image.layers)


def test_a_second_worker_below_another_name_is_refused(lab: Lab) -> None:
    image = lab.image().image
    forged = renamed(image, [f"Python wheels {number}" for number in range(len(image.layers))])
    with pytest.raises(CapsuleError, match="a second exseos"):
        with_worker(forged, lab.worker, lab.cache, Quiet())


def test_an_image_without_history_is_refused(lab: Lab) -> None:
    image = lab.image().image
    for history in (None, [], [{"created": "x"}] * len(image.layers)):
        broken = Image({**image.config, "history": history}, image.layers, image.cache)
        with pytest.raises(CapsuleError, match="history"):
            with_worker(broken, lab.worker, lab.cache, Quiet())


def test_an_archive_with_a_wrong_size_costs_no_layer_in_the_cache(lab: Lab) -> None:
    image = lab.image().image
    first = image.layers[0]
    sizes = [(layer.sha256, layer.size - 512 * (layer is first)) for layer in image.layers]
    data = b"".join(
        header(TarEntry(name, "file", len(text))) + text + padding(len(text)) for name, text in small_files(image.config_bytes, sizes)
    )
    data += header(TarEntry(blob(first.sha256), "file", first.size - 512)) + bytes(first.size - 512)
    with pytest.raises(CapsuleError, match="not"):
        read_archive(io.BytesIO(data), lab.cache)
    assert first.tree.is_dir()
    assert find_image(image.config_bytes, lab.cache) is not None
