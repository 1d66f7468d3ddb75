"""How address books show an entry, online and offline (MS-OXOABK 2.2.3)."""

from typing import Final

from mapigw.directory.model import Contact, Entry, Group, MailboxKind, User
from mapigw.wire.entryids import AddressBookObjectType

MAPI_MAILUSER: Final = 6
MAPI_DISTLIST: Final = 8

DTE_FLAG_ACL_CAPABLE: Final = 0x40000000
"""May be granted permissions."""
DT_ROOM: Final = 7
DT_EQUIPMENT: Final = 8
DT_SEC_DISTLIST: Final = 9
_OF_MAILBOXES: Final = {
    MailboxKind.USER: DTE_FLAG_ACL_CAPABLE,
    MailboxKind.SHARED: 0,
    MailboxKind.ROOM: DT_ROOM,
    MailboxKind.EQUIPMENT: DT_EQUIPMENT,
}


def object_type(entry: Entry) -> int:
    """PidTagObjectType (2.2.3.10)."""
    return MAPI_DISTLIST if isinstance(entry, Group) else MAPI_MAILUSER


def display_type(entry: Entry) -> AddressBookObjectType:
    """PidTagDisplayType (2.2.3.11); it stands in entry ids as well."""
    if isinstance(entry, Group):
        return AddressBookObjectType.DistributionList
    if isinstance(entry, Contact):
        return AddressBookObjectType.RemoteMailUser
    return AddressBookObjectType.LocalMailUser


def display_type_ex(entry: Entry) -> int:
    """PidTagDisplayTypeEx (2.2.3.12): a group can be granted permissions, so it is a security group."""
    if isinstance(entry, User):
        return _OF_MAILBOXES[entry.kind]
    return DTE_FLAG_ACL_CAPABLE | DT_SEC_DISTLIST if isinstance(entry, Group) else int(display_type(entry))


def account(entry: Entry) -> str:
    """PidTagAccount (2.2.3.20): as it is stored, else what stands before the @ of the primary address."""
    return entry.details.get("account") or entry.key.partition("@")[0]


def display_name(entry: Entry) -> str:
    """PidTagDisplayName (2.2.3.1), which nobody goes without."""
    return entry.display_name or entry.key


def addresses(entry: Entry) -> tuple[str, ...]:
    """The primary address first; none for a mailbox without one."""
    return (entry.address, *entry.aliases) if entry.address else entry.aliases


def proxy_addresses(entry: Entry) -> list[str]:
    """PidTagAddressBookProxyAddresses (2.2.3.23): the type of the primary address is in capitals."""
    return [
        *(f"SMTP:{entry.address}" for _ in range(bool(entry.address))),
        *(f"smtp:{alias}" for alias in entry.aliases),
        *(f"X500:{dn}" for dn in entry.x500),
    ]


def target_address(entry: Entry) -> str | None:
    """PidTagAddressBookTargetAddress (2.2.3.31): where mail to somebody elsewhere goes."""
    return f"SMTP:{entry.address}" if isinstance(entry, Contact) else None


def send_rich_info(entry: Entry) -> bool:
    """PidTagSendRichInfo (2.2.3.16): whether TNEF is understood, which nobody knows of somebody elsewhere."""
    return not isinstance(entry, Contact)
