"""Queries on mail on its way: what was submitted, what waits for the relay, what receipts are owed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.messages import count_blobs
from mapigw.store.schema import outgoing, outgoing_recipient, sent_twin

NO_MAILBOX: Final = 0
"""What stands for a mailbox id where there is none, and where the blobs of the queue are counted."""
NO_ROW: Final = -1


class Step(IntEnum):
    """What is to be done next with an entry of the queue."""

    SUBMITTED = 0
    """Find its recipients. Until this was done the submission can be aborted."""
    EXPANDED = 1
    """Deliver it to those here, and make its MIME form for the others."""
    RELAY = 2
    """Hand it to the relay."""
    READ_RECEIPT = 3
    """Tell the sender of a message that it was read."""
    NON_READ_RECEIPT = 4
    """Tell the sender of a message that it will not be read."""


class RecipientState(IntEnum):
    PENDING = 0
    DELIVERED = 1
    """It is in the recipient's mailbox."""
    RELAYED = 2
    """The relay has taken it."""
    FAILED = 3
    """It will not be delivered, and the sender has to be told."""
    REPORTED = 4
    """The sender was told: of the failure, or of the delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRow:
    """An entry of the queue. The last four are the message as it was submitted, or empty."""

    outgoing_id: int = 0
    step: int
    mailbox_id: int = NO_MAILBOX
    message_id: int = 0
    target_id: int = 0
    sender: str
    locale: int = 0
    subject: str = ""
    created: int
    due: int
    attempts: int = 0
    warned: bool = False
    copied: bool = False
    digest: bytes | None = None
    size: int = 0
    eight_bit: bool = False
    smtputf8: bool = False
    properties: bytes = b""
    properties_index: bytes = b""
    children: bytes = b""
    children_index: bytes = b""


class RecipientRow(NamedTuple):
    number: int
    address: str
    name: str
    row_id: int = NO_ROW
    mailbox_id: int = NO_MAILBOX
    state: int = RecipientState.PENDING
    status: str = ""
    diagnostic: str = ""


_NAMES: Final = tuple(field.name for field in fields(OutgoingRow))
_CONTENT: Final = ("properties", "properties_index", "children", "children_index")


async def insert_outgoing(
    connection: AsyncConnection, row: OutgoingRow, recipients: Iterable[RecipientRow], uses: Iterable[tuple[bytes, int]]
) -> int:
    """Add an entry, which uses the blobs ``uses``; returns its id."""
    values = {name: getattr(row, name) for name in _NAMES if name != "outgoing_id"}
    key = (await connection.execute(insert(outgoing).values(**values))).inserted_primary_key
    assert key is not None
    await count_blobs(connection, NO_MAILBOX, uses)
    await insert_recipients(connection, int(key[0]), recipients)
    return int(key[0])


async def insert_receipts(
    connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int], *, step: Step, moment: int
) -> None:
    """Owe receipts for messages of a mailbox."""
    rows = [
        OutgoingRow(step=step, mailbox_id=mailbox_id, message_id=message_id, sender="", created=moment, due=moment)
        for message_id in message_ids
    ]
    values = [{name: getattr(row, name) for name in _NAMES if name != "outgoing_id"} for row in rows]
    await connection.execute(insert(outgoing), values)


async def insert_recipients(connection: AsyncConnection, outgoing_id: int, recipients: Iterable[RecipientRow]) -> None:
    rows = [{"outgoing_id": outgoing_id, **row._asdict()} for row in recipients]
    if rows:
        await connection.execute(insert(outgoing_recipient), rows)


async def select_outgoing(connection: AsyncConnection, outgoing_id: int) -> OutgoingRow | None:
    statement = select(*(outgoing.c[name] for name in _NAMES)).where(outgoing.c.outgoing_id == outgoing_id)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else OutgoingRow(**row._mapping)


async def select_due(connection: AsyncConnection, moment: int, limit: int) -> list[tuple[int, int]]:
    """(id, step) of the entries whose next step is due, those first that have been due for longest."""
    statement = (
        select(outgoing.c.outgoing_id, outgoing.c.step)
        .where(outgoing.c.due <= moment)
        .order_by(outgoing.c.due, outgoing.c.outgoing_id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await connection.execute(statement)]


async def next_due(connection: AsyncConnection, after: int) -> int | None:
    """When the first step after a moment is due."""
    statement = select(func.min(outgoing.c.due)).where(outgoing.c.due > after)
    found: int | None = (await connection.execute(statement)).scalar()
    return found


async def select_listing(connection: AsyncConnection, outgoing_id: int | None = None) -> list[OutgoingRow]:
    """All entries, or one, in the order they came, without the messages as they were submitted."""
    names = [name for name in _NAMES if name not in _CONTENT]
    statement = select(*(outgoing.c[name] for name in names)).order_by(outgoing.c.outgoing_id)
    if outgoing_id is not None:
        statement = statement.where(outgoing.c.outgoing_id == outgoing_id)
    return [OutgoingRow(**row._mapping) for row in await connection.execute(statement)]


async def select_recipients(connection: AsyncConnection, outgoing_id: int) -> list[RecipientRow]:
    columns = (outgoing_recipient.c[name] for name in RecipientRow._fields)
    statement = select(*columns).where(outgoing_recipient.c.outgoing_id == outgoing_id)
    rows = await connection.execute(statement.order_by(outgoing_recipient.c.number))
    return [RecipientRow._make(row) for row in rows]


async def select_pending(connection: AsyncConnection) -> dict[int, list[str]]:
    """The addresses of recipients that wait, by entry."""
    statement = select(outgoing_recipient.c.outgoing_id, outgoing_recipient.c.address).where(
        outgoing_recipient.c.state == RecipientState.PENDING
    )
    found: dict[int, list[str]] = {}
    for outgoing_id, address in await connection.execute(
        statement.order_by(outgoing_recipient.c.outgoing_id, outgoing_recipient.c.number)
    ):
        found.setdefault(outgoing_id, []).append(address)
    return found


async def select_submission(connection: AsyncConnection, mailbox_id: int, message_id: int) -> tuple[int, int] | None:
    """(id, step) of the entry of a message that was submitted and still has to be sent."""
    steps = (Step.SUBMITTED, Step.EXPANDED)
    statement = select(outgoing.c.outgoing_id, outgoing.c.step).where(
        outgoing.c.mailbox_id == mailbox_id, outgoing.c.message_id == message_id, outgoing.c.step.in_(steps)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else (row[0], row[1])


async def update_outgoing(connection: AsyncConnection, outgoing_id: int, **values: Any) -> None:
    await connection.execute(update(outgoing).where(outgoing.c.outgoing_id == outgoing_id).values(**values))


async def update_recipients(
    connection: AsyncConnection, outgoing_id: int, numbers: Sequence[int], **values: Any
) -> None:
    """Set columns of some of an entry's recipients."""
    for start in range(0, len(numbers), 500):
        await connection.execute(
            update(outgoing_recipient)
            .where(
                outgoing_recipient.c.outgoing_id == outgoing_id,
                outgoing_recipient.c.number.in_(list(numbers[start : start + 500])),
            )
            .values(**values)
        )


async def delete_outgoing(connection: AsyncConnection, outgoing_id: int) -> bool:
    """Remove an entry with its recipients; the blobs it uses are the caller's. Returns whether it was there."""
    await connection.execute(delete(outgoing_recipient).where(outgoing_recipient.c.outgoing_id == outgoing_id))
    result = await connection.execute(delete(outgoing).where(outgoing.c.outgoing_id == outgoing_id))
    return result.rowcount > 0


async def insert_twin(connection: AsyncConnection, mailbox_id: int, message_id: int) -> bool:
    """Remember that a client has sent a message under this id; returns whether that is new."""
    statement = upsert(sent_twin).values(mailbox_id=mailbox_id, message_id=message_id).on_conflict_do_nothing()
    return (await connection.execute(statement)).rowcount > 0
