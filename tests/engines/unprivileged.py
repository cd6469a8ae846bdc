"""Runs pytest as an ordinary user: ``unprivileged.py UID GROUP ARGUMENT…``, started as root.

The user may read every file (the interpreter and this project may lie in a folder that is root's alone), but what pytest
starts may not: the capability is not handed on.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_CAP_AMBIENT, CLEAR_ALL = 47, 4

if __name__ == "__main__":
    if os.geteuid() == 0:
        user, group, *arguments = sys.argv[1:]
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={group}"]
        drop += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        os.execvp(drop[0], [*drop, sys.executable, __file__, *arguments])
    ctypes.CDLL(None).prctl(PR_CAP_AMBIENT, CLEAR_ALL, 0, 0, 0)
    import pytest

    sys.exit(pytest.main(sys.argv[1:]))
