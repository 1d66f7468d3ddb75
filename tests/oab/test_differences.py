import io
import random
from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapigw.directory.model import User
from mapigw.wire.errors import WireError
from oab.differences import write_patch
from oab.generation import write_details
from oab.wire import patch
from oab.wire.patch import PatchHeader
from tests.oab.directory import user

GUID = UUID(int=7)


def _details(users: Sequence[User], sequence: int = 1) -> bytes:
    out = io.BytesIO()
    write_details(out, GUID, sequence, users)
    return out.getvalue()


def _patched(old: bytes, new: bytes, block_size: int = 0x40000) -> bytes | None:
    """The differential file, after it has been seen to make ``new`` of ``old``."""
    made = io.BytesIO()
    if not write_patch(old, new, made, block_size=block_size):
        return None
    target = io.BytesIO()
    made.seek(0)
    assert patch.apply(made, io.BytesIO(old), target) == len(new)
    assert target.getvalue() == new
    return made.getvalue()


def test_the_header_names_source_and_target() -> None:
    """MS-OXOAB 2.10.1: version 3.2, sizes, and CRCs that are the ulSerial of both files."""
    old, new = _details([user(1)]), _details([user(1), user(2)], 2)
    made = _patched(old, new)
    assert made
    head = PatchHeader.parse(made[:28])
    assert (head.version_hi, head.version_lo, head.source_size, head.target_size) == (3, 2, len(old), len(new))
    assert (head.source_crc, head.target_crc) == (
        int.from_bytes(old[4:8], "little"),
        int.from_bytes(new[4:8], "little"),
    )


def test_one_changed_entry_among_many_costs_little() -> None:
    people = [user(number) for number in range(5000)]
    old = _details(people)
    people[2500] = user(2500, "Somebody Else")
    new = _details(people, 2)
    made = _patched(old, new)
    assert made
    assert len(made) < 2000
    assert len(new) > 1_000_000


def test_a_list_that_is_another_has_no_differential_file() -> None:
    old = _details([user(number) for number in range(3000)])
    new = _details([user(number) for number in range(5000, 9000)], 2)
    assert not write_patch(old, new, io.BytesIO())


@pytest.mark.parametrize("removed", [range(100, 1900), range(1900), range(100, 2000), range(0, 2000, 2)])
def test_many_removed_entries_leave_no_block_empty(removed: range) -> None:
    people = [user(number) for number in range(2000)]
    gone = set(removed)
    old, new = _details(people), _details([item for item in people if item.user_id not in gone], 2)
    made = _patched(old, new, 0x2000)
    assert made is None or len(made) < len(new) + 0x2000


@settings(deadline=None)  # the machine may be busy
@given(st.randoms(use_true_random=False), st.sampled_from((64, 1000, 0x40000)))
def test_any_two_lists(chance: random.Random, block_size: int) -> None:
    people = [user(number, "x" * chance.randrange(1, 200)) for number in range(chance.randrange(1, 40))]
    later = [person for person in people if chance.random() < 0.8]
    for _ in range(chance.randrange(4)):
        later.insert(chance.randrange(len(later) + 1), user(chance.randrange(100, 200), "new"))
    if chance.random() < 0.3:
        chance.shuffle(later)
    _patched(_details(people), _details(later, 2), block_size)


def test_a_patch_for_another_file_is_refused() -> None:
    old, new = _details([user(1)]), _details([user(2)], 2)
    made = _patched(old, new)
    assert made
    with pytest.raises(WireError, match="another source"):
        patch.apply(io.BytesIO(made), io.BytesIO(new), io.BytesIO())


@settings(deadline=None)
@given(st.data())
def test_a_damaged_patch_never_makes_another_file(data: st.DataObject) -> None:
    old = _details([user(number) for number in range(20)])
    new = _details([user(number) for number in range(5, 25)], 2)
    made = io.BytesIO()
    assert write_patch(old, new, made)
    damaged = bytearray(made.getvalue())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    target = io.BytesIO()
    try:
        patch.apply(io.BytesIO(bytes(damaged)), io.BytesIO(old), target)
    except WireError:
        return
    assert target.getvalue() == new
