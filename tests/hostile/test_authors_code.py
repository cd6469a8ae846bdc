"""The author's own code against the worker that runs it, the container around that, and the verdict.

A forger sends the code with honest outputs, all consistent. What it tries is told by an error that holds a report.
"""

from __future__ import annotations

import json
import re
import socket
import textwrap
import time
from pathlib import Path

import pytest

from tests.e2e.warm import require_engine
from tests.hostile.conftest import Replay, Small
from tests.hostile.forger import SPEC

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]

HONEST = """
def build_model(input_shape, outputs):
    import keras

    layers = [keras.layers.Input(input_shape), keras.layers.Dense(2, activation="relu"), keras.layers.Dense(outputs)]
    return keras.Sequential(layers)


def look(x):
    return x
"""
MISDEEDS = """
import ctypes, glob, json, os, pathlib, signal, socket, subprocess, sys, time

libc = ctypes.CDLL(None, use_errno=True)
told = {}


def attempt(name, deed):
    try:
        told[name] = "done: %r" % (deed(),)
    except BaseException as error:
        told[name] = "refused: %r" % (error,)


def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def write(path, data="x"):
    return pathlib.Path(path).write_text(data)


def tell():
    raise RuntimeError("REPORT" + json.dumps(told) + "END")
"""


@pytest.fixture(params=["bubblewrap", "docker"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    require_engine(name)
    return name


def attack(small: Small, folder: Path, code: str, *options: str, **more: float) -> Replay:
    """The verdict on the honest capsule with this code in it."""
    path = small.forgery(HONEST + textwrap.dedent(code)).settle().write(folder / "forged.zip")
    return small.replay(path, "--engine", "bubblewrap", *options, **more)  # type: ignore[arg-type]


def running(words: str) -> list[str]:
    """Processes of this machine whose command line has ``words``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words in path.read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


# What a container can reach

REACH = """
def common():
    attempt("net", lambda: socket.create_connection(("127.0.0.1", PORT), 2))
    attempt("net outside", lambda: socket.create_connection(("192.0.2.1", 80), 2))
    attempt("secret", lambda: open(SECRET).read())
    attempt("store", lambda: os.listdir(STORE))
    attempt("docker", lambda: os.stat("/var/run/docker.sock"))
    for place in ("/", "/usr", "/spec", "/in", "/etc", "/warm", "/warm/bytecode", "/proc/sys/kernel", "/sys", "/dev"):
        attempt("write " + place, lambda: write(place + "/evil"))
    for path in glob.glob("/in/*/*") + glob.glob("/spec/*") + glob.glob("/data/*") + glob.glob("/warm/**/*.pyc", recursive=True)[:1]:
        attempt("change " + path, lambda: open(path, "r+b").write(b"evil"))
        attempt("mode of " + path, lambda: os.chmod(path, 0o777))
        attempt("link " + path, lambda: os.link(path, "/out/link"))
    attempt("trace", lambda: call(101, 16, 1, 0, 0))
    attempt("name space", lambda: call(272, 0x10000000))
    attempt("mount", lambda: call(165, b"/", b"/tmp", b"none", 4096, None))
    attempt("keys", lambda: call(250, 0, -3, 0))
    attempt("bpf", lambda: call(321, 0, 0, 0))
    attempt("root", lambda: os.setuid(0))
    attempt("device", lambda: os.mknod("/out/device", 0o60600, os.makedev(8, 0)))
    attempt("chroot", lambda: os.chroot("/tmp"))
    attempt("clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0))
    attempt("memory of others", lambda: [open(path, "r+b").close() or path for path in others("mem")][0])
    told["processes"] = " | ".join(pathlib.Path(path).read_bytes().replace(b"\\0", b" ").decode() for path in others("cmdline"))
    told["environment"] = " ".join(f"{key}={value}" for key, value in os.environ.items())
    told["uid"] = str(os.getuid())
    told["in"] = " ".join(sorted(os.listdir("/in")))
    told["data"] = " ".join(sorted(os.listdir("/data"))) if os.path.isdir("/data") else ""


def others(name):
    own = os.readlink("/proc/self")  # the worker lets getpid tell another number
    return [path for path in glob.glob("/proc/[0-9]*/" + name) if path.split("/")[2] not in ("1", own)]


def look(x):
    common()
    for place in ("/tmp", "/dev/shm"):
        attempt("leave " + place, lambda: write(place + "/left-for-the-next"))
    attempt("daemon", lambda: subprocess.Popen(["/usr/bin/sleep", "98765"], start_new_session=True).pid)
    tell()


def build_model(input_shape, outputs):
    common()
    told["left"] = " ".join(sorted(os.listdir("/tmp") + os.listdir("/dev/shm")))
    tell()
"""


def test_the_code_reaches_nothing(small: Small, tmp_path: Path, engine: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the reviewer")
    secret.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        told = {"PORT": server.getsockname()[1], "SECRET": str(secret), "STORE": str(small.exseos.store)}
        names = "".join(f"{name} = {value!r}\n" for name, value in told.items())
        path = small.forgery(MISDEEDS + names + REACH).settle().write(tmp_path / "forged.zip")
        found = small.replay(path, "--engine", engine, environment={"REVIEWERS_TOKEN": "hunter2"})
        with pytest.raises(TimeoutError):
            server.accept()
    assert found.code == 3, found.text
    assert found.judged("prepare", "train", "evaluate") == ["different", "different", "identical"]
    for stage, allowed in (("prepare", {"leave /tmp", "leave /dev/shm", "daemon"}), ("train", set())):
        report = found.report(stage)
        facts = {name: report.pop(name) for name in ("processes", "environment", "uid", "in", "data")}
        left = report.pop("left", "")
        done = {name for name, what in report.items() if not what.startswith("refused")}
        if engine == "docker":
            done.discard("trace")  # of its own container's init, which is no more than itself
        assert done == allowed, {name: report[name] for name in done ^ allowed}
        assert "left-for-the-next" not in left
        assert "98765" not in facts["processes"]
        assert "pytest" not in facts["processes"]
        assert "hunter2" not in facts["environment"] and str(small.exseos.store) not in facts["environment"]
        assert facts["uid"] != "0"
        assert [name.rpartition("-")[0] for name in facts["in"].split()] == {"prepare": [], "train": ["prepare"]}[stage]
        assert facts["data"] == {"prepare": "events", "train": ""}[stage]
        assert any(name.startswith("change /spec/") for name in report)
        assert any(name.startswith("change /warm/") for name in report)
        assert any(name.startswith("change /in/prepare-") for name in report) == (stage == "train")
    assert running("sleep 98765") == []


# Numbers of its own

WORKER = (
    MISDEEDS
    + """
import builtins, numpy

FAKE = b'[{"level":"float","name":"accuracy","origin":"x","scope":"design","tool":"x","unit":"1","value":0.9999,"version":"1"}]\\n'
PATCHED = {name: getattr(os, name) for name in ("open", "stat", "listdir", "scandir")}


def daemon():
    '''Goes on for ever, whatever its parents do: writes metrics beside and into the outputs.'''
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        for name in ("metrics.json", "history.json", "objective.json"):
            try:
                pathlib.Path("/out/" + name).write_bytes(FAKE)
            except OSError:
                pass
        time.sleep(0.01)


def spoken():
    '''The pipe to the host, however well it is kept.'''
    for number in range(3, 64):
        try:
            if os.readlink("/proc/self/fd/%d" % number).startswith(("pipe:", "socket:")):
                yield number
        except OSError:
            pass


def look(x):
    '''Says that all is done before anything is, with words for a terminal.'''
    for number in spoken():
        for event in (
            {"id": 1, "event": "progress", "text": "\\x1b[2Jreproduced", "done": None, "total": None},
            {"id": 2, "event": "progress", "text": "\\x1b[2Jreproduced", "done": None, "total": None},
            {"id": 2, "event": "done", "result": {"facts": {"probe": {"digest": "f" * 64}}}},
            {"id": 1, "event": "done", "result": {"facts": {}}},
        ):
            try:
                os.write(number, json.dumps(event).encode() + b"\\n")
            except OSError:
                pass
    time.sleep(3)
    return x


def build_model(input_shape, outputs):
    import keras
    from exseos.worker import keras_file, server
    from exseos.worker.stages.base import Context

    real = Context.write_json
    Context.write_json = lambda self, name, value: (real(self, name, value), pathlib.Path("/out/metrics.json").write_bytes(FAKE))
    json.dumps = lambda *arguments, original=json.dumps, **more: original(*arguments, **more).replace("0.6", "0.9")
    numpy.save = lambda file, array, original=numpy.save, **more: original(file, array * 0 + 1, **more)
    daemon()
    layers = [keras.layers.Input(input_shape), keras.layers.Dense(2, activation="relu"), keras.layers.Dense(outputs)]
    return keras.Sequential(layers)
"""
)


def test_no_number_is_the_codes_own(small: Small, tmp_path: Path) -> None:
    """Spec, index and outputs agree on an accuracy that nothing ever had."""
    forgery = small.forgery(WORKER)
    forgery.set_metrics("evaluate", accuracy=0.9999, loss=1e-6)
    forgery.change(SPEC, "value: 0.6, absolute: 0.3", "value: 0.9999, absolute: 0.0001")
    forgery.claims_of_spec()
    path = forgery.settle().write(tmp_path / "forged.zip")
    assert small.exseos("capsule", "verify", path).code == 0, "nothing but a replay can tell"
    found = small.replay(path, "--engine", "bubblewrap")
    assert found.code == 3, found.text
    assert found.judged("prepare", "train", "evaluate", "accuracy") == ["different"] * 4
    assert found.entries["accuracy"]["found"] < 0.8
    assert found.entries["It"]["verdict"] == "different"
    assert "reproduced" not in "".join(line for line in found.text.splitlines() if line.startswith("reproduced"))


AUDIT = (
    HONEST
    + """

def build_model(input_shape, outputs, honest=build_model):
    from exseos.worker.numerics import audit, probe

    audit.Audit.unknown = lambda self: ["an operation of the author's\x1b[2J"]
    probe.model_probe = lambda *arguments: {"digest": "a" * 64, "cpu": "mine"}
    return honest(input_shape, outputs)
"""
)


@pytest.mark.parametrize("forged", [True, False], ids=["forged audit", "honest audit"])
def test_weights_that_are_not_the_trained_ones(small: Small, tmp_path: Path, forged: bool) -> None:
    """They are of another training, whose numbers are close. A forged audit makes that no more than tolerance, and is named."""
    forgery, other = small.forgery(AUDIT if forged else None), small.forgery().read(small.nearby)
    for stage in ("train", "evaluate"):
        forgery.write_below(forgery.stage(stage)["location"], other.outputs(stage))
    forgery.index["probes"] = [{"stage": "train", "digest": "b" * 64, "cpu": "mine"}]
    found = small.replay(forgery.settle().write(tmp_path / "forged.zip"), "--engine", "bubblewrap")
    if forged:
        assert found.code == 5, found.text
        assert found.judged("train", "evaluate") == ["within tolerance", "identical"]
        assert any(
            "train used what is not known to be exact on every CPU: an operation of the author's" in one for one in found.verdict["notes"]
        )
    else:
        assert found.code == 3, found.text
        assert found.judged("train", "evaluate") == ["different", "identical"]


# Outputs that are none


def each(prepare: str, train: str) -> str:
    """Code that does one thing in each of the two stages, as often as it is called, and then what is honest."""
    prepare, train = (
        textwrap.indent("try:\n" + textwrap.indent(textwrap.dedent(one or "pass").strip(), "    ") + "\nexcept OSError:\n    pass", "    ")
        for one in (prepare, train)
    )
    return (
        MISDEEDS
        + HONEST
        + f"""

def look(x):
{prepare}
    return x


def build_model(input_shape, outputs, honest=build_model):
{train}
    return honest(input_shape, outputs)
"""
    )


OUTPUTS = {
    "link, pipe": (
        'os.symlink("/proc/self/environ", "/out/x_train.npy.txt")',
        'os.mkfifo("/out/pipe")',
        "is a link or a special file",
        "is a link or a special file",
    ),
    "link to a folder, socket": (
        'os.symlink("/", "/out/root")',
        'socket.socket(socket.AF_UNIX).bind("/out/socket")',
        "is a link or a special file",
        "is a link or a special file",
    ),
    "deep, sparse": (
        """
        here = os.open("/out", os.O_RDONLY)
        for _ in range(2000):
            os.mkdir("d", dir_fd=here)
            here = os.open("d", os.O_RDONLY, dir_fd=here)
        """,
        """
        for number in range(3):
            with open("/out/sparse%d" % number, "wb") as stream:
                stream.truncate(30 << 30)
        time.sleep(5)
        """,
        "folders of output more than 64 deep|nested deeper than 32 folders",
        "more than 64 GiB of output",
    ),
    "name, words": (
        'write("/out/a\\x1b[2J\\nreproduced")',
        """
        for _ in range(300):
            os.write(2, b"\\x1b[2Jreproduced" * 70_000 + b"\\n")
        time.sleep(5)
        """,
        "unsafe file name",
        "more than 256 MiB of standard error|standard error",
    ),
}


@pytest.mark.parametrize(("prepare", "train", "first", "second"), OUTPUTS.values(), ids=OUTPUTS.keys())
def test_outputs_that_are_none(small: Small, tmp_path: Path, prepare: str, train: str, first: str, second: str) -> None:
    found = attack(small, tmp_path, each(prepare, train))
    assert found.code in (3, 4), found.text
    for stage, expected in (("prepare", first), ("train", second)):
        assert found.entries[stage]["verdict"] in ("different", "not checkable here")
        assert re.search(expected, found.detail(stage)), found.detail(stage)
    assert found.judged("evaluate") == ["identical"]


def test_more_files_than_any_stage_has(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, so that the limit can be low: a million files take minutes to make."""
    from exseos.capsule.replay import ReplayRequest, replay
    from exseos.engines.base import Limits
    from exseos.progress import Quiet
    from exseos.store import Store

    code = each('os.chdir("/out")\nfor number in range(30_000):\n    os.close(os.open(str(number), os.O_CREAT))\ntime.sleep(5)', "tell()")
    path = small.forgery(code).settle().write(tmp_path / "forged.zip")
    monkeypatch.setenv("EXSEOS_STORE", str(small.exseos.store))
    verdict = replay(ReplayRequest(path, "bubblewrap", limits=Limits(output_files=20_000)), Store(), Quiet())
    assert verdict.exit_code == 3
    stages = {entry.name: entry for entry in verdict.entries if entry.kind == "stage"}
    assert stages["prepare"].verdict == "different"
    assert "more than 20,000 files of output" in stages["prepare"].detail


def test_a_stage_that_hangs_is_ended(small: Small, tmp_path: Path) -> None:
    began = time.monotonic()
    found = attack(small, tmp_path, each("signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(4000)", ""), "--hours", "0.002")
    assert time.monotonic() - began < 60
    assert found.code == 4, found.text
    assert set(found.judged("prepare", "train", "evaluate")) == {"not checkable here"}
    assert "time" in found.detail("prepare")
    assert json.dumps(found.verdict)
