"""What is docker's alone: how the daemon is found, and what is said when it is not there."""

from __future__ import annotations

import io
import json
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exseos.engines.archive_index import manifest_digest
from exseos.engines.docker import Docker
from exseos.engines.probe import ProbeImage


def test_the_user_s_own_address_is_the_only_one_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    reason = Docker().available()
    assert reason is not None
    assert f"cannot connect to unix://{tmp_path}/none.sock" in reason
    assert "Is the Docker daemon running" in reason


def test_a_listener_that_is_no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
        assert "cannot connect" in (Docker().available() or "")


def test_settings_that_contradict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    assert "DOCKER_ settings" in (Docker().available() or "")


def test_the_manifest_s_digest_is_read_from_the_archive_s_beginning(tmp_path: Path) -> None:
    """A containerd image store knows an image by its manifest, which holds the image's id."""
    image = ProbeImage(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(image.archive()))) as archive:
        manifest = archive.extractfile("blobs/" + manifest_digest(image).replace(":", "/"))
        assert manifest is not None
        assert json.load(manifest)["config"]["digest"] == image.id

    class Slow(ProbeImage):
        def archive(self) -> Iterator[bytes]:
            for byte in b"".join(super().archive())[:3000]:
                yield bytes([byte])
            pytest.fail("more was read than the index needs")

    assert manifest_digest(Slow(tmp_path)) == manifest_digest(image)


@pytest.mark.engine
def test_available_starts_a_container_and_leaves_none(docker_daemon: None) -> None:
    import docker

    assert Docker().available() is None
    client = docker.from_env()
    assert client.images.get("exseos-probe:1").labels == {"exseos": "probe"}
    assert [held for held in client.containers.list(all=True) if held.image.tags == ["exseos-probe:1"]] == []
