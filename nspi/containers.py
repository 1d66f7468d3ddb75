"""The containers of the address book: which lists there are, what is in each, and in which order (MS-OXOABK 2.2.2)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final
from uuid import UUID, uuid5

from mapigw.directory.model import Contact, Group, MailboxKind, User
from mapigw.directory.model import Entry as Source
from nspi.collation import collation_key, folded
from nspi.index import Order

AB_RECIPIENTS: Final = 0x00000001  # PidTagContainerFlags, MS-OXOABK 2.2.2.1
AB_SUBCONTAINERS: Final = 0x00000002
AB_UNMODIFIABLE: Final = 0x00000008
AB_CONF_ROOMS: Final = 0x00000200

GAL: Final = 0
"""The container id of the Global Address List (MS-OXOABK 2.2.2.3)."""
GAL_DN: Final = "/"  # gal-addrlist-dn, MS-OXOABK 2.2.1.1

_NAMESPACE: Final = UUID("0e3a4f0b-6c9e-4a55-9d0c-3f6f4a1b7a52")
_LIST: Final = AB_RECIPIENTS | AB_UNMODIFIABLE


@dataclass(frozen=True, slots=True)
class Container:
    """One address list, or the one that stands above the others."""

    container_id: int
    """PidTagAddressBookContainerId: a Minimal Entry ID that no entry has; the same in every session."""
    name: str
    holds: Callable[[Source], bool]
    flags: int = _LIST
    parent: int | None = None

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else 1

    def dn(self, domain: str) -> str:
        """The same for ever: it is in permanent entry ids, and each domain has lists of its own."""
        if self.container_id == GAL:
            return GAL_DN
        return f"/guid={uuid5(_NAMESPACE, f'{self.name}@{domain}').hex.upper()}"


_ALL_LISTS: Final = 0x10

CONTAINERS: Final = {
    container.container_id: container
    for container in (
        Container(GAL, "Global Address List", lambda source: True),
        Container(_ALL_LISTS, "All Address Lists", lambda source: False, AB_SUBCONTAINERS | AB_UNMODIFIABLE),
        Container(0x11, "All Contacts", lambda source: isinstance(source, Contact), parent=_ALL_LISTS),
        Container(0x12, "All Groups", lambda source: isinstance(source, Group), parent=_ALL_LISTS),
        Container(
            0x13,
            "All Rooms",
            lambda source: isinstance(source, User) and source.kind == MailboxKind.ROOM,
            _LIST | AB_CONF_ROOMS,
            parent=_ALL_LISTS,
        ),
        Container(0x14, "All Users", lambda source: isinstance(source, User), parent=_ALL_LISTS),
        # No public folder has an address: the list is there, as everywhere, and empty.
        Container(0x15, "Public Folders", lambda source: False, parent=_ALL_LISTS),
    )
}
"""By their ids, in the order of the hierarchy table: below each container its own."""


class Table:
    """The rows of a container in one order; a row is a slot, the number of an entry in its address book.

    ``are_sorted``: the order is that of the slots, which are given so.
    """

    def __init__(
        self, slots: Iterable[int], name: Callable[[int], str], minimal_id: Callable[[int], int], language: int = 0,
        *, are_sorted: bool = False,
    ) -> None:  # fmt: skip
        self._language = language
        self._is_by_slot = are_sorted

        def key(slot: int) -> Any:
            return collation_key(name(slot), language), minimal_id(slot)

        self._key = key
        self._order = Order(slots, key, are_sorted=are_sorted)

    def __len__(self) -> int:
        return len(self._order)

    def slots(self, start: int = 0, stop: int | None = None) -> list[int]:
        """Those of the rows from ``start`` on, before ``stop``."""
        return list(self._order.numbers[start:stop])

    def position(self, slot: int) -> int | None:
        """The row of an entry; None where it is not in the container."""
        position = self._order.first(self._key(slot))
        return position if position < len(self) and self._order.numbers[position] == slot else None

    def seek(self, name: str) -> int:
        """The first row whose name is equal to or after ``name``; the length: there is none."""
        return self._order.first((collation_key(name, self._language),))

    def is_before(self, slot: int, name: str) -> bool:
        """Whether an entry, of this container or not, comes before ``name``."""
        return bool(self._key(slot) < (collation_key(name, self._language),))

    def sorted(self, slots: Iterable[int]) -> list[int]:
        """Slots of entries, of this container or not, in its order."""
        return sorted(slots, key=None if self._is_by_slot else self._key)

    def named(self, name: str) -> list[int]:
        """Slots of those with this name, whole, but for case and accents."""
        wanted = folded(name)
        first = self._order.first(((wanted,),))
        return list(takewhile(lambda slot: self._key(slot)[0][0] == wanted, self._order.numbers[first : first + 1000]))
