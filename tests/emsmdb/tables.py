"""Opening tables, reading their rows and moving their cursors."""

from collections.abc import Mapping, Sequence
from typing import Any

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import Restriction
from tests.emsmdb.client import Client

BEGINNING, CURRENT, END, CUSTOM = 0, 1, 2, 3
ASSOCIATED, DEPTH, DEFERRED_ERRORS, SOFT_DELETES, USE_UNICODE, CONVERSATION_MEMBERS = 2, 4, 8, 0x20, 0x40, 0x80
NO_NOTIFICATIONS, SUPPRESSES_NOTIFICATIONS = 0x10, 0x80
NO_ADVANCE, PACKED = 0x01, 0x02
ASCENDING, DESCENDING, MAXIMUM_CATEGORY = 0, 1, 4


async def hierarchy(client: Client, folder_id: int, *columns: int, flags: int = 0) -> int:
    """The slot of a new hierarchy table."""
    await client.value("OpenFolder", folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    await client.value("GetHierarchyTable", client.last, table_flags=flags)
    if columns:
        await set_columns(client, client.last, *columns)
    return client.last


async def contents(client: Client, folder_id: int, *columns: int, flags: int = 0) -> int:
    """The slot of a new contents table."""
    await client.value("OpenFolder", folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    await client.value("GetContentsTable", client.last, table_flags=flags)
    if columns:
        await set_columns(client, client.last, *columns)
    return client.last


async def set_columns(client: Client, table: int, *columns: int) -> None:
    value = await client.value("SetColumns", table, set_columns_flags=0, property_tags=list(columns))
    assert value.table_status == 0


async def rows(
    client: Client, table: int, columns: Sequence[int], count: int = 100, *, forward: bool = True, flags: int = 0
) -> Any:
    return await client.value(
        "QueryRows", table, columns, query_rows_flags=flags, forward_read=forward, row_count=count
    )


async def subjects(client: Client, table: int, count: int = 100, **how: Any) -> tuple[list[str], int]:
    """The subjects of some rows, and the Origin."""
    value = await rows(client, table, [tags.PidTagSubject], count, **how)
    assert value.row_count == len(value.row_data)
    return [row[0] for row in value.row_data], value.origin


async def all_rows(client: Client, table: int, *columns: int) -> list[Any]:
    """The table from its beginning, whatever the cursor was, under new columns."""
    await set_columns(client, table, *columns)
    await seek(client, table, BEGINNING, 0)
    found: list[Any] = (await rows(client, table, columns, 1000)).row_data
    return found


async def position(client: Client, table: int) -> tuple[int, int]:
    value = await client.value("QueryPosition", table)
    return value.numerator, value.denominator


async def seek(client: Client, table: int, origin: int, count: int, *, want: bool = True) -> tuple[bool, int]:
    value = await client.value("SeekRow", table, origin=origin, row_count=count, want_row_moved_count=want)
    return value.has_sought_less, value.rows_sought


async def restrict(client: Client, table: int, restriction: Restriction | None, flags: int = 0) -> None:
    value = await client.value("Restrict", table, restrict_flags=flags, restriction_data=restriction)
    assert value.table_status == 0


async def sort(client: Client, table: int, *orders: tuple[int, int], categories: int = 0, expanded: int = 0) -> None:
    value = await client.value("SortTable", table, **sorting(*orders, categories=categories, expanded=expanded))
    assert value.table_status == 0


def sorting(*orders: tuple[int, int], categories: int = 0, expanded: int = 0, flags: int = 0) -> dict[str, Any]:
    """The fields of RopSortTable."""
    return {
        "sort_table_flags": flags,
        "category_count": categories,
        "expanded_count": expanded,
        "sort_orders": list(orders),
    }


def finding(restriction: Restriction, origin: int = BEGINNING, *, flags: int = 0, bookmark: bytes = b"") -> Any:
    """The fields of RopFindRow."""
    return {"find_row_flags": flags, "restriction_data": restriction, "origin": origin, "bookmark": bookmark}


async def find(client: Client, table: int, columns: Sequence[int], restriction: Restriction, **how: Any) -> Any:
    return await client.value("FindRow", table, columns, **finding(restriction, **how))


async def bookmark(client: Client, table: int) -> bytes:
    """One of the cursor's row."""
    made: bytes = (await client.value("CreateBookmark", table)).bookmark
    return made


async def fill(mailbox: Mailbox, folder_id: int, count: int, *, is_associated: bool = False) -> list[int]:
    """Messages "0" to the last, which comes first in a table."""
    return await add(
        mailbox,
        folder_id,
        *({tags.PidTagSubject: str(number), tags.PidTagMessageDeliveryTime: 1000 + number} for number in range(count)),
        is_associated=is_associated,
    )


async def add(
    mailbox: Mailbox, folder_id: int, *messages: Mapping[Any, Any], is_associated: bool = False, is_read: bool = False
) -> list[int]:
    """Messages with these properties."""
    items = [
        NewMessage(Message(dict(properties)), is_associated=is_associated, is_read=is_read) for properties in messages
    ]
    return await mailbox.append(folder_id, items)


async def remove(mailbox: Mailbox, *message_ids: int) -> None:
    """What another session's deletion leaves of a table's rows: nothing."""
    async with mailbox.database.write() as connection:
        for message_id in message_ids:
            await connection.exec_driver_sql("DELETE FROM message WHERE message_id = ?", (message_id,))
