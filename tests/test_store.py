"""The store: whole or not at all, and never more trusted than its digests."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from exseos.errors import CapsuleError, HostError
from exseos.manifest import Manifest
from exseos.store import Store, default_root, host_errors

KEY = "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def outputs(store: Store, files: dict[str, str] | None = None) -> Path:
    """A folder on the store's file system, as a worker would leave it."""
    folder = store.root / "scratch" / f"outputs-{len(list((store.root / 'scratch').iterdir()))}"
    for name, text in ({"a.txt": "one", "deep/b.txt": "two"} if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def python(code: str, *arguments: str, wait: bool = True) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if wait:
        process.wait(60)
    return process


def test_put_and_find(store: Store) -> None:
    assert store.find(KEY) is None
    put = store.put(KEY, outputs(store), {"seconds": 1.5})
    found = store.find(KEY)
    assert found == put
    assert (put.folder / "deep/b.txt").read_text() == "two"
    assert put.manifest == Manifest.of_tree(put.folder)
    assert put.facts == {"seconds": 1.5}
    assert list((store.root / "scratch").iterdir()) == []


def test_names_outside_ascii(store: Store) -> None:
    assert store.put(KEY, outputs(store, {"\u03bb/Münze": "x"}), {}).manifest.as_dict().keys() == {"\u03bb/Münze"}
    assert store.find(KEY) is not None


def test_modes_do_not_depend_on_the_worker(store: Store) -> None:
    folder = outputs(store)
    (folder / "a.txt").chmod(0o700)
    (folder / "deep").chmod(0o700)
    put = store.put(KEY, folder, {})
    assert [oct(path.stat().st_mode & 0o777) for path in (put.folder, put.folder / "deep", put.folder / "a.txt")] == [
        "0o755",
        "0o755",
        "0o644",
    ]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped output": lambda stage: flip(stage / "outputs/a.txt"),
    "missing output": lambda stage: (stage / "outputs/deep/b.txt").unlink(),
    "one output more": lambda stage: (stage / "outputs/c.txt").write_text("three"),
    "link among outputs": lambda stage: (stage / "outputs/c.txt").symlink_to("a.txt"),
    "flipped manifest": lambda stage: flip(stage / "manifest.txt"),
    "cut manifest": lambda stage: (stage / "manifest.txt").write_text(""),
    "manifest not text": lambda stage: (stage / "manifest.txt").write_bytes(b"\xff\n"),
    "missing manifest": lambda stage: (stage / "manifest.txt").unlink(),
    "cut record": lambda stage: (stage / "record.json").write_text('{"facts": {'),
    "empty record": lambda stage: (stage / "record.json").write_text(""),
    "record of another key": lambda stage: (stage / "record.json").write_text('{"facts": {}, "key": "b"}'),
    "record without facts": lambda stage: (stage / "record.json").write_text("{}"),
    "record that is a list": lambda stage: (stage / "record.json").write_text("[]"),
    "missing record": lambda stage: (stage / "record.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_stage_is_not_found_and_can_be_put_again(store: Store, damage: Callable[[Path], object]) -> None:
    whole = store.put(KEY, outputs(store), {})
    damage(store.root / "stages" / KEY)
    assert store.find(KEY) is None
    again = store.put(KEY, outputs(store), {})
    assert again == whole
    assert store.find(KEY) == whole


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_putting_never_takes_a_damaged_stage_for_the_new_one(store: Store, damage: Callable[[Path], object]) -> None:
    store.put(KEY, outputs(store), {})
    damage(store.root / "stages" / KEY)
    put = store.put(KEY, outputs(store), {})
    assert Manifest.of_tree(put.folder) == put.manifest
    assert store.find(KEY) == put


def test_the_first_of_two_puts_counts(store: Store) -> None:
    first = store.put(KEY, outputs(store, {"a": "first"}), {"run": 1})
    second = store.put(KEY, outputs(store, {"a": "second"}), {"run": 2})
    assert second == first
    assert (second.folder / "a").read_text() == "first"


def test_no_outputs_is_an_output_too(store: Store) -> None:
    folder = store.root / "scratch/none"
    folder.mkdir()
    assert len(store.put(KEY, folder, {}).manifest) == 0
    assert store.find(KEY) is not None


def make_fifo(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "link").symlink_to("/etc/passwd"),
        lambda folder: (folder / "deep/link").symlink_to(".."),
        make_fifo,
        lambda folder: (folder / "back\\slash").write_text(""),
        lambda folder: (folder / "line\nbreak").write_text(""),
        lambda folder: Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_text(""),
    ],
    ids=["link", "link to folder", "pipe", "backslash", "line break", "not UTF-8"],
)
def test_odd_outputs_are_refused_and_nothing_is_stored(store: Store, spoil: Callable[[Path], object]) -> None:
    folder = outputs(store)
    spoil(folder)
    with pytest.raises(CapsuleError):
        store.put(KEY, folder, {})
    assert list((store.root / "stages").iterdir()) == []
    assert list((store.root / "scratch").iterdir()) == []


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from exseos import store as room
    store = room.Store(Path(sys.argv[1]))
    folder = store.root / "scratch/out"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.bin").write_bytes(bytes(1000))
    def die(*arguments, **options):
        os.kill(os.getpid(), signal.SIGKILL)
    target = sys.argv[2]
    if target == "rename":
        calls = []
        rename = Path.rename
        Path.rename = lambda self, to: die() if calls.append(to) or len(calls) == 2 else rename(self, to)
    else:
        setattr(room, target, die)
    store.put("k", folder, {})
"""


@pytest.mark.parametrize("moment", ["tree_files", "plain_modes", "canonical_json", "_sync", "_flush", "rename"])
def test_killed_in_the_middle_of_a_put(tmp_path: Path, moment: str) -> None:
    assert python(KILLED, str(tmp_path), moment).returncode == -signal.SIGKILL
    store = Store(tmp_path)
    assert store.find("k") is None
    assert list((tmp_path / "stages").iterdir()) == []
    folder = outputs(store)
    assert store.put("k", folder, {}) == store.find("k")


def test_what_killed_processes_left_is_cleared(tmp_path: Path) -> None:
    python(KILLED, str(tmp_path), "_sync")
    assert [path.name for path in (tmp_path / "scratch").iterdir() if path.name != "out"] != []
    store = Store(tmp_path)
    with store.scratch() as mine:
        Store(tmp_path)
        assert mine.is_dir()
        assert [path for path in (tmp_path / "scratch").iterdir() if path.name != "out"] == [mine]


FULL = """
    import resource, signal, sys
    from pathlib import Path
    from exseos.errors import HostError
    from exseos.store import Store
    store = Store(Path(sys.argv[1]))
    folder = store.root / "scratch/out"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number:0100}").write_bytes(b"")
    if sys.argv[2] == "limit":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    else:
        with open(store.root / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass
    try:
        store.put("k", folder, {})
    except HostError as error:
        print(error)
"""


def test_a_limit_on_file_sizes(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    process = python(FULL, str(tmp_path), "limit", wait=False)
    out, err = process.communicate(timeout=60)
    assert err == b""
    assert "cannot use the store: File too large" in out.decode()
    assert "ulimit -f" in out.decode()
    assert list((tmp_path / "stages").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk; the limit on file sizes is tested for everyone")
def test_a_full_disk(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)], check=True, timeout=20)
    try:
        process = python(FULL, str(tmp_path), "disk", wait=False)
        out, err = process.communicate(timeout=60)
        assert err == b""
        assert "cannot use the store: No space left on device" in out.decode()
        assert "EXSEOS_STORE" in out.decode()
        assert list((tmp_path / "stages").iterdir()) == []
        (tmp_path / "filler").unlink()
        store = Store(tmp_path)
        assert store.find("k") is None
        store.put("k", outputs(store), {})
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True, timeout=20)


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(HostError, match="cannot use the store") as caught:
        Store(tmp_path / "store")
    assert caught.value.hint is not None
    assert "EXSEOS_STORE" in caught.value.hint


def test_a_store_that_may_not_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot use the store") as caught, host_errors(tmp_path):
        raise PermissionError(13, "Permission denied", str(tmp_path / "x"))
    assert caught.value.where == str(tmp_path / "x")
    assert caught.value.hint == "Set EXSEOS_STORE to a folder that you may write to."
    with pytest.raises(HostError, match="cannot use the store"):
        Store(Path("/proc/exseos"))


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EXSEOS_STORE", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_root() == Path("/home/someone/.cache/exseos")
    monkeypatch.setenv("XDG_CACHE_HOME", "/scratch/cache")
    assert default_root() == Path("/scratch/cache/exseos")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert default_root() == Path("/home/someone/.cache/exseos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXSEOS_STORE", "here")
    assert default_root() == tmp_path / "here"


def test_no_home_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("EXSEOS_STORE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(HostError, match="no home folder") as caught:
        default_root()
    assert caught.value.hint == "Set EXSEOS_STORE to a folder that you may write to."


def test_the_record_is_json_without_times(store: Store) -> None:
    store.put(KEY, outputs(store), {"b": 1, "a": 2})
    assert (store.root / "stages" / KEY / "record.json").read_bytes() == b'{"facts":{"a":2,"b":1},"key":"' + KEY.encode() + b'"}'
    assert json.loads((store.root / "stages" / KEY / "record.json").read_bytes())["key"] == KEY
