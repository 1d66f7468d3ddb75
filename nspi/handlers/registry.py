"""Which function answers which request type, and what it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from mapigw.directory.model import User
from mapigw.wire.codes import ErrorCode
from nspi.address_book import GAL, AddressBook, Container
from nspi.errors import NspiError
from nspi.properties import Format
from nspi.stat import Stat

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

    @property
    def container(self) -> Container:
        """The user's global address list."""
        return self.book.container

    def located(self, stat: Stat) -> Container:
        """The container that ``stat`` names; `NspiError` InvalidBookmark for one that does not exist."""
        if stat.container_id != GAL:
            raise NspiError(ErrorCode.InvalidBookmark)
        return self.container

    def form(self, stat: Stat, *, ephemeral: bool = False) -> Format:
        return Format(self.server_guid, stat.code_page, ephemeral)


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
