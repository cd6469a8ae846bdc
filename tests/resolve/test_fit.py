"""A capsule's spec and lock are held against each other: whoever writes one and forges the other is told where."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from exseos.lock import DataPin, DebPackage, ExseosPin, Lock, ToolchainPin, WheelPin, read_lock
from exseos.resolve.fit import misfit
from exseos.spec import read_spec
from exseos.spec.models import Experiment

ROOT = Path(__file__).parents[2]
SET = WheelPin(name="data-sets", version="1.2", filename="data_sets-1.2-py3-none-any.whl", size=5, sha256="e" * 64)
OWN = ExseosPin(version="0.3.1", filename="exseos-0.3.1-py3-none-any.whl", sha256="f" * 64)


def experiment(**changes: Any) -> Experiment:
    plain: dict[str, Any] = {
        "exseos": 1,
        "name": "one",
        "title": "One",
        "environment": {
            "requirements": ["Fast.Math[gpu]>=2,<3; sys_platform == 'linux'", "winsome; os_name == 'nt'"],
            "packages": ["libgomp1"],
        },
        "data": {
            "events": {"pypi": "Data_Sets==1.2", "member": "sets/raw/events.csv", "format": "csv"},
            "local": {"path": "../tables/local.csv", "format": "csv", "sha256": "b" * 64},
            "remote": {"url": "https://example.org/remote.csv", "format": "csv"},
        },
        "model": {"call": "experiment.py:build"},
    }
    return Experiment.model_validate({**plain, **changes})


def wheel(name: str = "fast-math", version: str = "2.5", filename: str | None = None) -> WheelPin:
    file = filename or f"{name.replace('-', '_')}-{version}-cp311-cp311-manylinux_2_28_x86_64.whl"
    return WheelPin(name=name, version=version, filename=file, size=7, sha256="1" * 64)


def package(name: str = "libgomp1", version: str = "1:12.2.0-14+deb12u1", path: str | None = None) -> DebPackage:
    file = path or f"pool/main/g/gcc-12/{name}_{version.rpartition(':')[2]}_amd64.deb"
    return DebPackage(name=name, version=version, path=file, size=8, sha256="2" * 64)


DATA = {
    "events": DataPin(filename="events.csv", size=1, sha256="a" * 64, archive=SET),
    "local": DataPin(filename="local.csv", size=2, sha256="b" * 64),
    "remote": DataPin(filename="remote.csv", size=3, sha256="c" * 64),
}


def lock(**changes: Any) -> Lock:
    plain: dict[str, Any] = {
        "request": {"environment": "0" * 64},
        "python": "3.11",
        "platform": "x86_64-manylinux_2_36",
        "exclude_newer": "2026-01-02T03:04:05Z",
        "packages": (package(), package("tzdata", "2024a", "pool/main/t/tzdata/tzdata_2024a_all.deb")),
        "data": DATA,
        "exseos": OWN,
        "wheels": (wheel(), wheel("helper", "0.1", "helper-0.1-py2.py3-none-any.whl")),
    }
    return Lock.model_validate({**plain, **changes})


def needing(*requirements: str) -> Experiment:
    return experiment(environment={"requirements": list(requirements)})


def data_with(name: str, **changes: Any) -> dict[str, DataPin]:
    return {**DATA, name: DATA[name].model_copy(update=changes)}


def test_a_lock_that_fits_whatever_release_made_it() -> None:
    assert misfit(lock(), experiment()) == []
    assert misfit(lock(request={"environment": "9" * 64, "unknown to us": "8" * 64}), experiment()) == []


@pytest.mark.parametrize("name", ["tiny", "magic"])
def test_the_shipped_locks_fit_their_specs(name: str) -> None:
    path = ROOT / "examples" / name
    real = read_lock(path / "spec.lock").model_copy(update={"exseos": OWN})
    assert misfit(real, read_spec(path / "spec.yaml").experiment()) == []


def test_a_spec_that_says_another_version_than_the_lock_pins() -> None:
    forged = needing("fast-math==9.9.9")
    assert misfit(lock(), forged) == ["environment.requirements[0]: fast-math==9.9.9 is not what the lock pins (2.5)"]


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("fast-math", ""),
        ("FAST_math>=2.5", ""),
        ("fast-math==2.*", ""),
        ("fast-math===2.5", ""),
        ("fast-math<2.5", "is not what the lock pins (2.5)"),
        ("fast-math!=2.5", "is not what the lock pins (2.5)"),
        ("fastmath", "is not in the lock"),
        ("winsome", "is not in the lock"),
        ("winsome; platform_machine != 'x86_64'", ""),
        ("winsome; python_version < '3.11'", ""),
        ("winsome; python_version >= '3.11' and platform_system == 'Linux'", "is not in the lock"),
        ("winsome; extra == 'more'", ""),
        ("winsome; os_name ~= 'x'", "cannot be compared with the lock"),
        ("fast-math==2." + "0" * 600, "cannot be compared with the lock"),
    ],
)
def test_requirements(requirement: str, said: str) -> None:
    found = misfit(lock(), needing(requirement))
    assert len(found) == bool(said)
    if said:
        assert found[0].startswith("environment.requirements[0]: ")
        assert found[0].endswith(said)


def test_versions_before_a_release_and_of_a_builder_are_allowed() -> None:
    assert misfit(lock(wheels=(wheel(version="3.0rc1"),)), needing("fast-math>=2")) == []
    assert misfit(lock(wheels=(wheel(version="2.5+cpu"),)), needing("fast-math==2.5")) == []


@pytest.mark.parametrize(
    ("wheels", "said"),
    [
        ((wheel(), wheel("fast-math", "2.6")), "lock: fast-math is pinned by several wheels"),
        ((wheel(filename="fast_math-2.6-py3-none-any.whl"),), "lock: fast_math-2.6-py3-none-any.whl is not a wheel of fast-math 2.5"),
        ((wheel(filename="other-2.5-py3-none-any.whl"),), "lock: other-2.5-py3-none-any.whl is not a wheel of fast-math 2.5"),
        ((wheel(filename="fast_math-2.5.whl"),), "lock: fast_math-2.5.whl is not the file name of a wheel"),
        (
            (wheel(filename="fast_math-2.5-cp311-cp311-win_amd64.whl"),),
            "lock: fast_math-2.5-cp311-cp311-win_amd64.whl does not run on Python 3.11 on x86_64-manylinux_2_36",
        ),
        (
            (wheel(filename="fast_math-2.5-cp311-cp311-manylinux_2_39_x86_64.whl"),),
            "lock: fast_math-2.5-cp311-cp311-manylinux_2_39_x86_64.whl does not run on Python 3.11 on x86_64-manylinux_2_36",
        ),
        (
            (wheel(), wheel("Helper", "1", "helper-1-py3-none-any.whl")),
            "lock: helper-1-py3-none-any.whl is not a wheel of Helper 1",
        ),
        (
            (wheel(), wheel("helper", "~1:x", "helper-1-py3-none-any.whl")),
            "lock: ~1:x is not the version of a wheel",
        ),
        ((wheel(), wheel("exseos", "0.3.1", OWN.filename)), "lock: exseos is among the wheels; it has a pin of its own"),
    ],
)
def test_wheels(wheels: tuple[WheelPin, ...], said: str) -> None:
    assert misfit(lock(wheels=wheels), needing("fast-math")) == [said]


def test_a_wheel_without_the_version_of_a_release_meets_no_requirement() -> None:
    found = misfit(lock(wheels=(wheel(version="~x:y", filename="fast_math-1-py3-none-any.whl"),)), needing("fast-math"))
    assert found[0] == "environment.requirements[0]: fast-math cannot be compared with the lock"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"packages": ()}, "environment.packages[0]: libgomp1 is not in the lock"),
        ({"packages": (package(), package())}, "lock: the Debian package libgomp1 is pinned several times"),
        (
            {"packages": (package(path="pool/main/e/evil/evil_1_amd64.deb"),)},
            "lock: pool/main/e/evil/evil_1_amd64.deb is not the Debian package libgomp1 1:12.2.0-14+deb12u1",
        ),
        ({"exseos": None}, "lock: it does not pin ExSeOS-HLS itself"),
        (
            {"exseos": OWN.model_copy(update={"version": "0.3.2"})},
            "lock: exseos-0.3.1-py3-none-any.whl is not a wheel of exseos 0.3.2",
        ),
        (
            {"exseos": OWN.model_copy(update={"filename": "other-0.3.1-py3-none-any.whl"})},
            "lock: other-0.3.1-py3-none-any.whl is not a wheel of exseos 0.3.1",
        ),
    ],
)
def test_packages_and_the_wheel_of_exseos(changes: dict[str, Any], said: str) -> None:
    assert misfit(lock(**changes), experiment()) == [said]


def test_another_python_or_platform() -> None:
    assert misfit(lock(python="3.12"), experiment())[0] == "environment.python: 3.11 is not what the lock pins (3.12)"
    found = misfit(lock(platform="x86_64-windows"), experiment())
    assert found[0] == "lock: the platform x86_64-windows is none that images are made for"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({name: pin for name, pin in DATA.items() if name != "remote"}, "data.remote: it is not in the lock"),
        ({**DATA, "more": DATA["local"]}, "lock: it pins the data more, which the spec does not name"),
        (data_with("local", sha256="d" * 64), f"data.local.sha256: {'b' * 64} is not what the lock pins ({'d' * 64})"),
        (data_with("local", filename="other.csv"), "data.local.path: local.csv is not the file that the lock pins (other.csv)"),
        (data_with("local", archive=SET), f"data.local.path: the lock says that the file is out of a wheel, {SET.filename}"),
        (data_with("remote", archive=SET), f"data.remote.url: the lock says that the file is out of a wheel, {SET.filename}"),
        (data_with("events", archive=None), "data.events.pypi: the lock does not say which wheel the file is out of"),
        (
            data_with("events", filename="other.csv"),
            "data.events.member: sets/raw/events.csv is not the file that the lock pins (other.csv)",
        ),
        (
            data_with("events", archive=SET.model_copy(update={"name": "evil", "filename": "evil-1.2-py3-none-any.whl"})),
            "data.events.pypi: Data_Sets==1.2 is not the wheel that the lock pins (evil 1.2)",
        ),
        (
            data_with("events", archive=SET.model_copy(update={"version": "1.3", "filename": "data_sets-1.3-py3-none-any.whl"})),
            "data.events.pypi: Data_Sets==1.2 is not the wheel that the lock pins (data-sets 1.3)",
        ),
        (
            data_with("events", archive=SET.model_copy(update={"filename": "evil-1.2-py3-none-any.whl"})),
            "data.events.pypi: evil-1.2-py3-none-any.whl is not a wheel of data-sets 1.2",
        ),
    ],
)
def test_data(data: dict[str, DataPin], said: str) -> None:
    assert misfit(lock(data=data), experiment()) == [said]


def vitis(version: str = "2023.2", name: str = "vitis") -> ToolchainPin:
    return ToolchainPin(name=name, version=version, fingerprint=f"sha256:{'3' * 64}")


def with_vitis(**keys: Any) -> Experiment:
    return experiment(convert={"backend": "Vitis"}, synthesize={"toolchain": "vitis", "part": "xcu250", **keys})


@pytest.mark.parametrize(
    ("made_for", "pins", "said"),
    [
        (with_vitis(), (vitis(),), []),
        (with_vitis(version="2023.2"), (vitis(),), []),
        (with_vitis(version="2022.1"), (vitis(),), ["synthesize: vitis 2022.1 is not what the lock pins (2023.2)"]),
        (with_vitis(), (), ["synthesize: the toolchain vitis is not in the lock"]),
        (with_vitis(), (vitis(), vitis()), ["lock: the toolchain vitis is pinned several times"]),
        (experiment(), (vitis(),), ["lock: it pins the toolchain vitis, which the spec does not use"]),
        (
            experiment(synthesize={"toolchain": "open"}),
            (vitis(name="open"),),
            ["lock: it pins the toolchain open, which the spec does not use"],
        ),
        (
            experiment(synthesize={"toolchain": "no\x1b[2Jsuch"}),
            (),
            ["synthesize: which toolchains the spec needs cannot be told: "],
        ),
    ],
)
def test_toolchains(made_for: Experiment, pins: tuple[ToolchainPin, ...], said: list[str]) -> None:
    found = misfit(lock(toolchains=pins), made_for)
    assert len(found) == len(said)
    assert all(one.startswith(start) and one.isprintable() for one, start in zip(found, said, strict=True))


def test_file_names_that_mean_millions_of_tags_take_no_time() -> None:
    parts = [".".join(["a"] * 40)] * 3
    wheels = tuple(wheel(f"w{number}", "1", f"w{number}-1-{'-'.join(parts)}.whl") for number in range(2000))
    versions = tuple(wheel(f"v{number}", "1." * 50 + "1", f"v{number}-{'1.' * 50}1-py3-none-any.whl") for number in range(2000))
    begin = time.monotonic()
    found = misfit(lock(wheels=(*wheels, *versions)), needing())
    assert len(found) == 2000
    assert time.monotonic() - begin < 5


def test_every_problem_is_named() -> None:
    found = misfit(lock(python="3.12", packages=(), data={}, wheels=(), exseos=None), experiment())
    assert len(found) == 7
