"""The two methods that modify the address book: ModProps, ModLinkAtt (MS-OXNSPI 3.1.4.1.14, 3.1.4.1.15).

What a user may change is the membership of a group that the user manages, and the own certificates. Who manages groups
is said in the directory, and so is everything else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any, Final, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from mapigw.directory.editing import Change, Editor
from mapigw.directory.errors import DirectoryError, DuplicateMember, UnknownMember
from mapigw.store.directory_changes import EntryId as DirectoryId
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import AddressBookObjectType
from mapigw.wire.properties import PropertyType, property_id, property_type
from nspi.entryids import EntryId, EphemeralEntryId
from nspi.errors import NspiError
from nspi.handlers.registry import Call, stat_of

DELETE: Final = 0x00000001  # fDelete, 2.2.1.15
MOST_LINKS: Final = 1_000
"""Members that one ModLinkAtt may add or remove: it is one transaction."""

_LINKS: Final = {
    property_id(tags.PidTagAddressBookMember): AddressBookObjectType.DistributionList,
    property_id(tags.PidTagAddressBookPublicDelegates): AddressBookObjectType.LocalMailUser,
}
"""The properties of links that clients may ask to modify, and of which display type."""
_CERTIFICATES: Final = {
    property_id(tags.PidTagUserX509Certificate),
    property_id(tags.PidTagAddressBookX509Certificate),
}


class Changes(Protocol):
    """What is needed of `mapigw.directory.directory.Directory`."""

    def editing(self) -> AbstractAsyncContextManager[Editor]: ...


async def mod_link_att(call: Call, directory: Changes, request: Any) -> None:
    """3.1.4.1.15: members of a group, all of the request or none of it.

    Delegates are kept in the mailbox and not here: what concerns them is GeneralFailure, as in Exchange (section 7,
    note 8).
    """
    modifiable = _LINKS.get(property_id(request.property_tag))
    if modifiable is None:
        raise NspiError(ErrorCode.NotFound)
    entry = call.book.by_minimal_id(request.minimal_id)
    if entry is None:
        raise NspiError(ErrorCode.InvalidParameter)
    if entry.display_type != modifiable:
        raise NspiError(ErrorCode.AccessDenied)
    if entry.group is None:
        raise NspiError(ErrorCode.GeneralFailure)
    if not call.may_change_members(entry):
        raise NspiError(ErrorCode.AccessDenied)
    if len(request.entry_ids or ()) > MOST_LINKS:
        raise NspiError(ErrorCode.OutOfResources)
    members = [_meant(call, entry_id) for entry_id in request.entry_ids or ()]
    with _refusals():
        async with directory.editing() as editor:
            group = await editor.named(entry.source.legacy_dn)
            for member in members:
                await _change_member(editor, group, member, delete=bool(request.flags & DELETE))


def _meant(call: Call, entry_id: EntryId) -> str:
    """The DN of the entry that an entry id names. Raises AccessDenied where nobody is named."""
    if isinstance(entry_id, EphemeralEntryId):
        own = entry_id.provider_uid == call.server_guid
        entry = call.book.by_minimal_id(entry_id.minimal_id) if own else None
    else:
        entry = call.book.by_dn(entry_id.distinguished_name)
    if entry is None:
        raise NspiError(ErrorCode.AccessDenied)
    return entry.source.legacy_dn


async def _change_member(editor: Editor, group: DirectoryId, dn: str, *, delete: bool) -> None:
    """Who is in the group already, or not, stays so."""
    member = await editor.named(dn)
    if delete:
        with suppress(UnknownMember):
            await editor.remove_member(group, member)
    else:
        with suppress(DuplicateMember):
            await editor.add_member(group, member)


async def mod_props(call: Call, directory: Changes, request: Any) -> None:
    """3.1.4.1.14: the own certificates, which both properties show; nothing else of an entry may be changed."""
    entry = call.book.by_minimal_id(stat_of(request).current_rec)
    if request.property_tags is None or entry is None:
        raise NspiError(ErrorCode.InvalidParameter)
    values: list[tuple[int, Any]] = request.property_values or []
    changed = {property_id(tag) for tag in (*request.property_tags, *(tag for tag, _ in values))}
    if entry.source.legacy_dn != call.user.legacy_dn or not changed <= _CERTIFICATES:
        raise NspiError(ErrorCode.AccessDenied)
    if not changed:
        return
    certificates = await asyncio.to_thread(_certificates, values)
    with _refusals():
        async with directory.editing() as editor:
            await editor.change(await editor.named(entry.source.legacy_dn), Change(certificates=certificates))


def _certificates(values: list[tuple[int, Any]]) -> list[bytes]:
    """DER, each once. Raises AccessDenied for what is no list of certificates."""
    found: dict[bytes, None] = {}
    for tag, value in values:
        if property_type(tag) != PropertyType.MULTIPLE_BINARY or value is None or None in value:
            raise NspiError(ErrorCode.AccessDenied)
        for data in value:
            found.update(dict.fromkeys(_der(data)))
    return list(found)


def _der(data: bytes) -> list[bytes]:
    """The certificates of a DER certificate or of a PKCS #7 container, as PidTagUserX509Certificate has."""
    try:
        try:
            certificates = [x509.load_der_x509_certificate(data)]
        except ValueError:
            certificates = pkcs7.load_der_pkcs7_certificates(data)
        return [certificate.public_bytes(Encoding.DER) for certificate in certificates]
    except (ValueError, UnsupportedAlgorithm):
        raise NspiError(ErrorCode.AccessDenied) from None


@contextmanager
def _refusals() -> Iterator[None]:
    """What the directory refuses is AccessDenied (constraints 11 and 8); the transaction has changed nothing."""
    try:
        yield
    except DirectoryError:
        raise NspiError(ErrorCode.AccessDenied) from None


CHANGES: Final[dict[str, Callable[[Call, Changes, Any], Awaitable[None]]]] = {
    "ModLinkAtt": mod_link_att,
    "ModProps": mod_props,
}
"""By request type, as `HANDLERS`; a response has nothing but the error code."""
