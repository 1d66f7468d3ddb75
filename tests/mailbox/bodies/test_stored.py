"""Bodies of stored messages: the beginning of the text in tables."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mapigw.mailbox.bodies.rtf_writer import text_to_rtf
from mapigw.mailbox.bodies.stored import CONVERTED_MAXIMUM, PREVIEW_SOURCE, add_plain_bodies, made_body
from mapigw.mailbox.content import BlobValue
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.blobs import MissingBlobError, digest_of
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.properties import PropertyType
from mapigw.wire.rtf_compression import compress


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    database = await Database.open(tmp_path / "data")
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, UUID(int=1))
    yield await Mailboxes(database).open(mailbox_id)
    await database.close()


def blob(mailbox: Mailbox, data: bytes) -> BlobValue:
    digest = digest_of(data)
    mailbox.database.blobs.put({digest: data})
    return BlobValue(digest, len(data), PropertyType.BINARY)


async def test_rows_get_the_beginning_of_the_text(mailbox: Mailbox) -> None:
    document = b"<p>one</p>" + b"<p>more</p>" * 20_000
    rows: list[dict[int, Any]] = [
        {tags.PidTagBody: "plain", tags.PidTagHtml: b"<p>other</p>"},
        {tags.PidTagHtml: b"<p>\xe9</p>", tags.PidTagInternetCodepage: 1252},
        {tags.PidTagHtml: blob(mailbox, document)},
        {tags.PidTagRtfCompressed: compress(text_to_rtf("three"))},
        {tags.PidTagRtfCompressed: blob(mailbox, compress(text_to_rtf("four" * 3000)))},
        {tags.PidTagRtfCompressed: b"damaged"},
        {tags.PidTagHtml: BlobValue(bytes(32), 9000, PropertyType.BINARY)},
        {},
    ]
    await add_plain_bodies(mailbox, rows)
    texts: list[Any] = [row.get(tags.PidTagBody) for row in rows]
    assert texts[:2] == ["plain", "é\r\n"]
    assert texts[2].startswith("one\r\n\r\nmore\r\n")
    assert len(texts[2]) < PREVIEW_SOURCE
    assert texts[3:] == ["three", "four" * 3000, None, None, None]


async def test_a_body_is_made_of_the_best_one(mailbox: Mailbox) -> None:
    properties = {tags.PidTagBody: "alternative", tags.PidTagHtml: blob(mailbox, b"<p>best</p>")}
    assert await made_body(mailbox, properties, tags.PidTagBodyHtml) == "<p>best</p>"
    assert await made_body(mailbox, {}, tags.PidTagBody) is None
    missing = {tags.PidTagHtml: BlobValue(bytes(32), 9000, PropertyType.BINARY)}
    with pytest.raises(MissingBlobError):
        await made_body(mailbox, missing, tags.PidTagBody)


async def test_a_body_that_is_too_large_is_left_alone(mailbox: Mailbox) -> None:
    large = {tags.PidTagHtml: BlobValue(bytes(32), CONVERTED_MAXIMUM + 1, PropertyType.BINARY)}
    assert await made_body(mailbox, large, tags.PidTagBody) is None
