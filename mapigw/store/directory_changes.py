"""Which entries of the directory have changed: what a process that holds the directory in memory has to read anew."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, func, insert, select

from mapigw.store.database import Connection
from mapigw.store.schema import directory_change

KEPT = 50_000
"""So many changes are remembered. Who has seen none of them reads the directory whole."""


class EntryKind(StrEnum):
    USER = "user"
    GROUP = "group"
    CONTACT = "contact"


@dataclass(frozen=True, slots=True, order=True)
class EntryId:
    """Names a row of ``user``, ``group`` or ``contact``."""

    kind: EntryKind
    number: int


async def note(connection: Connection, changed: Iterable[EntryId]) -> None:
    """Remember that these entries are changed, made or removed by this transaction."""
    rows = [{"kind": entry.kind, "entry_id": entry.number} for entry in dict.fromkeys(changed)]
    if rows:
        await connection.execute(insert(directory_change), rows)


async def forget(connection: Connection) -> None:
    """Forget the oldest changes beyond those that are kept."""
    columns = directory_change.c
    newest = select(func.max(columns.change_id)).scalar_subquery()
    await connection.execute(delete(directory_change).where(columns.change_id <= newest - KEPT))


async def latest(connection: Connection) -> int:
    """The number of the latest change; 0 when nothing was ever changed."""
    return int((await connection.execute(select(func.max(directory_change.c.change_id)))).scalar() or 0)


async def since(connection: Connection, seen: int) -> set[EntryId] | None:
    """What has changed after the change ``seen``; None where that is not remembered any more."""
    newest = await latest(connection)
    if seen > newest or newest - seen > KEPT:
        return None
    columns = directory_change.c
    found = await connection.execute(select(columns.kind, columns.entry_id).where(columns.change_id > seen).distinct())
    return {EntryId(EntryKind(kind), number) for kind, number in found}
