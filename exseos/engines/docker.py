"""Docker, and Podman through the same interface of its socket.

The daemon is the one that ``DOCKER_HOST`` names, else the first socket that exists of Docker's and Podman's usual ones. It must
see this machine's folders: mounts name them. Containers remove themselves when they end. When the host process dies, their
standard input ends, and a watchdog kills them. Each carries the label ``LABEL``.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from exseos.engines import base, checks
from exseos.engines.archive_index import manifest_digest
from exseos.engines.base import NOBODY, Command, Engine, ImageSource, Limits, Mount, Process
from exseos.engines.docker_process import DockerProcess
from exseos.engines.ownership import Loan, check_readable
from exseos.engines.probe import PROGRAM, ProbeImage
from exseos.errors import CapsuleError, DigestMismatch, ExseosError, HostError
from exseos.progress import Progress, Quiet

if TYPE_CHECKING:
    from docker import APIClient

LABEL = "exseos"
"""Label of every container; its value is the host's process id."""
USER_NAMESPACES = "making further user namespaces inside"
_QUIET: Progress = Quiet()
_TIMEOUT_S = 60
_LOAD_TIMEOUT_S = 3600


class Docker(Engine):
    """Runs images by a Docker or Podman daemon."""

    name: ClassVar[str] = "docker"
    rank: ClassVar[int] = 20

    def available(self) -> str | None:
        try:
            with tempfile.TemporaryDirectory(prefix="exseos-") as folder:
                Path(folder).chmod(0o755)
                probe = ProbeImage(Path(folder))
                self.load(probe)
                process = self.start(probe, Command([PROGRAM]), [Mount(Path(folder), "/in")], Limits(seconds=30))
                code = process.wait()
        except ExseosError as error:
            return str(error)
        return None if code == 0 else f"docker: the probe container ended with exit code {code}: {process.stderr_tail()}"

    def version(self) -> str:
        return " ".join(self._product)

    def load(self, image: ImageSource, progress: Progress = _QUIET) -> str:
        if self._find(image) is None:
            with _explained("load the image"):
                api: Any = connect(_LOAD_TIMEOUT_S)
                for line in api.load_image(_reported(image.archive(), progress), quiet=True):
                    if "error" in line:
                        raise HostError(
                            f"docker cannot load the image: {line['error']}", where=image.id, hint="Check the daemon's disk space."
                        )
            if self._find(image) is None:
                hint = "Update Docker, or use --engine bubblewrap."
                raise DigestMismatch("docker stored the image under another id", where=image.id, hint=hint)
        return image.id

    def remove(self, image: ImageSource) -> None:
        from docker.errors import NotFound

        if (found := self._find(image)) is not None:
            with _explained("remove the image"), contextlib.suppress(NotFound):
                self._api.remove_image(found, force=True)

    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Process:
        checks.check_start(image, command, mounts)
        uid, gid = self._user(mounts)
        if (found := self._find(image)) is None:
            raise HostError("docker has not got the image", where=image.id, hint="Another program removed it: run the command again.")
        writable = [mount.source for mount in mounts if mount.writable]
        loan = Loan(writable if os.geteuid() == 0 and uid == NOBODY else [], uid, gid)
        with _explained("start a container"), contextlib.ExitStack() as failed:
            failed.callback(loan.take_back)
            api = connect(_TIMEOUT_S)
            created = api.create_container(
                image=found,
                entrypoint=list(command.argv),
                command=[],
                environment=base.container_environment(image, command),
                working_dir=command.workdir,
                hostname=base.HOSTNAME,
                user=f"{uid}:{gid}",
                stdin_open=True,
                tty=False,
                labels={LABEL: str(os.getpid())},
                host_config=_host_config(api, mounts, limits, "host" if command.host_network else "none"),
                use_config_proxy=False,
            )
            process = DockerProcess(api, created["Id"], command.argv[0], limits, writable, loan)
            failed.pop_all()
            return process

    def unenforced(self) -> tuple[str, ...]:
        with _explained("ask what it can limit"):
            info = self._api.info()
        limits = {"MemoryLimit": "memory", "SwapLimit": "memory swapped to disk", "PidsLimit": "number of processes"}
        missing = [words for key, words in limits.items() if info.get(key) is False]
        if self._product[0] == "podman" or not any("seccomp" in option for option in info.get("SecurityOptions") or []):
            missing.append(USER_NAMESPACES)  # Docker's own filter of system calls forbids them, Podman's does not
        return tuple(missing)

    @cached_property
    def _api(self) -> APIClient:
        return connect(_TIMEOUT_S)

    @cached_property
    def _product(self) -> tuple[str, str]:
        """Name and version of what answers."""
        with _explained("ask for the version"):
            version = self._api.version()
        components = version.get("Components") or [{}]
        return "podman" if "podman" in str(components[0].get("Name", "")).lower() else "docker", version["Version"]

    @cached_property
    def _rootless(self) -> bool:
        return any("rootless" in option for option in self._api.info().get("SecurityOptions") or [])

    def _find(self, image: ImageSource) -> str | None:
        """The id by which the daemon knows ``image``, ``None`` if it has not got it.

        That is the digest of the configuration, or with Docker's containerd image store the digest of the manifest that holds it.
        """
        from docker.errors import NotFound

        with _explained("look for the image"):
            for digest in (image.id, manifest_digest(image)):
                with contextlib.suppress(NotFound):
                    found = self._api.inspect_image(digest)  # type: ignore[no-untyped-call]
                    if found["Id"] == digest:
                        _check_config(image, found.get("Config") or {})
                        return digest
        return None

    def _user(self, mounts: Sequence[Mount]) -> tuple[int, int]:
        """The uid and gid to run as: the owner of what is written, seen from the daemon's user namespace."""
        owner = base.owner_of_writable(mounts)
        caller = os.geteuid()
        if owner is not None and caller not in (0, owner[0]):
            where = str(next(mount.source for mount in mounts if mount.writable))
            raise HostError(f"a folder to write into belongs to user {owner[0]}, not to the caller", where=where, hint="Run as its owner.")
        if self._rootless:
            return 0, 0  # root of the caller's own user namespace is the caller
        if caller != 0:
            return owner or (caller, os.getegid())
        user = owner if owner is not None and owner[0] != 0 else (NOBODY, NOBODY)  # never root
        check_readable(mounts, user[0])
        return user


def _check_config(image: ImageSource, config: Mapping[str, Any]) -> None:
    """Raise ``CapsuleError`` if docker would add something to a container that the image asks for and we do not.

    Arguments, user and working folder are always given; variables are given too, so it may ask for no others.
    """
    asked = [name for name in ("Volumes", "Healthcheck", "OnBuild") if config.get(name)]
    names = {pair.partition("=")[0] for pair in config.get("Env") or []}
    asked += sorted(names - {*base.container_environment(image, Command([]))})
    if asked:
        hint = "It is not made by this version of exseos: do not trust it."
        raise CapsuleError(f"the image asks for more than it may: {', '.join(map(repr, asked[:5]))}", where=image.id, hint=hint)


def _host_config(api: APIClient, mounts: Sequence[Mount], limits: Limits, network: str) -> Any:
    """All that confines a container."""
    from docker.types import LogConfig, Ulimit
    from docker.types import Mount as Bind

    ulimits = {"nofile": limits.open_files, "core": 0, "fsize": limits.output_bytes + base.FILE_SPARE}
    return api.create_host_config(
        network_mode=network,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        ipc_mode="private",
        init=True,
        auto_remove=True,
        tmpfs={"/tmp": f"rw,exec,nosuid,nodev,size={limits.tmp_bytes},mode=1777"},
        shm_size=limits.tmp_bytes,
        mem_limit=limits.memory_bytes,
        memswap_limit=limits.memory_bytes,
        pids_limit=limits.processes,
        ulimits=[Ulimit(name=name, soft=value, hard=value) for name, value in ulimits.items()],
        mounts=[Bind(mount.target, str(mount.source), type="bind", read_only=not mount.writable) for mount in mounts],
        log_config=LogConfig(type="none"),
    )


def addresses() -> Iterator[str]:
    """Where a daemon may listen, the user's own word first."""
    if named := os.environ.get("DOCKER_HOST"):
        yield named
        return
    sockets = [Path("/var/run/docker.sock"), Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"), "podman/podman.sock")]
    sockets.append(Path("/run/podman/podman.sock"))
    for socket in sockets:
        if socket.exists() and os.access(socket, os.R_OK | os.W_OK):
            yield f"unix://{socket}"


def connect(timeout: float) -> APIClient:
    """A client of the first daemon there is, that gives up after ``timeout`` seconds without an answer. Raises ``HostError``."""
    from docker import APIClient
    from docker.errors import TLSParameterError
    from docker.utils import kwargs_from_env

    address = next(addresses(), None)
    if address is None:
        socket = Path("/var/run/docker.sock")
        if socket.exists():
            raise HostError("no permission to use docker's socket", where=str(socket), hint="Join the group docker, or set DOCKER_HOST.")
        hint = "Start Docker, or Podman's service (`systemctl --user start podman.socket`), or set DOCKER_HOST."
        raise HostError("there is no Docker or Podman daemon here", hint=hint)
    try:
        settings: Mapping[str, Any] = kwargs_from_env()
    except TLSParameterError as error:
        raise HostError(f"the DOCKER_ settings of the environment are wrong: {error}", hint="Correct or unset them.") from error
    with _explained(f"connect to {address}"):
        return APIClient(**{"base_url": address, **settings, "timeout": timeout}, version="auto")


@contextlib.contextmanager
def _explained(action: str) -> Iterator[None]:
    """Turn the SDK's errors into ours."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        raise HostError(f"docker cannot {action}: {error.explanation or error}") from error
    except (DockerException, RequestException, OSError) as error:
        raise HostError(f"cannot {action}: {error}", hint="Is the Docker daemon running, and may you use its socket?") from error


def _reported(chunks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    """The chunks, counted for ``progress``."""
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        progress.advance("load image into docker", done, None)
    progress.advance("load image into docker", done, done)
