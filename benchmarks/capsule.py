"""Time writing and verifying a capsule file against hashlib and zip on the same bytes, in the same run.

    python -m benchmarks.capsule [--smallest] [MIB]   made content: one large file and 2,000 small ones (default 512 MiB)
    python -m benchmarks.capsule CAPSULE              verify only, on a capsule that you have

Every measurement runs in a process of its own, after one that is not counted has warmed the page cache, three times in turn; the best
counts. Memory is the peak resident set of that process, interpreter and imports included. Exit code 1 if a target is missed.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import start
from exseos.archive import ArchiveWriter
from exseos.capsule.verify import verify
from exseos.digest import sha256_file
from exseos.manifest import Entry, Manifest
from exseos.records.index import SEAL, is_sealed

ROUNDS = 3
VERIFY_TARGET = 0.8
MEMORY_TARGET_MIB = 200


def hash_tree(tree: Path, target: Path) -> None:
    """SHA-256 of every file, and nothing else."""
    for name in Manifest.of_tree(tree).as_dict():
        assert name


def hash_file(path: Path, target: Path) -> None:
    """SHA-256 of the file as it lies there."""
    sha256_file(path)


def pack(tree: Path, target: Path) -> None:
    """Write the archive; SHA-256 of every entry comes with it."""
    with ArchiveWriter(target) as writer:
        for path in sorted(
            (path for path in tree.rglob("*") if path.is_file()), key=lambda path: path.relative_to(tree).as_posix().encode()
        ):
            writer.add_file(path.relative_to(tree).as_posix(), path)


def pack_zipfile(tree: Path, target: Path) -> None:
    """Python's zipfile, stored: no digests, no sync to disk."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(tree.rglob("*")):
            archive.write(path, path.relative_to(tree))


def pack_zip(tree: Path, target: Path) -> None:
    """Info-ZIP's zip -0: no digests, no sync to disk."""
    subprocess.run(["zip", "-0", "-q", "-r", str(target), "."], cwd=tree, check=True, timeout=600)


def verify_capsule(path: Path, target: Path) -> None:
    """Everything that `exseos capsule verify` checks."""
    report = verify(path)
    assert report.ok, report.problems[:3]


MEASURED: dict[str, Callable[[Path, Path], None]] = {
    function.__name__: function for function in (hash_tree, hash_file, pack, pack_zipfile, pack_zip, verify_capsule)
}


def measure(name: str, source: Path, folder: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one run in a new process."""
    target = folder / "target.zip"
    target.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.capsule", "--one", name, str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
    seconds, mebibytes = json.loads(done.stdout)
    return seconds, mebibytes


def one(name: str, source: Path, target: Path) -> None:
    """Run one measurement here and print it as JSON."""
    begin = time.perf_counter()
    MEASURED[name](source, target)
    seconds = time.perf_counter() - begin
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps([seconds, int(status["VmHWM"].split()[0]) / 1024]))


def compare(title: str, names: list[str], source: Path, size: int, folder: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Best of some rounds of each; printed as a table, in MB/s and relative to the first."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(rounds + 1):
        for name in names:
            seconds, memory = measure(name, source, folder)
            best[name] = min(best.get(name, (seconds, memory)), (seconds, memory))
    print(f"\n{title}, {size / 1e6:.0f} MB\n{'':16} {'MB/s':>8} {'relative':>9} {'peak MiB':>9}")
    for name in names:
        seconds, memory = best[name]
        print(f"{name:16} {size / 1e6 / seconds:8.0f} {best[names[0]][0] / seconds:9.2f} {memory:9.0f}")
    return best


def make_tree(tree: Path, mebibytes: int) -> None:
    """Content of a capsule: the sample's own entries, a large file and many small ones, sealed."""
    from tests.capsule.sample import Sample

    chance = random.Random(1)
    for name, data in Sample().entries().items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    (tree / "run" / "small").mkdir()
    for number in range(2000):
        (tree / "run" / "small" / f"{number:04}.txt").write_bytes(chance.randbytes(chance.randrange(20_000)))
    block = chance.randbytes(1 << 20)
    with (tree / "run" / "large.bin").open("wb") as stream:
        for number in range(mebibytes):
            stream.write(hashlib.sha256(number.to_bytes(4)).digest() + block[32:])
    entries = (entry for entry in Manifest.of_tree(tree) if is_sealed(entry.path))
    (tree / SEAL).write_text(Manifest.of(Entry(entry.path, entry.sha256) for entry in entries).text)


def main(argument: str | None, smallest: bool) -> int:
    """Measure, print, and say whether the targets are met."""
    argument, rounds = argument or ("4" if smallest else "512"), 0 if smallest else ROUNDS
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        capsule = Path(argument)
        best: dict[str, tuple[float, float]] = {}
        if not capsule.is_file():
            tree, capsule = folder / "tree", folder / "made.capsule.zip"
            tree.mkdir()
            make_tree(tree, int(argument))
            pack(tree, capsule)
            zips = ["pack_zip"] if shutil.which("zip") else []
            best |= compare("pack", ["hash_tree", "pack", "pack_zipfile", *zips], tree, capsule.stat().st_size, folder, rounds)
        best |= compare("verify", ["hash_file", "verify_capsule"], capsule, capsule.stat().st_size, folder, rounds)
    ratio = best["hash_file"][0] / best["verify_capsule"][0]
    memory = max(best[name][1] for name in ("pack", "verify_capsule") if name in best)
    met = ratio >= VERIFY_TARGET and memory < MEMORY_TARGET_MIB
    print(f"\nverify: {ratio:.2f} x hashlib, wanted {VERIFY_TARGET}; peak {memory:.0f} MiB, wanted below {MEMORY_TARGET_MIB}")
    return 0 if met else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        start(main)
