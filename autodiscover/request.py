"""Reads Autodiscover requests (MS-OXDSCLI 2.2.3, MS-ASCMD 2.2.1.1).

What comes in is foreign XML: no document type, so no entities beyond the five of XML; nothing is fetched; the size is
bounded before anything is read, the depth by the parser.
"""

from dataclasses import dataclass
from enum import Enum

from lxml import etree

BODY_LIMIT = 64 * 1024

_NAMESPACE = "http://schemas.microsoft.com/exchange/autodiscover"


class Schema(Enum):
    """What is asked for: the namespaces of the request and of the Response element that answers it."""

    OUTLOOK = (f"{_NAMESPACE}/outlook/requestschema/2006", f"{_NAMESPACE}/outlook/responseschema/2006a")
    MOBILE_SYNC = (f"{_NAMESPACE}/mobilesync/requestschema/2006", f"{_NAMESPACE}/mobilesync/responseschema/2006")

    def __init__(self, request: str, response: str) -> None:
        self.request = request
        self.response = response


@dataclass(frozen=True, slots=True)
class Request:
    """A well-formed request. One of the two names may be empty; the address counts where both are given."""

    schema: Schema
    email_address: str
    legacy_dn: str


class RequestError(Exception):
    """The request is not to be answered; ``schema`` is known once the root element is."""

    def __init__(self, reason: str, schema: Schema | None = None) -> None:
        super().__init__(reason)
        self.schema = schema


class InvalidRequest(RequestError):  # noqa: N818
    """ErrorCode 600: the request was improperly formatted."""


class NoProvider(RequestError):  # noqa: N818
    """ErrorCode 601: nothing here answers in the AcceptableResponseSchema that was asked for."""


def parse(body: bytes) -> Request:
    """Raises `InvalidRequest` or `NoProvider`."""
    root = _root(body)
    schema = next((schema for schema in Schema if root.tag == f"{{{schema.request}}}Autodiscover"), None)
    if schema is None:
        raise InvalidRequest("the root element is not an Autodiscover of a known request schema")
    requests = root.findall(f"{{{schema.request}}}Request")
    if len(requests) != 1:  # MS-ASCMD 2.2.3.150.1
        raise InvalidRequest("there is not exactly one Request", schema)
    email_address = _text(requests[0], schema, "EMailAddress")
    legacy_dn = _text(requests[0], schema, "LegacyDN") if schema is Schema.OUTLOOK else ""
    acceptable = _text(requests[0], schema, "AcceptableResponseSchema")
    if not email_address and not legacy_dn:
        raise InvalidRequest("neither EMailAddress nor LegacyDN is given", schema)
    if not acceptable:
        raise InvalidRequest("AcceptableResponseSchema is missing", schema)
    if acceptable != schema.response:
        raise NoProvider("no provider for the AcceptableResponseSchema", schema)
    return Request(schema, email_address, legacy_dn)


def _root(body: bytes) -> etree._Element:
    if len(body) > BODY_LIMIT:
        raise InvalidRequest(f"the body is longer than {BODY_LIMIT} bytes")
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:  # the latter two: what an encoding can do wrong
        raise InvalidRequest("the body is not well-formed XML") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise InvalidRequest("the body has a document type")
    return root


def _text(request: etree._Element, schema: Schema, name: str) -> str:
    """The text of a child, without outer blanks; empty where the child is missing or has children itself."""
    found = request.findall(f"{{{schema.request}}}{name}")
    if len(found) > 1:
        raise InvalidRequest(f"there is more than one {name}", schema)
    if not found or len(found[0]):
        return ""
    return (found[0].text or "").strip()
