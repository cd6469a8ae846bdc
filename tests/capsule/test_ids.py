"""One id for a whole experiment: another one for whatever spec, lock or an exact output says otherwise, and for nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.capsule.verify import verify
from exseos.lock import WheelPin
from exseos.records.index import Index
from exseos.records.names import INDEX
from tests.capsule.sample import EVENTS, SPEC, Entries, Sample, opened
from tests.hostile.resealing import archive

Variant = tuple[tuple[str, ...], tuple[tuple[str, str, bytes], ...], bytes, tuple[str, ...]]
SPECS = {
    "title: A sample": "title: Another sample",
    "epochs: 3": "epochs: 30",
    "learning_rate: 0.01": "learning_rate: 0.02",
    "width: 8": "width: 16",
    "clock_ns: 10": "clock_ns: 12.5",
    "absolute: 0.005": "absolute: 0.05",
    "text: It is small": "text: It is tiny",
    "name: sample": "name: simple",
    "target: kind}\nfiles": "target: kind, license: MIT}\nfiles",
}
"""What is written otherwise; the last says something of which no stage knows."""
OUTPUTS = (("prepare", "x_train.npy"), ("train", "model.keras"), ("train", "more.json"), ("synthesize", "rtl/model.v"))
LOCKS: dict[str, dict[str, Any]] = {
    "another day": {"exclude_newer": "2026-01-02T00:00:00Z"},
    "another wheel": {"wheels": (WheelPin(name="numpy", version="2.0", filename="numpy-2.0-py3-none-any.whl", size=7, sha256="3" * 64),)},
}
VARIANTS = st.tuples(
    st.lists(st.sampled_from(sorted(SPECS)), unique=True, max_size=2).map(lambda found: tuple(sorted(found))),
    st.dictionaries(st.sampled_from(OUTPUTS), st.sampled_from([b"one", b"two"]), max_size=2).map(
        lambda found: tuple(sorted((*place, data) for place, data in found.items()))
    ),
    st.sampled_from([EVENTS, EVENTS + b"3,a\n"]),
    st.lists(st.sampled_from(sorted(LOCKS)), unique=True, max_size=1).map(tuple),
)


def entries_of(variant: Variant) -> Entries:
    words, outputs, events, locks = variant
    spec = SPEC
    for word in words:
        assert word in spec
        spec = spec.replace(word, SPECS[word])
    sample = Sample(spec=spec, more={})
    for stage, name, data in outputs:
        sample.outputs[stage][name] = data
    sample.data["events"] = events
    sample.lock = {key: value for lock in locks for key, value in LOCKS[lock].items()}
    return sample.entries()


def id_of(entries: Entries) -> str:
    return Index.parse(entries[INDEX]).id


@settings(max_examples=60, deadline=None)
@given(one=VARIANTS, two=VARIANTS)
def test_another_id_for_all_that_is_said_otherwise_and_for_that_alone(one: Variant, two: Variant) -> None:
    assert (id_of(entries_of(one)) == id_of(entries_of(two))) == (one == two)


@settings(max_examples=20, deadline=None)
@given(variant=VARIANTS)
def test_each_of_them_is_whole(variant: Variant) -> None:
    assert verify(opened(archive(entries_of(variant)))).problems == ()


def test_every_single_difference_counts() -> None:
    plain: Variant = ((), (), EVENTS, ())
    single: list[Variant] = [((word,), (), EVENTS, ()) for word in SPECS]
    single += [((), ((*place, b"one"),), EVENTS, ()) for place in OUTPUTS]
    single += [((), (), EVENTS + b"3,a\n", ()), *[((), (), EVENTS, (lock,)) for lock in LOCKS]]
    ids = [id_of(entries_of(variant)) for variant in [plain, *single]]
    assert len(set(ids)) == len(ids)


def test_what_is_recorded_of_the_run_does_not() -> None:
    """Another verdict on the claims, machine or probe: evidence beside the id."""
    one = Sample(more={})
    two = Sample(more={"attestations/statement.json": b"{}"})
    assert id_of(one.entries()) == id_of(two.entries())
