"""The filters of system calls on bubblewrap's sandboxes: made beforehand by ``scripts/make_seccomp.py``.

They are programs for the kernel (seccomp(2)), so that no library is needed where they are used.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from exseos.errors import HostError

FILTERS = ("seccomp_calls.bpf", "seccomp_arguments.bpf")
"""Both are in force at once; the kernel does what the stricter says."""
MACHINE = "x86_64"
"""What they are made for, as images are."""


def suits_machine() -> bool:
    """Whether the filters are for this machine's processor."""
    return platform.machine() == MACHINE


@contextlib.contextmanager
def opened(wanted: bool) -> Iterator[list[int]]:
    """Descriptors of the filters, at their beginnings, for ``bwrap --add-seccomp-fd``; none unless they are ``wanted``."""
    with contextlib.ExitStack() as stack:
        found = []
        for name in FILTERS if wanted else ():
            path = Path(__file__).with_name(name)
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                hint = "Install exseos again."
                raise HostError("the installation lacks a filter", where=str(path), hint=hint) from error
            stack.callback(os.close, descriptor)
            found.append(descriptor)
        yield found
