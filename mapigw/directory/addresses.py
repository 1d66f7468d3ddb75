"""The form of addresses and names: what may be stored, and the one spelling in which it is compared."""

import re
import unicodedata

from mapigw.directory.errors import InvalidAddress, InvalidDisplayName

_LOCAL_PART_LIMIT = 64  # octets, RFC 5321 4.5.3.1.1
_DOMAIN_LIMIT = 253  # octets, RFC 1035 2.3.4 without the final dot
_ADDRESS_LIMIT = 254  # octets, RFC 5321 4.5.3.1.3 without the angle brackets
_DISPLAY_NAME_LIMIT = 256  # characters, as PidTagDisplayName is bounded in an address book

# RFC 5322 3.2.3 dot-atom. Quoted local parts exist, but no mail client gets them right; Exchange refuses them too.
_DOT_ATOM = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_UNPRINTABLE = {"Cc", "Cs", "Cn", "Zl", "Zp"}


def canonical_address(address: str) -> str:
    """The address in the spelling in which it is stored: lower case, the domain's labels in ASCII (RFC 5890 A-labels).

    Raises `InvalidAddress` with the reason.
    """
    if any(unicodedata.category(character) in _UNPRINTABLE or character.isspace() for character in address):
        raise InvalidAddress(address, "it contains spaces or control characters")
    if address.count("@") != 1:
        raise InvalidAddress(address, "it needs exactly one @ between name and domain")
    local_part, _, domain = address.partition("@")
    if not local_part.isascii():
        raise InvalidAddress(address, "only ASCII characters can stand before the @")
    local_part = local_part.lower()
    if not _DOT_ATOM.fullmatch(local_part):
        raise InvalidAddress(
            address, "the part before the @ is empty or has characters or dots that do not belong there"
        )
    if len(local_part) > _LOCAL_PART_LIMIT:
        raise InvalidAddress(address, f"the part before the @ is longer than {_LOCAL_PART_LIMIT} characters")
    domain = _canonical_domain(address, domain)
    canonical = f"{local_part}@{domain}"
    if len(canonical) > _ADDRESS_LIMIT:
        raise InvalidAddress(address, f"it is longer than {_ADDRESS_LIMIT} characters")
    return canonical


def _canonical_domain(address: str, domain: str) -> str:
    if not domain.isascii():
        if len(domain) > _DOMAIN_LIMIT:  # the codec takes quadratic time
            raise InvalidAddress(address, f"its domain is longer than {_DOMAIN_LIMIT} characters")
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            raise InvalidAddress(address, "its domain is no valid international domain name") from None
    domain = domain.lower()
    if not _DOMAIN.fullmatch(domain):
        raise InvalidAddress(address, "the part after the @ is not a domain name")
    if len(domain) > _DOMAIN_LIMIT:
        raise InvalidAddress(address, f"its domain is longer than {_DOMAIN_LIMIT} characters")
    return domain


def canonical_domain(domain: str) -> str:
    """The domain in the spelling in which it is stored. Raises `InvalidAddress`."""
    return _canonical_domain(domain, domain.strip())


def lookup_key(address: str) -> str | None:
    """The spelling to look ``address`` up with; None for what cannot be an address of anybody. Never raises."""
    if address.isascii():  # nothing but case to level, the usual case on every request
        return address.lower()
    try:
        return canonical_address(address)
    except InvalidAddress:
        return None


def checked_display_name(name: str, address: str) -> str:
    """The display name to store: ``name`` without outer blanks, or the part before the @ where it is empty.

    Raises `InvalidDisplayName`: the name stands in XML answers, address book rows and mail headers.
    """
    name = name.strip()
    if len(name) > _DISPLAY_NAME_LIMIT:
        raise InvalidDisplayName(f"a display name has at most {_DISPLAY_NAME_LIMIT} characters")
    if any(unicodedata.category(character) in _UNPRINTABLE for character in name):
        raise InvalidDisplayName(f"the display name {name!r} contains control characters")
    return name or address.partition("@")[0]
