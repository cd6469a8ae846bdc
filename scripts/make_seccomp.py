"""Makes the filters of system calls that bubblewrap puts on each sandbox, with libseccomp 2.5.

    python3 scripts/make_seccomp.py [FOLDER]

writes ``seccomp_calls.bpf`` and ``seccomp_arguments.bpf`` into FOLDER (default: exseos/engines),
so that a machine that runs them needs no libseccomp. They are for x86-64, as images are: a call by
the conventions of i386 or x32 ends its process. The kernel asks both and does what is stricter.

*calls* is about numbers: a call that libseccomp knows is allowed, unless it is named below; one that
is newer than ``LAST`` "does not exist" (ENOSYS), so programs fall back to what is older.
*arguments* refuses some arguments of calls that are allowed.
"""

from __future__ import annotations

import ctypes
import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "exseos/engines"
VERSION = (2, 5)
"""Of libseccomp, major and minor: another may write other filters."""
LAST = 450
"""The newest call that is allowed (Linux 5.17). Builds of one version of libseccomp know more or less
beyond, such as fchmodat2, which has to be absent while the modes of files are looked at."""

REFUSED = """
    acct add_key afs_syscall bpf chroot clock_adjtime clock_settime create_module delete_module
    fanotify_init fanotify_mark finit_module fsconfig fsmount fsopen fspick get_kernel_syms init_module
    io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl
    lookup_dcookie memfd_secret modify_ldt mount mount_setattr move_mount name_to_handle_at nfsservctl
    open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_madvise process_vm_readv
    process_vm_writev ptrace query_module quotactl quotactl_fd reboot request_key setdomainname
    sethostname setns settimeofday swapoff swapon sysfs syslog umount2 unshare uselib userfaultfd
    vhangup _sysctl
"""
"""Never needed by what computes; each has been a way out of a sandbox, or looks beyond it (EPERM)."""

ABSENT = ["clone3", "openat2"]
"""Their arguments are in memory, where no filter sees them; programs fall back when told ENOSYS."""

PERSONALITIES = {0x0: "Linux", 0x0040000: "no random addresses", 0xFFFFFFFF: "ask only"}

FAMILIES = {1: "AF_UNIX", 2: "AF_INET", 10: "AF_INET6", 16: "AF_NETLINK"}
NAMESPACES = {
    0x00020000: "CLONE_NEWNS",
    0x02000000: "CLONE_NEWCGROUP",
    0x04000000: "CLONE_NEWUTS",
    0x08000000: "CLONE_NEWIPC",
    0x10000000: "CLONE_NEWUSER",
    0x20000000: "CLONE_NEWPID",
    0x40000000: "CLONE_NEWNET",
}
IOCTLS = {0x5412: "TIOCSTI", 0x541C: "TIOCLINUX"}
MODES = {
    "chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2,
    "mknod": 1, "mknodat": 2, "creat": 1,
}  # fmt: skip
"""Calls that take a mode, and which argument it is: set-user-id and set-group-id are refused, since
what root's sandbox writes is root's outside."""
OPENS = {"open": (1, 2), "openat": (2, 3)}
"""Calls whose mode counts if their flags make a file: which arguments are flags and mode."""
O_CREAT, O_TMPFILE = 0o100, 0o20000000
S_ISUID, S_ISGID = 0o4000, 0o2000

ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
EQ, GE, MASKED_EQ = 4, 5, 7
BAD_ARCHITECTURE, OPTIMIZE = 2, 8
X86_64 = 0xC000003E
LOW = 0xFFFFFFFF


def error(number: int) -> int:
    """The action: fail with this errno."""
    return 0x00050000 | number


class Compare(ctypes.Structure):
    """``struct scmp_arg_cmp``."""

    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


def library() -> Any:
    """libseccomp, with the types of what is called."""
    found = ctypes.CDLL("libseccomp.so.2")
    found.seccomp_version.restype = ctypes.POINTER(ctypes.c_uint * 3)
    version = tuple(found.seccomp_version().contents)
    if version[:2] != VERSION:
        sys.exit(f"needs libseccomp {VERSION[0]}.{VERSION[1]}, found {version}")
    found.seccomp_arch_native.restype = ctypes.c_uint32
    found.seccomp_init.restype = ctypes.c_void_p
    found.seccomp_init.argtypes = [ctypes.c_uint32]
    found.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    add = found.seccomp_rule_add_exact_array
    add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    found.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    found.seccomp_release.argtypes = [ctypes.c_void_p]
    found.seccomp_syscall_resolve_num_arch.restype = ctypes.c_char_p
    found.seccomp_syscall_resolve_num_arch.argtypes = [ctypes.c_uint32, ctypes.c_int]
    return found


class Filter:
    """One filter while it is made."""

    def __init__(self, seccomp: Any, otherwise: int) -> None:
        if seccomp.seccomp_arch_native() != X86_64:
            sys.exit("make the filters on x86-64")
        self._seccomp = seccomp
        self._context = seccomp.seccomp_init(otherwise)
        self._check(seccomp.seccomp_attr_set(self._context, BAD_ARCHITECTURE, KILL_PROCESS))
        self._check(seccomp.seccomp_attr_set(self._context, OPTIMIZE, 2))

    def rule(self, action: int, call: str, compares: Sequence[Compare] = ()) -> None:
        """Do ``action`` for ``call`` where all ``compares`` are true."""
        number = self._seccomp.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            sys.exit(f"libseccomp does not know {call}")
        array = (Compare * len(compares))(*compares)
        add = self._seccomp.seccomp_rule_add_exact_array
        self._check(add(self._context, action, number, len(compares), array))

    def write(self, path: Path) -> None:
        """Write the program."""
        with path.open("wb") as stream:
            self._check(self._seccomp.seccomp_export_bpf(self._context, stream.fileno()))
        self._seccomp.seccomp_release(self._context)

    @staticmethod
    def _check(code: int) -> None:
        if code != 0:
            sys.exit(f"libseccomp: error {code}")


def write_calls(seccomp: Any, path: Path) -> None:
    """The filter of numbers."""
    names = [seccomp.seccomp_syscall_resolve_num_arch(X86_64, number) for number in range(LAST + 1)]
    known = [name.decode() for name in names if name is not None]
    refused = REFUSED.split()
    made = Filter(seccomp, error(errno.ENOSYS))
    for name in known:
        if name == "personality":
            for value in PERSONALITIES:
                made.rule(ALLOW, name, [Compare(0, MASKED_EQ, LOW, value)])
        elif name in refused:
            made.rule(error(errno.EPERM), name)
        elif name not in ABSENT:
            made.rule(ALLOW, name)
    if missing := {*refused, *ABSENT, "personality"} - set(known):
        sys.exit(f"libseccomp does not know {sorted(missing)}")
    made.write(path)


def write_arguments(seccomp: Any, path: Path) -> None:
    """The filter of arguments. The kernel may read 32 bits of an argument: what is above is masked."""
    made = Filter(seccomp, ALLOW)
    refuse = error(errno.EPERM)
    for flag in NAMESPACES:
        made.rule(refuse, "clone", [Compare(0, MASKED_EQ, flag, flag)])
    for number in IOCTLS:
        made.rule(refuse, "ioctl", [Compare(1, MASKED_EQ, LOW, number)])
    for call in ("socket", "socketpair"):
        no_family = error(errno.EAFNOSUPPORT)
        for family in range(max(FAMILIES)):
            if family not in FAMILIES:
                made.rule(no_family, call, [Compare(0, EQ, family)])
        made.rule(no_family, call, [Compare(0, GE, max(FAMILIES) + 1)])
    for bit in (S_ISUID, S_ISGID):
        for call, mode in MODES.items():
            made.rule(refuse, call, [Compare(mode, MASKED_EQ, bit, bit)])
        for call, (flags, mode) in OPENS.items():
            for flag in (O_CREAT, O_TMPFILE):
                creates = Compare(flags, MASKED_EQ, flag, flag)
                made.rule(refuse, call, [creates, Compare(mode, MASKED_EQ, bit, bit)])
    made.write(path)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    loaded = library()
    write_calls(loaded, folder / "seccomp_calls.bpf")
    write_arguments(loaded, folder / "seccomp_arguments.bpf")
