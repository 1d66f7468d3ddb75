"""What devices upload in tests."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from mapigw.wire import tags
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.replica import Replica

PHONE = UUID("11111111-0000-0000-0000-000000000001")
LAPTOP = UUID("22222222-0000-0000-0000-000000000002")
FIRST = 133_000_000_000_000_000
LATER = FIRST + 10_000_000


def mail(subject: str) -> dict[int, object]:
    return {
        tags.PidTagMessageClass: "IPM.Note",
        tags.PidTagSubject: subject,
        tags.PidTagNormalizedSubject: subject,
        tags.PidTagBody: f"about {subject}",
    }


async def upload(
    device: Replica,
    folder_id: int,
    subject: str,
    *,
    key: Xid | None = None,
    before: PredecessorChangeList | None = None,
    modified: int = FIRST,
    flags: int = 0,
    more: Mapping[int, object] = MappingProxyType({}),
) -> tuple[int, Xid, PredecessorChangeList]:
    """(ReturnValue, source key, predecessor change list) of a message that the device made or changed."""
    key = key or await device.new_key()
    change = device.next_change()
    predecessors = (before or PredecessorChangeList()).with_change(change)
    collector = await device.collector(folder_id)
    code = await device.import_message(
        collector,
        key,
        {**mail(subject), **more},
        modified=modified,
        change=change,
        predecessors=predecessors,
        flags=flags,
    )
    await device.keep_state(collector, folder_id)
    if not code:
        device.given(folder_id, key.counter)
    return code, key, predecessors
