"""Toolchains in a lock: what is pinned, and what counts as another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exseos.errors import UsageError
from exseos.lock import Lock, ToolchainPin
from exseos.resolve import misfits, request_digests
from exseos.resolve.toolchains import check_mounted, mismatch, pin, pin_toolchains, wanted_versions
from exseos.spec.models import Experiment
from exseos.toolchains.vendor.installation import Installation, vendor

SPEC: dict[str, Any] = {
    "exseos": 1,
    "name": "one",
    "title": "One",
    "data": {"events": {"path": "events.csv", "format": "csv"}},
    "model": {"call": "experiment.py:build"},
    "convert": {"backend": "Vitis"},
    "synthesize": {"toolchain": "vitis"},
    "implement": {"toolchain": "vivado"},
}


def experiment(**changes: Any) -> Experiment:
    return Experiment.model_validate({**SPEC, **changes})


def installed(name: str, version: str = "2023.2", fingerprint: str = "sha256:" + "a" * 64) -> Installation:
    root = Path("/tools") / name
    return Installation(vendor(name), root, version, fingerprint, (root,))


BOTH = {name: installed(name) for name in ("vitis", "vivado")}


def test_every_mounted_toolchain_is_pinned_without_a_path() -> None:
    pins = pin_toolchains(experiment(), BOTH)
    assert [(one.name, one.version) for one in pins] == [("vitis", "2023.2"), ("vivado", "2023.2")]
    assert "XILINXD_LICENSE_FILE" in pins[0].licence_variables
    assert "/tools" not in "".join(one.model_dump_json() for one in pins)


def test_nothing_is_pinned_for_what_is_in_the_image() -> None:
    assert pin_toolchains(experiment(convert=None, synthesize={"toolchain": "open"}, implement=None), {}) == ()


def test_a_toolchain_that_is_not_mounted() -> None:
    with pytest.raises(UsageError) as caught:
        pin_toolchains(experiment(), {"vitis": installed("vitis")})
    assert "the spec needs Vivado, which is not mounted" in caught.value.what
    assert "--toolchain vivado=DIR" in str(caught.value.hint)


def test_the_version_that_the_spec_wants() -> None:
    wanting = experiment(synthesize={"toolchain": "vitis", "version": "2024.1"})
    assert wanted_versions(wanting, "vitis") == ["2024.1"]
    with pytest.raises(UsageError, match="the spec wants Vitis HLS"):
        pin_toolchains(wanting, BOTH)
    assert len(pin_toolchains(wanting, {**BOTH, "vitis": installed("vitis", "2024.1")})) == 2


def test_a_lock_fits_as_long_as_the_toolchains_and_versions_wanted_are_the_same() -> None:
    pins = tuple(pin(there) for there in BOTH.values())
    lock = Lock.model_construct(request=request_digests(experiment()), data={"events": None}, toolchains=pins)
    assert misfits(lock, experiment(synthesize={"toolchain": "vitis", "clock_ns": 3.0})) == []
    assert "vendor toolchains" in misfits(lock, experiment(synthesize={"toolchain": "vitis", "version": "2024.1"}))
    assert "vendor toolchains" in misfits(lock, experiment(implement=None))
    plain = experiment(convert=None, synthesize={"toolchain": "open"}, implement=None)
    assert "vendor toolchains" not in request_digests(plain)


def test_a_lock_that_pins_too_little_does_not_fit() -> None:
    one = Lock.model_construct(request=request_digests(experiment()), data={"events": None}, toolchains=(pin(installed("vitis")),))
    assert misfits(one, experiment()) == ["toolchain vivado"]
    none = Lock.model_construct(request=request_digests(experiment()), data={}, toolchains=())
    assert misfits(none, experiment()) == ["data.events", "toolchain vitis", "toolchain vivado"]


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (installed("vitis"), ""),
        (installed("vitis", "2024.1"), "the lock pins Vitis HLS 2023.2, mounted is 2024.1"),
        (installed("vitis", fingerprint="sha256:" + "b" * 64), "its programs are not those that the lock pins"),
        (installed("vitis", fingerprint="stand-in:" + "a" * 64), "the lock pins the real tool for Vitis HLS, mounted is a stand-in"),
    ],
)
def test_another_installation(there: Installation, words: str) -> None:
    difference = mismatch(pin(installed("vitis")), there)
    assert words in difference if words else difference == ""


def test_a_stand_in_in_the_lock_is_no_real_tool() -> None:
    pinned = pin(installed("vitis", fingerprint="stand-in:" + "a" * 64))
    assert mismatch(pinned, installed("vitis")) == "the lock pins a stand-in for Vitis HLS, mounted is the real tool"


def test_what_is_mounted_is_checked_against_the_lock() -> None:
    lock = Lock.model_construct(toolchains=(pin(installed("vitis")),))
    check_mounted(lock, {"vitis": installed("vitis")}, "a hint")
    with pytest.raises(UsageError, match="nothing here uses the toolchain vivado"):
        check_mounted(lock, BOTH, "a hint")
    with pytest.raises(UsageError) as caught:
        check_mounted(lock, {"vitis": installed("vitis", "2024.1")}, "a hint")
    assert (caught.value.where, caught.value.hint) == ("/tools/vitis", "a hint")


@pytest.mark.parametrize("fingerprint", ["a" * 64, "sha256:" + "A" * 64, "sha256:", "md5:" + "a" * 64, "stand-in"])
def test_a_pin_of_another_form_is_refused(fingerprint: str) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        ToolchainPin(name="vitis", version="2023.2", fingerprint=fingerprint)
