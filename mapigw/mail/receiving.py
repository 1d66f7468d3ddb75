"""Mail that arrives: parsed beside the event loop, with what is large already in the blob store."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Final

from mapigw.mail.mime import message_from_mime
from mapigw.mail.octets import opened, pieces
from mapigw.mail.values import Values
from mapigw.mailbox.content import BlobValue
from mapigw.mailbox.mailboxes import NewMessage
from mapigw.store.blobs import FolderBlobStore
from mapigw.store.database import Database
from mapigw.store.spool import Spool
from mapigw.wire.properties import PropertyType

MIME_IN_MEMORY: Final = 1 << 20
"""Bytes of a message that `Mailbox.append` may be given as they are."""


async def received(database: Database, source: bytes | Path, *, default_time: datetime | None = None) -> NewMessage:
    """The message that ``source``, Internet mail or a file with it, is: for any mailbox of the database, or for many.

    ``default_time`` (aware) is when a message arrived that does not say so itself; now, if None. Broken mail is never
    refused. Raises OSError when the file cannot be read or the blob store cannot be written.
    """
    return await asyncio.to_thread(read_message, database.blobs, source, default_time)


def read_message(blobs: FolderBlobStore, source: bytes | Path, default_time: datetime | None = None) -> NewMessage:
    """What `received` does, for a worker thread."""
    with opened(source) as raw:
        message = message_from_mime(raw, default_time=default_time, values=Values(blobs))
        if len(raw) <= MIME_IN_MEMORY:
            return NewMessage(message, mime=raw[:])
        kept = Spool(blobs)
        try:
            for piece in pieces(raw, 0, len(raw)):
                kept.write(kept.size, piece)
            return NewMessage(message, mime=BlobValue(kept.keep(), len(raw), PropertyType.BINARY))
        finally:
            kept.close()
