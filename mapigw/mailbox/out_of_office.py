"""Whether a mailbox's owner is out of office, and what senders are told (MS-OXWOOF 2.2.5.2, MS-OXORULE 3.2.4.2)."""

from dataclasses import dataclass, replace
from enum import IntEnum

from mapigw.mailbox.clock import now
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store import automatic_replies
from mapigw.store.automatic_replies import OutOfOfficeRow
from mapigw.store.database import Connection

TEXT_MAXIMUM = 128 << 10
"""Characters of each text."""


class OofState(IntEnum):
    """When the owner is out of office."""

    DISABLED = 0
    ENABLED = 1
    SCHEDULED = 2


class Audience(IntEnum):
    """Who, of those elsewhere, gets the external text."""

    NONE = 0
    KNOWN = 1
    ALL = 2


@dataclass(frozen=True, slots=True)
class OutOfOffice:
    """The settings. Times are FILETIME; texts are HTML, and "" sends nothing."""

    state: OofState = OofState.DISABLED
    start: int = 0
    end: int = 0
    audience: Audience = Audience.ALL
    internal: str = ""
    external: str = ""

    def is_out(self, moment: int) -> bool:
        """Whether the owner is out of office at a FILETIME."""
        return self.state is OofState.ENABLED or (self.state is OofState.SCHEDULED and self.start <= moment < self.end)


async def out_of_office(mailbox: Mailbox) -> OutOfOffice:
    """The settings; those of a mailbox that never had any are off."""
    async with mailbox.database.read() as connection:
        return await read_settings(connection, mailbox)


async def read_settings(connection: Connection, mailbox: Mailbox) -> OutOfOffice:
    """As `out_of_office`, in a transaction."""
    row = await automatic_replies.select_out_of_office(connection, mailbox.mailbox_id)
    if row is None:
        return OutOfOffice()
    return OutOfOffice(OofState(row.state), row.start, row.end, Audience(row.audience), row.internal, row.external)


async def set_out_of_office(mailbox: Mailbox, settings: OutOfOffice) -> None:
    """Store the settings. Whoever was answered is answered anew, as another absence begins (MS-OXORULE 3.2.4.2).

    Raises ValueError for a schedule that ends before it starts and for a text that is too long.
    """
    if settings.state is OofState.SCHEDULED and settings.end <= settings.start:
        raise ValueError("the schedule ends before it starts")
    if max(len(settings.internal), len(settings.external)) > TEXT_MAXIMUM:
        raise ValueError(f"a text has more than {TEXT_MAXIMUM} characters")
    row = OutOfOfficeRow(
        settings.state, settings.start, settings.end, settings.audience, settings.internal, settings.external
    )
    async with mailbox.database.write() as connection:
        before = await read_settings(connection, mailbox)
        await automatic_replies.replace_out_of_office(connection, mailbox.mailbox_id, row)
        absence = (settings.state, settings.start, settings.end)
        if (before.state, before.start, before.end) != absence:
            await automatic_replies.delete_answered(connection, mailbox.mailbox_id)


async def set_state(mailbox: Mailbox, *, is_out: bool) -> None:
    """Let the owner be out of office from now on, or be back; the texts stay."""
    state = OofState.ENABLED if is_out else OofState.DISABLED
    await set_out_of_office(mailbox, replace(await out_of_office(mailbox), state=state))


async def is_out_of_office(mailbox: Mailbox) -> bool:
    """Whether the owner is out of office now: PidTagOutOfOfficeState."""
    return (await out_of_office(mailbox)).is_out(now())
