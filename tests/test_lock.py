"""The lock's one form on disk, and what is refused when it is read."""

from __future__ import annotations

import json
import os
import re
import resource
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.pylock import Pylock

from exseos.errors import HostError, UsageError
from exseos.lock import LIMIT_BYTES, DataPin, DebPackage, ExseosPin, Lock, ToolchainPin, WheelPin, parse_lock, read_lock

ROOT = Path(__file__).parents[1]
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
words = st.text("abz09", min_size=1, max_size=3) | st.sampled_from(["g++-12", "libc6", "h5py", "a.b-c"])
versions = st.sampled_from(["1", "2.4.6", "2.13.0+cpu", "4:12.2.0-3~deb12", "1!2.0"])
fingerprints = st.builds("{}:{}".format, st.sampled_from(["sha256", "stand-in"]), digests)
sizes = st.integers(0, 2**53 - 1)
wheels = st.builds(
    WheelPin, name=words, version=versions, filename=words.map(lambda word: f"{word}-1-py3-none-any.whl"), size=sizes, sha256=digests
)
file_names = st.text(min_size=1, max_size=12).filter(
    lambda name: name.isprintable() and not set(name) & set("/\\") and name not in (".", "..")
)
pins = st.builds(
    ToolchainPin,
    name=st.sampled_from(["vitis", "vivado_hls"]),
    version=st.sampled_from(["2023.2", "18.1.0 Lite"]),
    fingerprint=fingerprints,
    licence_variables=st.sampled_from([(), ("LM_LICENSE_FILE",)]),
)
locks = st.builds(
    Lock,
    request=st.dictionaries(st.text(max_size=8), digests, max_size=3),
    python=st.sampled_from(["3.11", "3.12"]),
    platform=st.just("x86_64-manylinux_2_36"),
    exclude_newer=st.just("2026-01-02T03:04:05Z"),
    packages=st.lists(
        st.builds(DebPackage, name=words, version=versions, path=words.map("pool/{}".format), size=sizes, sha256=digests), max_size=2
    ).map(tuple),
    data=st.dictionaries(
        words, st.builds(DataPin, filename=file_names, size=sizes, sha256=digests, archive=st.none() | wheels), max_size=2
    ),
    toolchains=st.lists(
        st.builds(
            ToolchainPin,
            name=st.sampled_from(["vitis", "vivado_hls"]),
            version=st.sampled_from(["2023.2", "18.1.0 Lite"]),
            fingerprint=fingerprints,
        ),
        max_size=1,
    ).map(tuple),
    exseos=st.none() | st.builds(ExseosPin, version=versions, filename=st.just("exseos-1-py3-none-any.whl"), sha256=digests),
    wheels=st.lists(wheels, max_size=3, unique_by=lambda pin: (pin.name, pin.filename)).map(
        lambda pins: tuple(sorted(pins, key=lambda pin: (pin.name, pin.filename)))
    ),
)


def sample(**changes: Any) -> Lock:
    pins = [
        WheelPin(name="numpy", version="2.4.6", filename="numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl", size=17, sha256="a" * 64),
        WheelPin(name="h5py", version="3.16.0", filename="h5py-3.16.0-cp311-cp311-manylinux_2_17_x86_64.whl", size=18, sha256="b" * 64),
    ]
    values: dict[str, Any] = {
        "request": {"environment": "1" * 64, "data.events": "2" * 64},
        "python": "3.11",
        "platform": "x86_64-manylinux_2_36",
        "exclude_newer": "2026-01-02T03:04:05Z",
        "packages": (DebPackage(name="g++", version="4:12.2.0-3", path="pool/main/g/gcc/g++_12.deb", size=19, sha256="c" * 64),),
        "data": {"events": DataPin(filename="Münze 1.csv", size=20, sha256="d" * 64, archive=pins[0])},
        "wheels": tuple(pins),
    }
    return Lock.model_validate({**values, **changes})


@settings(max_examples=30, deadline=None)
@given(locks)
def test_what_was_written_is_read_back_and_written_again_the_same(lock: Lock) -> None:
    again = parse_lock(lock.json_bytes(), lock.pylock_bytes(), "lock")
    assert again == lock
    assert again.json_bytes() == lock.json_bytes()
    assert again.pylock_bytes() == lock.pylock_bytes()


def test_the_order_of_what_was_found_does_not_matter(tmp_path: Path) -> None:
    one = sample()
    other = sample(wheels=one.wheels[::-1], request=dict(reversed(one.request.items())))
    assert one.pylock_bytes() == other.pylock_bytes()
    assert one.json_bytes() == other.json_bytes()


@pytest.mark.parametrize("folder", sorted(ROOT.glob("examples/*/spec.lock")), ids=lambda path: path.parent.name)
def test_shipped_locks_are_in_normal_form_without_addresses_or_paths(folder: Path) -> None:
    lock = read_lock(folder)
    assert (folder / "lock.json").read_bytes() == lock.json_bytes()
    assert (folder / "pylock.toml").read_bytes() == lock.pylock_bytes()
    text = (folder / "lock.json").read_text(encoding="utf-8") + (folder / "pylock.toml").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r'"/|= "/', text)
    assert "exseos-0" not in text


def test_pylock_is_what_pep_751_says() -> None:
    pylock = Pylock.from_dict(tomllib.loads(sample().pylock_bytes().decode()))
    assert [(str(package.name), str(package.version)) for package in pylock.packages] == [("h5py", "3.16.0"), ("numpy", "2.4.6")]
    wheels = [package.wheels[0] for package in pylock.packages if package.wheels]
    assert [(wheel.filename, wheel.size, wheel.hashes["sha256"]) for wheel in wheels] == [
        ("h5py-3.16.0-cp311-cp311-manylinux_2_17_x86_64.whl", 18, "b" * 64),
        ("numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl", 17, "a" * 64),
    ]


def test_the_mask_for_new_files_and_the_place_leave_no_trace(tmp_path: Path) -> None:
    sample().write(tmp_path / "one" if (tmp_path / "one").mkdir() else tmp_path / "one" / "spec.lock")
    mask = os.umask(0o077)
    try:
        sample().write(tmp_path / "spec.lock")
    finally:
        os.umask(mask)
    for name in ("lock.json", "pylock.toml"):
        assert (tmp_path / "spec.lock" / name).read_bytes() == (tmp_path / "one/spec.lock" / name).read_bytes()


def test_writing_again_replaces_both_files_and_keeps_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "spec.lock"
    sample().write(folder)
    (folder / "NOTES").write_text("why numpy is old\n")
    (folder / "more").mkdir()
    sample(python="3.12").write(folder)
    assert read_lock(folder).python == "3.12"
    assert sorted(path.name for path in folder.iterdir()) == ["NOTES", "lock.json", "more", "pylock.toml"]
    assert [path.name for path in tmp_path.iterdir()] == ["spec.lock"]


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot write the lock: Not a directory"):
        sample().write(tmp_path / "file" / "spec.lock")


def damaged(edit: dict[str, Any]) -> bytes:
    plain = json.loads(sample().json_bytes())
    plain.update(edit)
    return json.dumps(plain).encode()


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (b"", "JSONDecodeError"),
        (b"[]", "TypeError"),
        (b"{", "JSONDecodeError"),
        (b"[" * 100_000, "RecursionError"),
        (b"\xff", "UnicodeDecodeError"),
        (b"{}", "request: Field required"),
        (damaged({"exseos_lock": 2}), "exseos_lock: Input should be 1"),
        (damaged({"python": '3.11"\nx = "'}), "python: "),
        (damaged({"request": {"environment": "short"}}), "request.environment: "),
        (damaged({"more": 1}), "more: Extra inputs"),
        (
            damaged({"data": {"e": {"filename": "../x", "size": 1, "sha256": "d" * 64}}}),
            "data.e.filename: Value error, '../x' is not a plain file name",
        ),
        (damaged({"data": {"e": {"filename": "x", "size": -1, "sha256": "d" * 64}}}), "data.e.size: "),
        (damaged({"data": {"e": {"filename": "x", "size": 1, "sha256": "../../" + "d" * 58}}}), "data.e.sha256: "),
        (damaged({"exseos": {"version": "1", "filename": "/etc/passwd", "sha256": "d" * 64}}), "exseos.filename: "),
        (
            damaged({"packages": [{"name": "a", "version": "1", "path": "pool/../../x", "size": 1, "sha256": "d" * 64}]}),
            "packages.0.path: ",
        ),
    ],
)
def test_a_damaged_lock_is_named_with_what_to_do(plain: bytes, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_lock(plain, sample().pylock_bytes(), "spec.lock")
    assert caught.value.what.startswith(f"the lock is damaged: {reason}")
    assert (caught.value.where, caught.value.hint) == ("spec.lock", "Make it anew with `exseos lock`.")


@pytest.mark.parametrize(
    "change",
    [
        ("[[packages]]", "[packages]"),
        ("size = 17", "size = -17"),
        ('name = "numpy"', 'name = "../numpy"'),
        ("a" * 64, "a" * 63),
        ('path = "numpy-2', 'path = "/numpy-2'),
        ("sha256", "md5"),
        ("[[packages.wheels]]", "[[packages.sdists]]"),
    ],
    ids=lambda change: change[1][:20],
)
def test_a_damaged_pylock(change: tuple[str, str]) -> None:
    text = sample().pylock_bytes().decode()
    assert change[0] in text
    with pytest.raises(UsageError, match="the lock is damaged"):
        parse_lock(sample().json_bytes(), text.replace(*change).encode(), "spec.lock")


JSON, PYLOCK = sample().json_bytes(), sample().pylock_bytes()


@pytest.mark.parametrize(
    ("plain", "pylock"),
    [
        (JSON.replace(b'"python"', b'"python": "3.11",\n "python"'), PYLOCK),
        (JSON + b"\n", PYLOCK),
        (JSON.replace(b"\n", b"\r\n"), PYLOCK),
        (JSON.replace(b'"size": 18', b'"size": 18.0').replace(b'"size": 17', b'"size": 17.0'), PYLOCK),
        (JSON.replace(b'"size": 17', b'"size": "17"'), PYLOCK),
        (JSON.replace("ü".encode(), b"\\u00fc"), PYLOCK),
        (JSON, PYLOCK + b"\n"),
        (JSON, PYLOCK.replace(b"\n", b"\r\n")),
        (JSON, PYLOCK.replace(b'created-by = "exseos"', b'created-by = "another"')),
        (JSON, PYLOCK.replace(b"==3.11.*", b"==3.12.*")),
        (JSON, PYLOCK.replace(b"size = 17", b"size = 017")),
        (JSON, PYLOCK.replace(b'name = "numpy"', b"name = 'numpy'")),
        (JSON, PYLOCK + PYLOCK[PYLOCK.index(b"\n[[packages]]") : PYLOCK.index(b'\n\n[[packages]]\nname = "numpy"') + 1]),
        (JSON, b""),
    ],
)
def test_a_lock_has_one_form(plain: bytes, pylock: bytes) -> None:
    """What two readers might read differently is not read at all."""
    assert (plain, pylock) != (JSON, PYLOCK)
    with pytest.raises(UsageError, match="not in the form in which exseos writes it"):
        parse_lock(plain, pylock, "spec.lock")


def test_a_lock_of_an_older_release_may_lack_what_came_later() -> None:
    plain = json.loads(JSON)
    del plain["toolchains"], plain["exseos"]
    older = (json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    assert parse_lock(older, PYLOCK, "spec.lock").json_bytes() == JSON


def many(unit: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    return before + unit * ((LIMIT_BYTES - len(before) - len(after)) // len(unit)) + after


@pytest.mark.parametrize(
    ("plain", "pylock"),
    [
        (JSON + b" " * LIMIT_BYTES, PYLOCK),
        (JSON, PYLOCK + b"#" * LIMIT_BYTES),
        (many(b"0,", b"[", b"0]"), PYLOCK),
        (many(b"{},", b"[", b"0]"), PYLOCK),
        (b'{"a":' * 90_000, PYLOCK),
        (b"1" * LIMIT_BYTES, PYLOCK),
        (damaged({"packages": [{}] * 90_000}), PYLOCK),
        (damaged({"data": {str(number): {} for number in range(20_000)}}), PYLOCK),
        (damaged({"request": {str(number): 0 for number in range(40_000)}}), PYLOCK),
        (damaged({"toolchains": [{"licence_variables": [0] * 90_000}]}), PYLOCK),
        (damaged({"data": {"\ud800": 0}}), PYLOCK),
        (damaged({"packages": float("inf")}), PYLOCK),
        (damaged({"data": [], "packages": {}, "request": "x", "toolchains": None}), PYLOCK),
        (JSON, many(b"a.", PYLOCK)),
        (JSON, many(b"\n", PYLOCK)),
        (JSON, many(b"[", PYLOCK)),
        (JSON, many(PYLOCK[PYLOCK.index(b"\n[[packages") : PYLOCK.index(b'\n\n[[packages]]\nname = "numpy"') + 1], PYLOCK)),
    ],
)
def test_a_lock_made_to_take_long_does_not(plain: bytes, pylock: bytes) -> None:
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UsageError, match="the lock is damaged") as caught:
        parse_lock(plain, pylock, "spec.lock")
    assert time.monotonic() - begin < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
    assert len(caught.value.what) < 500
    caught.value.what.encode()


@pytest.mark.parametrize(
    "path", ["pool/%2e%2e/x.deb", "pool/x.deb?y=1", "pool/x.deb#y", "pool//x.deb", "/pool/x.deb", "https://x/y.deb", "x"]
)
def test_a_path_in_the_pool_is_no_other_address(path: str) -> None:
    with pytest.raises(UsageError, match=r"packages\.0\.path"):
        parse_lock(damaged({"packages": [{"name": "a", "version": "1", "path": path, "size": 1, "sha256": "d" * 64}]}), PYLOCK, "x")


@pytest.mark.parametrize("missing", ["lock.json", "pylock.toml"])
def test_half_a_lock(tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "spec.lock"
    sample().write(folder)
    (folder / missing).unlink()
    with pytest.raises(UsageError, match="the lock cannot be read: No such file") as caught:
        read_lock(folder)
    assert caught.value.where == str(folder / missing)
