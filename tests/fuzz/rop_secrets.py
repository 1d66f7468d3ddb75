"""What a delegate may have read, by marks in the subjects of the owner's messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from mapigw.mailbox.content import stored_value
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.entryids import address_book_dn
from mapigw.wire.errors import WireError
from tests.fuzz.rop_actor import FindingError
from tests.fuzz.rop_store import select

_NARROW: Final = re.compile(rb"SECRET(\d{6})")
_WIDE: Final = re.compile(rb"S\0E\0C\0R\0E\0T\0((?:\d\0){6})")


def marks(data: bytes) -> set[int]:
    found = {int(match) for match in _NARROW.findall(data)}
    return found | {int(match.replace(b"\0", b"")) for match in _WIDE.findall(data)}


class Secrets:
    """The marks that a user could read in a mailbox at some moment, whatever became of the messages since."""

    def __init__(self, mailbox: Mailbox, own: Mailbox, legacy_dn: str, initial: Mapping[str, Rights]) -> None:
        self._mailbox = mailbox
        self._own = own
        self._dn = legacy_dn.lower()
        self._initial = initial
        self._allowed: set[int] = set()
        self._seen: dict[tuple[str, int, int], tuple[set[int], bool]] = {}

    async def learn(self) -> None:
        """Note what the user may read now; computed from the rows alone."""
        await self._learn(self._mailbox, everything=False)
        await self._learn(self._own, everything=True)

    async def _learn(self, mailbox: Mailbox, *, everything: bool) -> None:
        key = mailbox.mailbox_id
        async with mailbox.database.snapshot() as connection:
            found = await select(connection, "SELECT folder_id, special FROM folder WHERE mailbox_id = ?", key)
            rights = {row[0]: int(self._initial.get(row[1], Rights(0))) for row in found}
            query = "SELECT folder_id, member_id, legacy_dn, rights FROM permission WHERE mailbox_id = ?"
            rows = await select(connection, query, key)
            rights.update({row[0]: row[3] for row in rows if row[1] == 0})
            rights.update({row[0]: row[3] for row in rows if row[2] == self._dn})
            for table in ("message", "deleted_message"):
                query = f"SELECT message_id, change_number, folder_id FROM {table} WHERE mailbox_id = ?"
                for message_id, change_number, folder_id in await select(connection, query, key):
                    entry = (f"{key} {table}", message_id, change_number)
                    if entry not in self._seen:
                        query = f"SELECT properties, properties_index, children FROM {table}"
                        query += " WHERE mailbox_id = ? AND message_id = ?"
                        (row,) = await select(connection, query, key, message_id)
                        creator = stored_value(row[0], row[1], tags.PidTagCreatorEntryId)
                        self._seen[entry] = marks(row[0]) | marks(row[2]), self._is_mine(creator)
                    said, mine = self._seen[entry]
                    if everything or mine or rights.get(folder_id, 0) & Rights.ReadAny:
                        self._allowed |= said

    def _is_mine(self, creator: object) -> bool:
        try:
            return isinstance(creator, bytes) and address_book_dn(creator).lower() == self._dn
        except WireError:
            return False

    def check(self, received: bytes) -> None:
        """Raises `FindingError` for a mark that was never readable."""
        leaked = marks(received) - self._allowed
        if leaked:
            raise FindingError(f"the delegate got {sorted(leaked)}, which it never had the right to read")
