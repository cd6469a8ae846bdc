"""A host process that starts a container and waits to be killed: engine, root file system, writable folder, command."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from exseos.engines import choose
from exseos.engines.base import Command, Mount
from tests.engines.folder_image import FolderImage
from tests.engines.running import SMALL

name, root, folder, *argv = sys.argv[1:]
image = FolderImage(Path(root), {"PATH": "/opt/hostile:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"})
engine, _ = choose(name)
process = engine.start(image, Command(argv), [Mount(Path(folder), "/out", writable=True)], SMALL)
time.sleep(0.3)
print(os.getpid(), flush=True)
time.sleep(60)
