"""The real base image, assembled anew from the packages of base.lock, and a Docker daemon."""

import pytest

from exseos.image.assemble import assemble
from exseos.image.base_lock import base_lock
from exseos.image.image import Image
from exseos.progress import Quiet
from exseos.store import default_root
from tests.engines.conftest import docker_daemon as docker_daemon  # a fixture


@pytest.fixture(scope="session")
def base_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Downloads are those of the user's cache; the layers are made here."""
    cache = tmp_path_factory.mktemp("base")
    downloads = default_root() / "cache" / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    (cache / "downloads").symlink_to(downloads)
    return assemble(base_lock().packages, (), None, cache, Quiet())
