"""What LDAP entries, of a server or of an LDIF file, say of people, groups and contacts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from mapigw.directory.attributes import ATTRIBUTES, DETAILS
from mapigw.directory.errors import InvalidAttribute
from mapigw.directory.records import BadRecord, Record, RecordKind

_OTHERS: Final[dict[str, tuple[str, ...]]] = {
    "address": ("mail",),
    "display_name": ("displayName", "cn"),
    "aliases": ("proxyAddresses", "mailAlternateAddress", "mailLocalAddress"),
    "legacy_dn": ("legacyExchangeDN",),
    "hidden": ("msExchHideFromAddressLists",),
    "disabled": ("userAccountControl",),
    "members": ("member", "uniqueMember"),
    "managers": ("managedBy", "owner"),
    "source": ("entryUUID", "objectGUID"),
}
"""What a record has beside the attributes of the address book."""

_ACCOUNTDISABLE: Final = 0x2  # of userAccountControl, MS-ADTS 2.2.16
_GROUP_CLASSES: Final = frozenset({"group", "groupofnames", "groupofuniquenames"})

Values = Mapping[str, Sequence[bytes]]
"""By attribute name in lower case, without options."""


class LdapMapping:
    """Which LDAP attributes are which of ours. ``overrides`` are those of the configuration; none: not read.

    Raises `InvalidAttribute`.
    """

    def __init__(self, overrides: Mapping[str, Sequence[str]] | None = None) -> None:
        names = {name: attribute.ldap for name, attribute in ATTRIBUTES.items() if attribute.ldap} | _OTHERS
        for name, given in (overrides or {}).items():
            if name not in ATTRIBUTES and name not in _OTHERS:
                raise InvalidAttribute(name, "there is no such attribute")
            names[name] = tuple(given)
        self._names = {
            name: tuple(wanted.lower().partition(";")[0] for wanted in given) for name, given in names.items()
        }
        self.requested = sorted({wanted for given in names.values() for wanted in given} | {"objectClass"})
        """What to ask a server for."""

    def record(self, dn: str, values: Values, kind: RecordKind, where: str, *, domain: str, whole: bool) -> Record:
        """The record of an entry. With ``whole``, what the entry does not have is removed from an existing one.

        Raises `BadRecord`.
        """
        proxies = self._texts(values, "aliases")
        address = next(iter(self._texts(values, "address")), "") or _primary(proxies)
        if not address:
            raise BadRecord("it has no mail address")
        record = Record(
            where,
            kind,
            address,
            domain=domain,
            display_name=next(iter(self._texts(values, "display_name")), None),
            reference=reference(dn),
        )
        for name in DETAILS:
            found = self._texts(values, name)
            if found or (whole and self._names.get(name)):
                record.attributes[name] = found if ATTRIBUTES[name].multiple else found[:1]
        aliases = [*_aliases(proxies), *(dn for dn in self._texts(values, "legacy_dn") if dn.startswith("/"))]
        record.proxies = aliases if aliases or whole else None
        record.hidden = self._flag(values, "hidden", whole)
        if control := self._texts(values, "disabled"):
            record.enabled = not (control[0].isdigit() and int(control[0]) & _ACCOUNTDISABLE)
        if photos := self._values(values, "photo"):
            record.photo = photos[0]
        elif whole:
            record.photo = b""
        certificates = list(self._values(values, "certificates"))
        record.certificates = certificates if certificates or whole else None
        if managers := self._texts(values, "manager"):
            record.manager = reference(managers[0])
        elif whole:
            record.manager = ""
        if kind is RecordKind.GROUP:
            record.members = list(map(reference, self._texts(values, "members")))
            record.managers = list(map(reference, self._texts(values, "managers")))
        return record

    def source(self, values: Values) -> str:
        """What stays when the entry is renamed: its entryUUID or objectGUID. Raises `BadRecord`."""
        found = next(iter(self._values(values, "source")), b"")
        try:
            return str(UUID(bytes_le=found) if len(found) == 16 else UUID(found.decode("ascii")))
        except ValueError:
            raise BadRecord("it has neither an entryUUID nor an objectGUID") from None

    def _values(self, values: Values, name: str) -> Sequence[bytes]:
        for wanted in self._names.get(name, ()):
            if found := values.get(wanted):
                return found
        return ()

    def _texts(self, values: Values, name: str) -> list[str]:
        try:
            return [text for value in self._values(values, name) if (text := value.decode().strip())]
        except UnicodeDecodeError:
            raise BadRecord(f"{name} is not UTF-8") from None

    def _flag(self, values: Values, name: str, whole: bool) -> bool | None:
        found = self._texts(values, name)
        return found[0].upper() == "TRUE" if found else False if whole else None


def reference(dn: str) -> str:
    """A DN in a spelling that compares."""
    return ",".join(part.strip() for part in dn.split(",")).lower()


def kind_of(values: Values, other: RecordKind) -> RecordKind:
    """What an entry of a file is, by its object classes."""
    classes = {value.decode("ascii", "replace").lower() for value in values.get("objectclass", ())}
    if classes & _GROUP_CLASSES:
        return RecordKind.GROUP
    return RecordKind.CONTACT if "contact" in classes else other


def lowered(attributes: Mapping[str, Sequence[bytes]], keep: Callable[[bytes], bool] = bool) -> Values:
    """Attributes by their names in lower case; values with options, such as ``;binary``, come first."""
    found: dict[str, list[bytes]] = {}
    for name, values in sorted(attributes.items(), key=lambda item: ";" not in item[0]):
        found.setdefault(name.partition(";")[0].lower(), []).extend(filter(keep, values))
    return found


def _primary(proxies: Sequence[str]) -> str:
    return next((proxy[5:] for proxy in proxies if proxy.startswith("SMTP:")), "")


def _aliases(proxies: Sequence[str]) -> list[str]:
    """Those that are addresses or DNs: Exchange keeps SIP, EUM and others among them."""
    found = []
    for proxy in proxies:
        kind, colon, rest = proxy.partition(":")
        if not colon and "@" in proxy:
            found.append(proxy)
        elif kind.lower() == "smtp" or (kind.lower() == "x500" and rest.startswith("/")):
            found.append(rest)
    return found
