"""Paths as they enter and as they are shown."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from exseos.paths import absolute, shown, typed
from exseos.store import Store, default_root
from exseos.text import is_plain


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with ``home`` in it."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("EXSEOS_STORE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("d.csv", "d.csv"),
        ("./d.csv", "d.csv"),
        ("a/../d.csv", "a/../d.csv"),  # `a` may be a link
        ("", ""),
        ("~/d.csv", "home/d.csv"),
        ("./~/d.csv", "~/d.csv"),
        ("a/~", "a/~"),
    ],
)
def test_absolute(here: Path, given: str, expected: str) -> None:
    assert str(absolute(given)) == str(here / expected)


def test_an_absolute_path_stays_as_it_is(here: Path) -> None:
    (here / "link").symlink_to("home")
    assert absolute(here / "link" / "x") == here / "link" / "x"


@pytest.mark.parametrize("name", ["a", "a/b c", "-a/spec.yaml", "~", "it's", "$HOME", "ö"])
def test_what_is_shown_names_the_same_file_again(here: Path, name: str) -> None:
    assert absolute(shown(here / name)) == here / name
    assert not shown(here / name).startswith("-")
    (word,) = shlex.split(typed(here / name))
    assert absolute(word) == here / name


@pytest.mark.parametrize("name", ["a\x1b1[2J", "a\nb", "b\u202ec'd\\e", "-\u200b", "\udcff1", "\u0301"])
def test_what_a_terminal_obeys_or_hides_can_be_typed_all_the_same(here: Path, name: str) -> None:
    assert is_plain(shown(here / name))
    assert is_plain(typed(here / name))
    done = subprocess.run(["bash", "-c", f"printf %s {typed(here / name)}"], capture_output=True, check=True)
    assert absolute(os.fsdecode(done.stdout)) == here / name


def test_what_is_elsewhere_is_shown_whole(here: Path) -> None:
    assert shown(here.parent / "other") == str(here.parent / "other")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "home/.cache/exseos"),
        ({"EXSEOS_STORE": "kept"}, "kept"),
        ({"EXSEOS_STORE": "~/kept"}, "home/kept"),
        ({"EXSEOS_STORE": "../kept"}, "../kept"),
        ({"XDG_CACHE_HOME": "cache"}, "home/.cache/exseos"),
        ({"HOME": "home"}, "home/.cache/exseos"),
    ],
    ids=lambda value: " ".join(f"{name}={word}" for name, word in value.items()) if isinstance(value, dict) else None,
)
def test_where_the_store_is(here: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_root() == here / expected


def test_an_absolute_cache_home_counts(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    assert default_root() == here / "cache/exseos"


def test_a_store_stays_where_it_was_opened(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(Path("kept"))
    monkeypatch.chdir("home")
    with store.scratch() as folder:
        assert folder.is_relative_to(here / "kept/scratch")
        assert folder.is_dir()
