"""Three thousand mutants of a capsule: refused in words, or equal in meaning; never a crash, a long wait or much memory."""

from __future__ import annotations

import collections

from tests.hostile.examination import batches, examine
from tests.hostile.mutation import archive, mutant, original, original_bytes

COUNT = 3000


def test_the_original_is_whole() -> None:
    from io import BytesIO

    from exseos.capsule.verify import verify

    assert verify(BytesIO(original_bytes())).problems == ()
    assert archive(original()) == original_bytes()


def test_a_mutant_is_a_function_of_its_number() -> None:
    assert mutant(1).data == mutant(1).data != mutant(2).data


def test_mutants() -> None:
    """``python -m tests.hostile.mutation 20000`` is the same with more, ``--only NUMBER`` shows one."""
    examined = [one for batch in batches(range(COUNT)) for one in batch]
    faults = [f"mutant {one.number} ({one.what}): {one.fault}" for one in examined if one.fault]
    assert not faults, "\n".join(faults[:10])
    assert len(examined) == COUNT
    # Neither nothing nor everything is taken, and forgers of all kinds get far enough to be judged.
    taken = collections.Counter(one.what.split()[0] for one in examined if one.ok)
    assert 0.05 * COUNT < taken.total() < 0.4 * COUNT
    assert {"_metrics", "_spec_said", "_content", "_evidence", "_attestations"} <= taken.keys()


def test_a_lie_is_a_fault() -> None:
    """The judge of the mutants must be able to find one: a capsule whose index says what spec and outputs do not give."""
    import json

    import rfc8785

    from tests.hostile.meaning import lies
    from tests.hostile.resealing import reidentify

    own = next(data for name, data in original().items() if name.startswith("lock/wheels/"))
    from exseos.digest import sha256_bytes

    assert lies(original(), sha256_bytes(own)) == []
    for change in (
        lambda index: index["metrics"][0].update(value=0.999),
        lambda index: index["claims"][0].update(holds=False),
        lambda index: index["stages"][1]["parameters"]["stream"].update(batch_size=1),
        lambda index: index.update(title="Another"),
    ):
        index = json.loads(original()["capsule.json"])
        change(index)
        forged = reidentify({**original(), "capsule.json": rfc8785.dumps(index) + b"\n"})
        assert lies(forged, sha256_bytes(own))
        del index


def test_what_a_mutant_does_to_the_examiner_is_told() -> None:
    (one,) = examine([3])
    assert one.seconds > 0
    assert one.bytes > 20 << 20
