"""Everything that reads untrusted text, on files of up to 100 MB that are made to hurt: 5 s and 200 MB, Python included."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exseos.readers.collect import LARGEST, MOST_PIECES, PIECES
from exseos.records.names import IMAGE, INDEX, LOCK, MANIFEST, PYLOCK, README, SEAL, SPEC
from exseos.spec.yaml12 import load
from tests.hostile.json_mutation import text
from tests.hostile.measure import Measured, measure
from tests.hostile.mutation import original
from tests.hostile.resealing import Entries, archive, keep_numbers, rederive, reidentify, reseal
from tests.readers.hostile_samples import MADE, REPORTS

MOST_SECONDS = 5.0
MOST_BYTES = 200 << 20
LARGE = 100 << 20
METRICS = "results/trial-0/implement/metrics.json"


def bounded(measured: Measured) -> Measured:
    assert measured.seconds < MOST_SECONDS, measured
    assert measured.peak < MOST_BYTES, (measured.peak >> 20, measured)
    return measured


def filled(unit: str | bytes, size: int, head: str | bytes = "", tail: str | bytes = "") -> bytes:
    """``head``, then ``unit`` again and again, then ``tail``: ``size`` bytes, but for a rest of a unit."""
    unit, head, tail = (one.encode() if isinstance(one, str) else one for one in (unit, head, tail))
    return head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail


def index(change: Callable[[dict[str, Any]], Any]) -> Callable[[], Entries]:
    """The capsule with another index, and the rest derived from it as far as can be."""

    def entries() -> Entries:
        plain = json.loads(original()[INDEX])
        change(plain)
        return reidentify({**original(), INDEX: text(plain) + b"\n"})

    return entries


def entry(name: str, content: Callable[[], bytes], seal: Callable[[Entries], Entries] = reidentify) -> Callable[[], Entries]:
    """The capsule with other bytes in one entry."""
    return lambda: seal({**original(), name: content()})


def lock(change: Callable[[dict[str, Any]], Any]) -> Callable[[], Entries]:
    def entries() -> Entries:
        plain = json.loads(original()[LOCK])
        change(plain)
        return rederive({**original(), LOCK: text(plain, indent=True)})

    return entries


def spec(change: Callable[[dict[str, Any]], Any]) -> Callable[[], Entries]:
    def entries() -> Entries:
        plain = load(original()[SPEC].decode(), "spec.yaml").value
        change(plain)
        return rederive({**original(), SPEC: text(plain)})

    return entries


def metrics(count: int, **more: Any) -> list[dict[str, Any]]:
    common = {"unit": "1", "level": "routed", "origin": "", "tool": "", "version": "", "scope": "design", "value": 1, **more}
    return [{**common, "name": f"{number:x}"} for number in range(count)]


def packages(count: int) -> list[dict[str, Any]]:
    common = {"version": "1", "size": 1, "sha256": "0" * 64}
    return [{**common, "name": f"p{number:x}", "path": f"pool/{number:x}"} for number in range(count)]


def many_files(count: int, name: str) -> Entries:
    return {name.format(number): b"" for number in range(count)}


def wheel(number: int) -> str:
    return f'\n[[packages]]\nname = "w{number:05x}"\nversion = "1"\n[[packages.wheels]]\npath = "w.whl"\nsize = 1\nhashes = {{sha256 = "{"0" * 64}"}}\n'  # noqa: E501


_HEAD = b'lock-version = "1.0"\ncreated-by = "exseos"\nrequires-python = "==3.11.*"\n'

CAPSULES: dict[str, Callable[[], Entries]] = {
    "index of 100 MB": entry(INDEX, lambda: bytes(LARGE), reseal),
    "index of blanks": entry(INDEX, lambda: filled(" ", 8 << 20), reseal),
    "index of brackets": entry(INDEX, lambda: filled("[", 8 << 20), reseal),
    "index of lists": entry(INDEX, lambda: filled("[],", 8 << 20, "[", "[]]"), reseal),
    "index of short lists": entry(INDEX, lambda: filled("[],", 700_000, "[", "[]]") + bytes(7 << 20), reseal),
    "index of digits": entry(INDEX, lambda: filled("1", 8 << 20), reseal),
    "index of escapes": entry(INDEX, lambda: filled("\\u0001", 8 << 20, '"', '"'), reseal),
    "index of quotes": entry(INDEX, lambda: filled('\\"', 8 << 20, '"'), reseal),
    "index of values": index(lambda plain: plain["trials"][0]["values"].update(x=[0] * 280_000)),
    "index of objects": index(lambda plain: plain["trials"][0]["values"].update(x=[{}] * 140_000)),
    "index of keys": index(lambda plain: plain["trials"][0]["values"].update({f"{number:x}": 0 for number in range(280_000)})),
    "index of wrong keys": index(lambda plain: plain.update({f"{number:x}": 0 for number in range(280_000)})),
    "index of parameters": index(lambda plain: plain["stages"][1]["parameters"].update({f"{number:x}": 0 for number in range(280_000)})),
    "index of floats": index(lambda plain: plain["stages"][1]["parameters"].update(x=[1e-7 + number for number in range(280_000)])),
    "index of metrics": index(lambda plain: plain.update(metrics=[{**one, "trial": "t", "stage": "s"} for one in metrics(20_000)])),
    "index of claims": index(lambda plain: plain.update(claims=[{**plain["claims"][0], "text": "x" * 10_000}] * 300)),
    "index of stages": index(lambda plain: plain.update(stages=plain["stages"] * 1000)),
    "index of wrong stages": index(lambda plain: plain.update(stages=[0] * 250_000)),
    "index of optional": index(lambda plain: plain.update(optional=[{**plain["optional"][0], "name": f"data/{n}"} for n in range(70_000)])),
    "index of inputs": index(lambda plain: plain["stages"][6].update(inputs=plain["stages"][6]["inputs"] * 30_000)),
    "index of probes": index(lambda plain: plain.update(probes=plain["probes"] * 20_000)),
    "title of marks": index(lambda plain: plain.update(title="`" * 10_000)),
    "README of 100 MB": entry(README, lambda: bytes(LARGE), reseal),
    "README of 8 MB": entry(README, lambda: filled("|", 8 << 20), reseal),
    "list of 100 MB": entry(MANIFEST, lambda: bytes(LARGE), reseal),
    "list of names": entry(MANIFEST, lambda: b"".join(b"%064x  results/%06d\n" % (n, n) for n in range(98_000)), reseal),
    "list of newlines": entry(MANIFEST, lambda: filled("\n", 8 << 20), reseal),
    "list of one line": entry(MANIFEST, lambda: filled("a", 8 << 20, "0" * 64 + "  results/", "\n"), reseal),
    "list of parts": entry(MANIFEST, lambda: filled("/a", 8 << 20, "0" * 64 + "  results", "\n"), reseal),
    "seal of names": entry(SEAL, lambda: b"".join(b"%064x  run/%06d\n" % (n, n) for n in range(104_000)), dict),
    "both lists of names": lambda: {
        **original(),
        MANIFEST: b"".join(b"%064x  spec/%06d\n" % (n, n) for n in range(98_000)),
        SEAL: b"".join(b"%064x  run/%06d\n" % (n, n) for n in range(104_000)),
    },
    "lock of 100 MB": entry(LOCK, lambda: bytes(LARGE)),
    "lock of brackets": entry(LOCK, lambda: filled("[", 8 << 20)),
    "lock of lists": entry(LOCK, lambda: filled("[],", 290_000, "[", "[]]")),
    "lock of values": entry(LOCK, lambda: filled("0,", 190_000, "[", "0]")),
    "lock of a long text": entry(LOCK, lambda: filled("\\u0001", 8 << 20, '{"python":"', '"}')),
    "lock of digits": entry(LOCK, lambda: filled("1", 8 << 20)),
    "lock of packages": lock(lambda plain: plain.update(packages=packages(9_000))),
    "lock of requests": lock(lambda plain: plain.update(request={f"{n}": "0" * 64 for n in range(2000)})),
    "lock of data": lock(lambda plain: plain["data"].update({f"x{n}": plain["data"]["points"] for n in range(999)})),
    "lock of wrong keys": lock(lambda plain: plain.update({f"x{n}": 0 for n in range(45_000)})),
    "pylock of 100 MB": entry(PYLOCK, lambda: bytes(LARGE)),
    "pylock of wheels": entry(PYLOCK, lambda: _HEAD + "".join(map(wheel, range(9_999))).encode()),
    "pylock of too many": entry(PYLOCK, lambda: _HEAD + "".join(map(wheel, range(45_000))).encode()),
    "pylock of newlines": entry(PYLOCK, lambda: filled("\n", 8 << 20)),
    "pylock of keys": entry(PYLOCK, lambda: filled("a.", 8 << 20, _HEAD + b"\n", "a = 1\n")),
    "image.json of 100 MB": entry("lock/image.json", lambda: bytes(LARGE)),
    "image.json of lists": entry("lock/image.json", lambda: filled("[],", 1 << 20, "[", "[]]"), rederive),
    "image.json of layers": entry("lock/image.json", lambda: text({"rootfs": {"diff_ids": ["sha256:" + "0" * 64] * 14_000}}), rederive),
    "image.json of keys": entry(
        "lock/image.json", lambda: text({"rootfs": {"diff_ids": ["0" * 64]}, **dict.fromkeys(map(str, range(60_000)))}), rederive
    ),
    "metrics of 100 MB": entry(METRICS, lambda: bytes(LARGE), rederive),
    "metrics of lists": entry(METRICS, lambda: filled("[],", 4 << 20, "[", "[]]"), keep_numbers),
    "metrics of objects": entry(METRICS, lambda: filled("{},", 140_000, "[", "{}]"), keep_numbers),
    "metrics": entry(METRICS, lambda: text(metrics(20_000)), rederive),
    "metrics not in the index": entry(METRICS, lambda: text(metrics(33_000)), keep_numbers),
    "metrics of long texts": entry(METRICS, lambda: text(metrics(600, origin="x" * 6000)), rederive),
    "metrics of digits": entry(METRICS, lambda: filled("1", 4 << 20, '[{"value":'), keep_numbers),
    "many metrics of 4 MB": lambda: reidentify({**original(), **{f"results/{n}/metrics.json": bytes(4 << 20) for n in range(25)}}),
    "run of 100 MB": entry("run/host.json", lambda: bytes(LARGE), reseal),
    "output of 100 MB": entry("results/trial-0/train/model.keras", lambda: bytes(LARGE), rederive),
    "wheel of 100 MB": entry("lock/wheels/exseos-0.1.0-py3-none-any.whl", lambda: bytes(LARGE), rederive),
    "many files of the author and stages": lambda: reidentify(
        {
            **spec(lambda plain: plain.update(convert=[{"name": f"a{n}"} for n in range(100)]))(),
            **many_files(50_000, "spec/{:06x}"),
        }
    ),
    "stages with the same outputs": lambda: reidentify(
        {**index(lambda plain: plain.update(stages=plain["stages"] * 50))(), **many_files(50_000, "results/trial-0/train/{:06x}")}
    ),
    "many outputs": lambda: rederive({**original(), **many_files(60_000, "results/trial-0/train/{:06x}")}),
    "many prepared": lambda: rederive({**original(), **many_files(35_000, "data/prepared/trial-0/{:06x}")}),
    "many entries": lambda: {**original(), **many_files(99_000, "run/{:06x}")},
    "many unknown entries": lambda: {**original(), **many_files(99_000, "x{:06x}")},
    "many long names": lambda: {**original(), **many_files(15_000, "run/" + "x/" * 500 + "{:06x}")},
    "many names of other scripts": lambda: {**original(), **many_files(7_000, "run/" + "\u00e9\u4e00" * 110 + "{:06x}")},
    "names of marks": lambda: {**original(), **many_files(10_000, "run/" + "a" + "\u0301" * 29 + "{:06x}")},
    "image.tar of zeros": entry(IMAGE, lambda: bytes(LARGE), dict),
    "image.tar of blocks": entry(IMAGE, lambda: _tar(b"oci-layout", 0o777), dict),
    "spec of 100 MB": entry(SPEC, lambda: bytes(LARGE)),
    "spec of 256 KB": entry(SPEC, lambda: filled("- [a, b]\n", 256 << 10)),
    "spec of authors": spec(lambda plain: plain.update(authors=[{"name": "x"}] * 2400)),
    "spec of wrong authors": spec(lambda plain: plain.update(authors=[0] * 9000)),
    "spec of packages": spec(lambda plain: plain["environment"].update(packages=["x y"] * 9000)),
    "spec of requirements": spec(lambda plain: plain["environment"].update(requirements=["a==1"] * 9000)),
    "spec of one requirement": spec(lambda plain: plain["environment"].update(requirements=["a" + ",".join([">=1"] * 60_000)])),
    "spec of extras": spec(lambda plain: plain["environment"].update(requirements=["a[" + ",".join(["b"] * 100_000) + "]"])),
    "spec of steps": spec(lambda plain: plain.update(prepare=["standardize"] * 1000)),
    "spec of wrong steps": spec(lambda plain: plain.update(prepare=["x"] * 1000)),
    "spec of many steps": spec(lambda plain: plain.update(prepare=["standardize"] * 9000)),
    "spec of many conversions": spec(lambda plain: plain.update(convert=[{"name": f"a{n}"} for n in range(2400)])),
    "spec of many implementations": spec(lambda plain: plain.update(implement=[{"name": f"a{n}"} for n in range(2400)])),
    "spec of conversions": spec(lambda plain: plain.update(convert=[{"name": f"a{n}"} for n in range(100)])),
    "spec of designs": spec(lambda plain: plain.update(synthesize=[{"toolchain": "open", "name": f"a{n}"} for n in range(100)])),
    "spec of wrong designs": spec(lambda plain: plain.update(synthesize=[{"toolchain": "x"}] * 100)),
    "spec of implementations": spec(lambda plain: plain.update(implement=[{"name": f"a{n}"} for n in range(100)])),
    "spec of sources": spec(lambda plain: plain["data"].update({f"a{n}": {"path": "a", "format": "csv"} for n in range(1500)})),
    "spec of files": spec(lambda plain: plain.update(files=[f"a{n}" for n in range(9000)])),
    "spec of claims": spec(lambda plain: plain.update(claims=plain["claims"] * 150)),
    "spec of searches": spec(lambda plain: plain["model"].update({f"a{n}": {"search": "choice", "of": [1]} for n in range(1200)})),
    "spec of a parameter": spec(lambda plain: plain["model"].update(x=[0.1] * 9000)),
    "spec of keys": spec(lambda plain: plain.update({f"trai{n}": 0 for n in range(4500)})),
    "spec of a long version": spec(lambda plain: plain["data"]["points"].update(path=None, pypi="a==" + "1." * 90_000 + "1", member="a")),
    "spec of an address": spec(lambda plain: plain["data"]["points"].update(path=None, url="http://a/" + "a/" * 100_000)),
    "spec of a long text": spec(lambda plain: plain.update(description="a " * 120_000)),
    "spec of folded lines": entry(SPEC, lambda: filled(" a\n\n", 256 << 10, "title: >\n")),
}


def _tar(name: bytes, mode: int) -> bytes:
    """Pax headers, one after the other, each as long as any is read."""
    block = bytearray(512)
    block[: len(name)] = name
    block[124:135] = b"%011o" % 4096
    block[156:157] = b"x"
    return (bytes(block) + b"9" * 4096) * (LARGE // 4608)


@pytest.mark.parametrize("name", CAPSULES)
def test_capsules(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.capsule.zip"
    path.write_bytes(archive(CAPSULES[name]()))
    imports = "from exseos.capsule.verify import verify\nfrom exseos.capsule.inspect import inspect"
    both = "try:\n    print(verify(sys.argv[1]).problems[:2])\nexcept ExseosError as error:\n    print(error)\ninspect(sys.argv[1])"
    bounded(measure(imports, both, str(path)))


@pytest.mark.parametrize("name", [*REPORTS, *MADE])
def test_reports(tmp_path: Path, name: str) -> None:
    """As large as it is still read, and far larger; a report's reader may find numbers or refuse it. Then what the command makes of it."""
    path = tmp_path / "report"
    imports = "from exseos.readers.collect import collect\nfrom exseos.cli.show_metrics import metrics_json"
    code = "found = collect([Path(sys.argv[1])])\nprint(found.skipped[:1], len(metrics_json(found)))"
    if name in MADE:
        path.write_bytes(MADE[name]()[:LARGEST])
        bounded(measure(imports, code, str(path)))
        return
    head, unit = REPORTS[name]
    counted = max(sum(map(unit.encode().count, PIECES)), sum(map(unit.count, "|+;")))
    most = MOST_PIECES // (counted or 1) * len(unit.encode())
    for size in (min(most, LARGEST), LARGE):
        path.write_bytes(filled(unit, size - 64, head))
        bounded(measure(imports, code, str(path)))
