"""Who needs which wheel, told from what the wheels say, whatever they say."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from exseos.errors import ExseosError
from exseos.image.base_lock import base_lock
from exseos.lock import DebPackage, Lock, WheelPin
from exseos.resolve.closure import authors_packages, closure, environment_problems, further_packages, own_requirements

REQUIRES: dict[str, Sequence[str]] = {
    "numbers": (),
    "layers": ("Numbers>=2", "colours; extra == 'Plot-ting'", "winsome; sys_platform == 'win32'"),
    "colours": ("pigments (>=1); python_version < '4'", "brushes; python_version < '3.11'"),
    "pigments": ("colours",),
    "mine": ("layers[plot.ting]",),
}


def pin(name: str, version: str = "2.0") -> WheelPin:
    return WheelPin(name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl", size=7, sha256="1" * 64)


def lock(*wheels: WheelPin, packages: tuple[DebPackage, ...] = ()) -> Lock:
    return Lock(
        request={},
        python="3.11",
        platform="x86_64-manylinux_2_36",
        exclude_newer="2026-01-02T03:04:05Z",
        packages=packages,
        data={},
        wheels=wheels,
    )


def test_closure_follows_names_extras_and_markers_of_the_image() -> None:
    assert closure(["layers"], REQUIRES, "3.11").names == {"layers", "numbers"}
    assert closure(["Layers[plot_ting]"], REQUIRES, "3.11").names == {"layers", "numbers", "colours", "pigments"}
    assert closure(["mine"], REQUIRES, "3.11").names == {"mine", "layers", "numbers", "colours", "pigments"}
    assert closure(["mine; os_name == 'nt'"], REQUIRES, "3.11").names == set()
    assert closure(["colours"], REQUIRES, "3.10").lacking == {"brushes": "colours"}


def test_authors_packages_are_those_that_exseos_does_not_need() -> None:
    pins = [pin(name) for name in REQUIRES]
    assert authors_packages(lock(*pins), ["layers>=1"], REQUIRES) == ["colours 2.0", "pigments 2.0", "mine 2.0"]
    assert authors_packages(lock(*pins), ["mine"], REQUIRES) == []


def test_what_nothing_requires_is_a_problem() -> None:
    pins = [pin(name) for name in ("numbers", "layers", "colours", "pigments")]
    requires = {name: needs for name, needs in REQUIRES.items() if name != "mine"}
    assert environment_problems(lock(*pins), ["colours"], ["layers"], requires) == []
    assert environment_problems(lock(*pins), [], ["layers"], requires) == [
        "colours 2.0: nothing requires it",
        "pigments 2.0: nothing requires it",
    ]
    assert environment_problems(lock(*pins), [], ["layers"], requires, ["colours"]) == []


def test_what_is_required_and_not_pinned_is_a_problem() -> None:
    requires = {"layers": REQUIRES["layers"]}
    assert environment_problems(lock(pin("layers")), [], ["layers"], requires) == ["numbers is not pinned, and layers needs it"]
    assert environment_problems(lock(), [], ["layers>=2"], {}) == ["layers is not pinned, and exseos needs it"]


def test_another_version_than_exseos_needs_is_a_problem() -> None:
    found = environment_problems(lock(pin("numbers", "1.9")), [], ["numbers>=2"], {"numbers": ()})
    assert found == ["numbers 1.9 is pinned, and exseos needs numbers>=2"]


def test_own_requirements_are_those_of_the_extra_alone() -> None:
    texts = [
        "click>=8",
        "lxml>=5; extra == 'experiment'",
        'numbers>=2; (python_version >= "3.11") and extra == "experiment"',
        "older; python_version < '3.11' and extra == 'experiment'",
        "docs; extra == 'other'",
        "not a requirement at all; extra == 'experiment'",
    ]
    assert own_requirements(texts, "3.11") == ["lxml>=5", "numbers>=2"]


@pytest.mark.parametrize("text", ["odd >=1.0.*", "odd; nonsense == '1'", "odd (>=x)", "odd; " + "(" * 1500, "odd" + " " * 3000])
def test_what_cannot_be_read_may_be_needed_or_not(text: str) -> None:
    assert closure([text], {"odd": ()}, "3.11").names == {"odd"}
    assert closure([text], {}, "3.11").lacking == {}


def test_requirements_without_end_are_refused_soon() -> None:
    extras = ",".join(f"e{number}" for number in range(300))
    requires = {"wide": [f"wide[{extras}]; python_version > '3'"] + ["deep; extra == 'x'"] * 9_999}
    begin = time.monotonic()
    with pytest.raises(ExseosError, match="more than can be followed"):
        closure(["wide"], requires, "3.11")
    assert time.monotonic() - begin < 60


def test_further_packages_are_those_that_this_version_does_not_ship() -> None:
    shipped = base_lock().packages
    other = DebPackage(name="extra", version="1:2-3", path="pool/main/e/extra/extra_2-3_all.deb", size=1, sha256="3" * 64)
    assert further_packages(lock(packages=(*shipped, other))) == ["extra 1:2-3"]
