"""The remote operations, one module per chapter of MS-OXCROPS 2.2.3 to 2.2.15; importing this fills the registry."""

from mapigw.wire.rops import (
    fasttransfer,
    folder,
    logon,
    message,
    notification,
    other,
    permission,
    property,  # noqa: A004 - named as the chapter of the specification
    rule,
    stream,
    sync,
    table,
    transport,
)
from mapigw.wire.rops.rop import ROPS, ROPS_BY_NAME, Rop

__all__ = [
    "ROPS",
    "ROPS_BY_NAME",
    "Rop",
    "fasttransfer",
    "folder",
    "logon",
    "message",
    "notification",
    "other",
    "permission",
    "property",
    "rule",
    "stream",
    "sync",
    "table",
    "transport",
]
