"""What a capsule says, against what it must follow from: the index from spec, lock and outputs, the lock from the spec."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from exseos import __version__
from exseos.capsule.claims import record_of
from exseos.digest import sha256_bytes
from exseos.errors import CapsuleError, ExseosError
from exseos.image.archive import read_config
from exseos.image.wheel import wheel_bytes
from exseos.lock import STAND_IN, STAND_IN_VERSION, Lock, parse_lock
from exseos.manifest import Entry, Manifest
from exseos.records.capsule import Capsule
from exseos.records.index import Index
from exseos.records.metrics import parse_metrics
from exseos.records.names import IMAGE_CONFIG, INDEX, LOCK, METRICS_FILE, PYLOCK, README, SPEC, WHEELS
from exseos.records.parts import MetricRecord, StageRecord
from exseos.records.readme import render
from exseos.resolve.check import check_parts
from exseos.resolve.fit import misfit
from exseos.spec import Spec, parse_spec
from exseos.spec.models import Experiment
from exseos.stages import KINDS
from exseos.study.plan import TRIAL, StagePlan, differences, plan, restored
from exseos.study.vendor import described
from exseos.text import visible, without_hidden

Add = Callable[[str, str], None]
"""Told of a problem: the entry, and what is wrong with it."""


@dataclass(frozen=True)
class Content:
    """What a whole capsule holds."""

    index: Index
    spec: Spec
    experiment: Experiment
    lock: Lock
    plans: Mapping[str, StagePlan]
    """Stage → what runs it: the spec's plan with the parameters that the capsule recorded."""
    notes: tuple[str, ...]
    foreign_readme: bool
    """Whether its README is not what this version makes of the index, so that nothing stands behind what it says."""


def check_content(capsule: Capsule, add: Add) -> Content | None:
    """Check an open capsule whose entries are those of its lists; ``add`` hears of each problem."""
    try:
        text = capsule.text(SPEC).decode()
        spec = parse_spec(text, Path("spec.yaml"), check_parts, searchable=False)
        experiment = spec.experiment()
    except (ExseosError, UnicodeDecodeError) as error:
        add(SPEC, error.what if isinstance(error, ExseosError) else f"not UTF-8 text (byte {error.start})")
        return None
    try:
        lock = parse_lock(capsule.text(LOCK), capsule.text(PYLOCK), LOCK)
    except ExseosError as error:
        add(error.where or LOCK, error.what)
        return None
    return _Check(capsule, spec, experiment, lock, add).run()


class _Check:
    def __init__(self, capsule: Capsule, spec: Spec, experiment: Experiment, lock: Lock, add: Add) -> None:
        self.capsule, self.spec, self.experiment, self.lock = capsule, spec, experiment, lock
        self.index = capsule.index
        self.add = add
        self.notes: list[str] = []
        self.plans: dict[str, StagePlan] = {}
        self.foreign_readme = False

    def run(self) -> Content:
        for what in misfit(self.lock, self.experiment):
            self.add(LOCK, what)
        self._files()
        self._head()
        if self._stages():
            self._claims()
            self._metrics([metric for record in self.index.stages for metric in self._outputs(record)])
            self._data()
        self._readme()
        if any(name.startswith("attestations/") for name in self.capsule.names):
            self.notes.append("the files below attestations/ are statements of somebody; this version does not check them")
        return Content(self.index, self.spec, self.experiment, self.lock, self.plans, tuple(self.notes), self.foreign_readme)

    @cached_property
    def _made_by_this(self) -> bool:
        """Whether this very version made it, which then must have written just what this version writes."""
        pin = self.lock.exseos
        return pin is not None and pin.sha256 == sha256_bytes(wheel_bytes())

    def _follows(self, where: str, what: str, *, said: bool) -> None:
        """A difference from what this version makes of the spec: a problem if the spec ``said`` so itself or this version made it."""
        if said or self._made_by_this:
            self.add(where, what)
        else:
            self.notes.append(f"{where}: {what}; the spec does not say, and another version made the capsule")

    def _files(self) -> None:
        """``spec/`` and ``lock/`` hold exactly what spec and lock name."""
        files = {SPEC, *(f"spec/{name}" for name in self.experiment.user_files)}
        wheel = {} if self.lock.exseos is None else {f"{WHEELS}{self.lock.exseos.filename}": self.lock.exseos.sha256}
        locked = {LOCK, PYLOCK, IMAGE_CONFIG, *wheel}
        for room, named in (("spec/", files), ("lock/", locked)):
            there = {name for name in self.capsule.names if name.startswith(room)}
            for name in there - named:
                self.add(name, f"neither {'the spec' if room == 'spec/' else 'the lock'} nor this format names it: it was added")
            for name in named - there:
                self.add(name, "missing")
        for name, sha256 in wheel.items():
            if self.capsule.manifest.get(name, sha256) != sha256:
                self.add(name, "it is not the wheel that the lock pins")
        try:
            read_config(self.capsule.text(IMAGE_CONFIG), IMAGE_CONFIG)
        except CapsuleError as error:
            self.add(IMAGE_CONFIG, error.what)

    def _head(self) -> None:
        index, experiment = self.index, self.experiment
        for what, found, wanted, key in (
            ("name", index.name, experiment.name, "name"),
            ("title", index.title, experiment.title, "title"),
            ("licence", index.licence, experiment.license, "license"),
        ):
            if found != wanted:
                problem = f"the {what} is {visible(found)!r}, and the spec gives {visible(wanted)!r}"
                self._follows(INDEX, problem, said=key in experiment.model_fields_set)
        if self.lock.exseos is not None and index.made_with != self.lock.exseos.version:
            self.add(INDEX, f"it was made with exseos {visible(index.made_with)}, and the lock pins {self.lock.exseos.version}")
        if self._made_by_this and index.made_with != __version__:
            self.add(INDEX, f"it was made with exseos {visible(index.made_with)}, and its wheel is that of {__version__}")
        if [(trial.name, trial.values) for trial in index.trials] != [(TRIAL, {})]:
            self.add(INDEX, f"its trials are not the one of a spec without searches, {TRIAL}")
        able = [one.name for one in plan(experiment) if one.declared.numerics]
        probed = [probe.stage for probe in index.probes]
        if probed != [name for name in able if name in probed]:
            self.add(INDEX, "its numerics probes are not those of distinct stages that have one, in their order")

    def _stages(self) -> bool:
        """Each stage is the one that the spec plans; whether all are there."""
        plans, explicit = plan(self.experiment), plan(self.experiment, explicit=True)
        names = [record.stage for record in self.index.stages]
        if names != [one.name for one in plans]:
            self.add(INDEX, f"its stages are {', '.join(names) or 'none'}, and the spec plans {', '.join(one.name for one in plans)}")
            return False
        for record, planned, said in zip(self.index.stages, plans, explicit, strict=True):
            self._stage(record, planned, said)
        return all(record.location == self.plans[record.stage].location for record in self.index.stages)

    @cached_property
    def _files_digest(self) -> str:
        """Of the list of the author's files."""
        there = {name: sha256 for name, sha256 in self.capsule.manifest.items() if name.startswith("spec/") and name != SPEC}
        return Manifest.of(Entry(name.removeprefix("spec/"), sha256) for name, sha256 in there.items()).digest

    def _stage(self, record: StageRecord, planned: StagePlan, said: StagePlan) -> None:
        pins = {pin.name: pin for pin in self.lock.toolchains}
        pin = None if planned.exact else pins.get(planned.toolchain or "")
        wanted = {
            "trial": TRIAL,
            "kind": planned.kind,
            "exact": planned.exact,
            "location": planned.location,
            "inputs": sorted(planned.inputs.items()),
            "data": [(name, self.lock.data[name].sha256) for name in planned.data if name in self.lock.data],
            "files": self._files_digest if planned.declared.user_code else None,
            "toolchain": planned.fingerprint({name: pin.fingerprint for name, pin in pins.items()}),
            "needs": None if pin is None else described(pin),
        }
        found = {
            **record.model_dump(include={"trial", "kind", "exact", "location", "files", "toolchain", "needs"}),
            "inputs": [(one.name, one.stage) for one in record.inputs],
            "data": [(one.name, one.sha256) for one in record.data],
        }
        label = f"stage {record.stage}"
        for key, value in wanted.items():
            if found[key] != value:
                self.add(INDEX, f"{label}: its {key} is {visible(found[key])}, and spec and lock give {visible(value)}")
        if record.seed != self.experiment.seed:
            what = f"{label}: its seed is {record.seed}, and the spec gives {self.experiment.seed}"
            self._follows(INDEX, what, said="seed" in self.experiment.model_fields_set)
        for place, explicit in differences(said.parameters, record.parameters, planned.parameters):
            self._follows(INDEX, f"{label}: its parameter {visible(place)} is not what the spec gives", said=explicit)
        self.plans[record.stage] = replace(planned, parameters=restored(record.parameters, planned.parameters))

    def _claims(self) -> None:
        wanted = []
        for claim in self.experiment.claims:
            trial = TRIAL if claim.trial == "best" else claim.trial
            record = record_of(claim, trial, None)
            measured = self.index.measured(record)
            wanted.append(record_of(claim, trial, measured[0].value if len(measured) == 1 else None))
            if len(measured) != 1:
                self.add(INDEX, f"claim {visible(claim.text)!r}: {len(measured)} metrics of the index are what it is about")
        if list(self.index.claims) != wanted:
            self.add(INDEX, "its claims are not those of the spec, in their order")

    def _readme(self) -> None:
        text = self.capsule.text(README)
        if text != render(self.index).encode():
            if not _is_seen(text):
                self.add(README, "it is no text, or holds characters that are not seen")
            what = "it is not what the index renders to"
            if self._made_by_this:
                self.add(README, what)
            else:
                self.foreign_readme = True
                self.notes.append(f"{README}: {what} in this version, and another made the capsule: go by `inspect`")

    def _outputs(self, record: StageRecord) -> list[MetricRecord]:
        """The metrics of a stage; its outputs are what its digest stands for, and it may measure what it measured."""
        outputs = self.capsule.outputs(record)
        label = f"stage {record.stage} of {record.trial}"
        if outputs.digest != record.outputs_digest:
            self.add(INDEX, f"{label}: the entries below {record.location}/ do not give its outputs_digest")
        if record.listing is not None:
            text = Manifest.of(Entry(f"{record.location}/{one.path}", one.sha256) for one in outputs).text
            if self.capsule.manifest.get(record.listing) != sha256_bytes(text.encode()):
                self.add(record.listing, f"it is not the list of what {label} gave")
        name = f"{record.location}/{METRICS_FILE}"
        try:
            own = parse_metrics(self.capsule.text(name), name) if name in self.capsule else []
        except CapsuleError as error:
            self.add(name, error.what)
            return []
        stand_in = STAND_IN in (record.needs or "")
        for metric in own:
            # Else the author's own code could write any number and claim it.
            if record.kind not in KINDS or not KINDS[record.kind].may_measure(metric.level):
                self.add(name, f"metric {visible(metric.name)} has the level {metric.level}, which no stage {record.kind} measures")
            if not record.exact and metric.version.endswith(STAND_IN_VERSION) != stand_in:
                self.add(INDEX, f"metric {visible(metric.name)} of {label} does not say whether the tool was a stand-in")
        return [MetricRecord.of(metric, record.trial, record.stage) for metric in own]

    def _metrics(self, measured: list[MetricRecord]) -> None:
        pairs = zip_longest(self.index.metrics, measured)
        if differing := next((one or two for one, two in pairs if one != two), None):
            label = f"stage {visible(differing.stage)} of {visible(differing.trial)}"
            self.add(INDEX, f"the metrics of {label} are not those of its {METRICS_FILE}, in the order of the stages")

    def _data(self) -> None:
        """Entries of ``results/``, ``run/`` and ``data/`` are outputs of a stage, a list of them, or what the lock pins."""
        places = {record.location for record in self.index.stages}
        lists = {record.listing for record in self.index.stages}
        own = {"run/host.json", "run/stages.json", *lists}
        for name in self.capsule.names:
            if name.startswith(("results/", "run/")) and not _below(name, places) and name not in own:
                self.add(name, "no stage of the index gave it")
        pinned = {f"data/{name}/{pin.filename}": (pin.sha256, pin.size) for name, pin in self.lock.data.items()}
        for one in self.index.optional:
            if not _below(one.name, places) and pinned.get(one.name) != (one.sha256, one.size):
                self.add(one.name, "the index has it with a digest or size that neither the lock nor a stage gives")
        for name in pinned.keys() - {one.name for one in self.index.optional}:
            self.add(name, "the lock pins it, and the index does not list it")


def _below(name: str, locations: Container[str]) -> bool:
    """Whether an entry is an output of a stage: locations have three parts."""
    *location, rest = name.split("/", 3)
    return bool(rest) and "/".join(location) in locations


def _is_seen(text: bytes) -> bool:
    try:
        lines = text.decode().replace("\n", "")
    except UnicodeDecodeError:
        return False
    return without_hidden(lines) == lines
