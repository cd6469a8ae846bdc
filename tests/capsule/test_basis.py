"""What a replay stands on: whose worker, which image, and what is said of them."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exseos.capsule import basis as room
from exseos.capsule.basis import Basis, Trust, find_basis
from exseos.errors import CapsuleError, DigestMismatch, ExseosError, HostError
from exseos.image.assemble import assemble
from exseos.image.image import Image
from exseos.lock import DebPackage, ExseosPin, Lock
from exseos.network import CAPSULE
from exseos.progress import Quiet
from exseos.records.names import IMAGE, IMAGE_CONFIG, PYLOCK
from exseos.resolve.image import Environment, UnsoundLock
from exseos.resolve.index import OtherWheelError
from exseos.store import Store
from tests.image import sample

SITE = "opt/exseos/lib/python3.11/site-packages"
OWN = ExseosPin(version="2", filename="exseos-2-py3-none-any.whl", sha256="2" * 64)
EXTRA = DebPackage(name="extra", version="1", path="pool/main/e/extra/extra_1_all.deb", size=1, sha256="3" * 64)


class Scene:
    """A capsule with a worker of its own, and this version's worker beside it; ``answer`` is what assembling its image gives."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.store = folder, Store(folder / "store")
        self.given = sample.write_sample(folder)
        monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", self.given.mirror)
        self.theirs, self.mine = (self._wheel(name) for name in ("theirs", "mine"))
        self.pin = OWN.model_copy(update={"version": "1", "sha256": "1" * 64})
        self.image = self.assembled(self.theirs)
        self.index_id = self.image.id
        self.config = self.image.config_bytes
        self.archive: Image | None = self.image
        self.called: list[dict[str, Any]] = []
        self.answer: Callable[[Path], Environment] = lambda wheel: Environment(self.assembled(wheel), ("mine 1",))
        monkeypatch.setattr(room, "own_wheel", lambda cache: (self.mine, OWN))
        monkeypatch.setattr(room, "image_of", self._image_of)
        monkeypatch.setattr(room, "known_releases", dict)

    def _wheel(self, name: str) -> Path:
        path = self.folder / f"{name}.whl"
        path.write_bytes(sample.wheel("exseos", "1", {"exseos/__init__.py": f"WHO = {name!r}\n".encode()}))
        return path

    def assembled(self, wheel: Path) -> Image:
        return assemble(self.given.packages, self.given.wheels, wheel, self.store.cache, Quiet())

    def _image_of(self, lock: Lock, experiment: object, wheel: Path, *_: object, also: Path | None = None) -> Environment:
        self.called.append({"lock": lock, "also": also})
        return self.answer(wheel)

    def fails(self, error: ExseosError) -> None:
        def answer(wheel: Path) -> Environment:
            raise error

        self.answer = answer

    def find(self, trust: Trust | None = None) -> Basis:
        scene = self

        class Capsule:
            index = SimpleNamespace(image_id=scene.index_id)
            reader = SimpleNamespace(open=lambda name: nullcontext(io.BytesIO(b"".join(scene.archive.archive() if scene.archive else ()))))

            def extract(self, name: str, target: Path) -> Path:
                return Path(shutil.copy(scene.theirs, target))

            def text(self, name: str) -> bytes:
                assert name == IMAGE_CONFIG
                return scene.config

            def __contains__(self, name: str) -> bool:
                return name == IMAGE and scene.archive is not None

        lock = Lock(
            request={},
            python="3.11",
            platform="x86_64-manylinux_2_36",
            exclude_newer="2026-01-02T03:04:05Z",
            packages=(EXTRA,),
            data={},
            exseos=self.pin,
            wheels=(),
        )
        content: Any = SimpleNamespace(lock=lock, index=Capsule.index, experiment=None)
        target = self.folder / "scratch"
        target.mkdir(exist_ok=True)
        capsule: Any = Capsule()
        return find_basis(capsule, content, target, trust or Trust(), CAPSULE, self.store, Quiet())


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


def verdicts(basis: Basis) -> list[tuple[str, str]]:
    return [(entry.name, entry.verdict) for entry in basis.entries]


def who(basis: Basis) -> str:
    text = (basis.image.rootfs() / SITE / "exseos/__init__.py").read_text(encoding="utf-8")
    return text.split("'")[1]


def test_own_worker_computes_in_the_image_of_the_lock(scene: Scene) -> None:
    scene.pin, scene.mine = OWN, scene.theirs
    basis = scene.find()
    assert basis.image.id == scene.index_id
    assert verdicts(basis) == [("worker exseos 2", "identical"), ("image", "identical")]
    assert scene.called[0]["also"] is None


def test_unknown_worker_is_replaced(scene: Scene) -> None:
    basis = scene.find()
    assert who(basis) == "mine"
    assert "laid over" in basis.entries[0].detail
    assert scene.called[0]["lock"].exseos == OWN
    assert scene.called[0]["also"].read_bytes() == scene.theirs.read_bytes()


def test_trusted_worker_computes_and_is_named(scene: Scene) -> None:
    basis = scene.find(Trust(worker=True))
    assert who(basis) == "theirs"
    assert verdicts(basis) == [("worker exseos 1", "trusted"), ("image", "identical")]


def test_released_worker_bears_the_name_of_its_release(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "known_releases", lambda: {"1" * 64: "0.9"})
    basis = scene.find()
    assert who(basis) == "theirs"
    assert verdicts(basis) == [("worker exseos 0.9", "identical"), ("image", "identical")]


def test_notes_name_what_the_author_chose(scene: Scene) -> None:
    debian, wheels = scene.find().notes
    assert debian.endswith(": extra 1")
    assert "author's choice" in wheels
    assert wheels.endswith(": mine 1")


def test_another_image_than_the_lock_gives_is_a_forgery(scene: Scene) -> None:
    scene.index_id = f"sha256:{'0' * 64}"
    with pytest.raises(CapsuleError, match="the lock gives the image"):
        scene.find(Trust(worker=True))


def test_unsound_lock_is_refused_even_with_an_image(scene: Scene) -> None:
    scene.fails(UnsoundLock("stray 1: nothing requires it"))
    with pytest.raises(CapsuleError, match="stray 1") as caught:
        scene.find(Trust(worker=True, image=True))
    assert caught.value.where == PYLOCK


def test_wrong_bytes_of_a_mirror_are_no_reason_to_believe_the_capsule(scene: Scene) -> None:
    scene.fails(DigestMismatch("other bytes"))
    with pytest.raises(DigestMismatch):
        scene.find(Trust(image=True))


@pytest.mark.parametrize("cached", [True, False])
def test_image_of_the_capsule_is_unchecked_and_has_the_reviewers_worker(scene: Scene, cached: bool) -> None:
    scene.fails(HostError("no network"))
    if not cached:
        scene.store = Store(scene.folder / "another")
    basis = scene.find()
    assert who(basis) == "mine"
    assert verdicts(basis)[1] == ("image", "not checkable here")
    assert "not looked at" in basis.notes[-1]
    assert verdicts(scene.find(Trust(image=True)))[1] == ("image", "trusted")


def test_image_of_the_capsule_cannot_bring_another_worker_than_its_lock_pins(scene: Scene) -> None:
    scene.pin, scene.mine = OWN, scene.theirs
    forged = scene.assembled(scene._wheel("forged"))
    scene.archive, scene.config, scene.index_id = forged, forged.config_bytes, forged.id
    scene.fails(HostError("no network"))
    with pytest.raises(CapsuleError, match="the lock gives the image"):
        scene.find(Trust(image=True))


def test_a_wheel_that_the_index_has_otherwise_is_a_difference(scene: Scene) -> None:
    scene.fails(OtherWheelError("the package index has another numpy.whl"))
    assert verdicts(scene.find())[1] == ("image", "different")
    assert verdicts(scene.find(Trust(image=True)))[1] == ("image", "trusted")


def test_without_any_image_there_is_no_basis(scene: Scene) -> None:
    scene.fails(HostError("no network"))
    scene.archive, scene.store = None, Store(scene.folder / "another")
    with pytest.raises(HostError, match="not in the capsule and cannot be assembled here: no network"):
        scene.find()
