"""Which function answers which request type, and what it is given."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from mapigw.directory.model import User
from mapigw.wire.codes import ErrorCode
from nspi.address_book import AddressBook, Entry
from nspi.binaries import Binaries
from nspi.containers import CONTAINERS, Table
from nspi.errors import NspiError
from nspi.properties import Format
from nspi.stat import SortType, Stat

DialogTemplate = Callable[[int, int, str | None, int], bytes | None]
"""PidTagTemplateData for (display type, LCID, DN of the template or None, code page); None where there is none."""

MOST_COLUMNS: Final = 2_000
MOST_CELLS: Final = 100_000
"""Values that one response may carry in rows; a client asks again for the rest (MS-OXNSPI 3.1.4.1.8)."""


@dataclass(frozen=True)
class Call:
    """One request being answered: who asks, of which address book, on which server. Nothing here changes."""

    user: User
    book: AddressBook
    server_guid: UUID
    base_url: str
    dialog_template: DialogTemplate
    names: frozenset[str] = frozenset()
    """The DNs, in lower case, of the user and of the user's groups; only where it matters."""
    binaries: Binaries = field(default_factory=Binaries)

    def located(self, stat: Stat) -> Table:
        """The table that ``stat`` names; `NspiError` InvalidBookmark for a container that does not exist."""
        if stat.container_id not in CONTAINERS:
            raise NspiError(ErrorCode.InvalidBookmark)
        return self.table(stat, stat.container_id)

    def table(self, stat: Stat, container_id: int) -> Table:
        """A container in the order that ``stat`` asks for: by display name, unless it is by phonetic name."""
        phonetic = stat.sort_type == SortType.PHONETIC_DISPLAY_NAME
        return self.book.table(container_id, phonetic=phonetic, sort_locale=stat.sort_locale)

    def asking(self) -> Entry | None:
        return self.book.by_dn(self.user.legacy_dn)

    def form(self, stat: Stat, *, ephemeral: bool = False) -> Format:
        return Format(self.server_guid, stat.code_page, ephemeral, self.binaries)

    def may_change_members(self, entry: Entry) -> bool:
        """Whether the user manages the group that ``entry`` is."""
        return entry.group is not None and not self.names.isdisjoint(dn.lower() for dn in entry.group.managers)


Handler = Callable[[Call, Any], dict[str, Any]]
"""(call, parsed request) → the fields of a successful response; raises `NspiError`.

A result without ``error_code`` means Success. Handlers neither wait nor change anything, so that a long search may run
in another thread.
"""

HANDLERS: Final[dict[str, Handler]] = {}


def handles(request_type: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS[request_type] = handler
        return handler

    return register


def stat_of(request: Any) -> Stat:
    """The State field; a request without one means a STAT of zeros."""
    stat: Stat = request.state if request.state is not None else Stat()
    return stat


def echoed(request: Any, stat: Stat) -> Stat | None:
    """The State field of the response: there when the request had one."""
    return stat if request.state is not None else None


def checked_columns(columns: list[int]) -> list[int]:
    if len(columns) > MOST_COLUMNS:
        raise NspiError(ErrorCode.TableTooBig)
    return columns


def most_rows(columns: list[int]) -> int:
    """How many rows of ``columns`` one response may carry; at least one."""
    return max(1, MOST_CELLS // max(1, len(columns)))
