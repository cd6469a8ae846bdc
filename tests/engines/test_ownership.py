"""What root lends to a container's user it gets back, and nothing else changes hands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exseos.engines.base import NOBODY, Mount
from exseos.engines.ownership import Loan, check_readable
from exseos.errors import HostError

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@root_only
def test_a_loan_and_its_end(tmp_path: Path) -> None:
    lent, other = tmp_path / "lent", tmp_path / "other"
    lent.mkdir()
    other.write_text("of another, outside")
    (lent / "before").write_text("root's, perhaps linked from elsewhere")
    os.chown(other, NOBODY, NOBODY)
    loan = Loan([lent], NOBODY, NOBODY)
    assert lent.stat().st_uid == NOBODY
    assert (lent / "before").stat().st_uid == 0
    (lent / "sub").mkdir()
    os.chown(lent / "sub", NOBODY, NOBODY)
    assert (lent / "sub").stat().st_uid == NOBODY
    (lent / "sub/file").write_text("x")
    (lent / "sub/away").symlink_to(other)
    for name in ("sub/file", "sub/away"):
        os.chown(lent / name, NOBODY, NOBODY, follow_symlinks=False)
    (lent / "sub/file").chmod(0o4755)
    loan.take_back()
    assert {path.lstat().st_uid for path in (lent, *lent.rglob("*"))} == {0}
    assert (lent / "sub/file").stat().st_mode & 0o6000 == 0
    assert other.stat().st_uid == NOBODY  # the link was not followed
    loan.take_back()


@root_only
def test_a_loan_that_fails_is_undone(tmp_path: Path) -> None:
    (tmp_path / "lent").mkdir()
    with pytest.raises(HostError, match="cannot give it to user"):
        Loan([tmp_path / "lent", tmp_path / "no"], NOBODY, NOBODY)
    assert (tmp_path / "lent").stat().st_uid == 0


def test_what_others_may_not_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "open").mkdir(mode=0o755)
    check_readable([Mount(tmp_path / "open", "/in"), Mount(tmp_path / "private", "/out", writable=True)], NOBODY)
    check_readable([Mount(tmp_path / "private", "/in")], os.geteuid())
    with pytest.raises(HostError, match=f"may not be read by user {NOBODY}"):
        check_readable([Mount(tmp_path / "private", "/in")], NOBODY)
