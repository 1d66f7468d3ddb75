"""Autodiscover as a new profile asks it (MS-OXDSCLI 2.2, 3.2.5)."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

from tests.outlook.http import Web
from tests.outlook.reader import ViolationError

REQUEST_NAMESPACE = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
RESPONSE_NAMESPACE = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
ENVELOPE_NAMESPACE = "{http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006}"


@dataclass(frozen=True, slots=True)
class Account:
    """What a profile needs of the answer."""

    display_name: str
    legacy_dn: str
    address: str
    deployment_id: str
    mail_store_url: str
    address_book_url: str
    alternative_mailboxes: list[str] = field(default_factory=list)
    oab_url: str = ""


def request_body(address: str, schema: str = RESPONSE_NAMESPACE[1:-1]) -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="{REQUEST_NAMESPACE}"><Request>'
        f"<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>{schema}</AcceptableResponseSchema>"
        f"</Request></Autodiscover>"
    ).encode()


def discover(web: Web, path: str = "/autodiscover/autodiscover.xml") -> Account:
    """POST without credentials, be refused, POST with them."""
    headers = {
        "Content-Type": "text/xml; charset=utf-8",
        "X-MapiHttpCapability": "1",
        "X-AnchorMailbox": web.address,
    }
    body = request_body(web.address)
    refused = web.send("POST", path, body, headers, authenticated=False)
    if refused.status != 401 or not refused.headers.get("WWW-Authenticate", "").lower().startswith("basic "):
        raise ViolationError("MS-OXDSCLI 3.2.5", f"without credentials: HTTP {refused.status}")
    answer = web.send("POST", path, body, headers)
    if answer.status != 200:
        raise ViolationError("MS-OXDSCLI 3.2.5", f"HTTP {answer.status} for {web.address}")
    if answer.headers.get_content_type() not in ("text/xml", "application/xml"):
        raise ViolationError("MS-OXDSCLI 2.2.4", f"Content-Type {answer.headers.get('Content-Type')}")
    return parse(answer.body)


def parse(body: bytes) -> Account:
    root = ET.fromstring(body)
    if root.tag != f"{ENVELOPE_NAMESPACE}Autodiscover":
        raise ViolationError("MS-OXDSCLI 2.2.4.1", f"root element {root.tag}")
    error = root.find(".//{*}Error")
    if error is not None:
        raise ViolationError("MS-OXDSCLI 2.2.4.1.1.1", f"Error {ET.tostring(error).decode()}")
    response = root.find(f"{RESPONSE_NAMESPACE}Response")
    if response is None:
        raise ViolationError("MS-OXDSCLI 2.2.4.1.1", "no Response element")

    def text(path: str, parent: ET.Element = response) -> str:
        found = parent.findtext("/".join(RESPONSE_NAMESPACE + name for name in path.split("/")))
        if not found:
            raise ViolationError("MS-OXDSCLI 2.2.4.1.1.2", f"{path} is missing or empty")
        return found

    for path, expected in (("Account/AccountType", "email"), ("Account/Action", "settings")):
        if text(path) != expected:
            raise ViolationError("MS-OXDSCLI 2.2.4.1.1.2.2", f"{path} {text(path)}")
    protocols = response.findall(f"{RESPONSE_NAMESPACE}Account/{RESPONSE_NAMESPACE}Protocol")
    kinds = [item.get("Type") or item.findtext(f"{RESPONSE_NAMESPACE}Type") for item in protocols]
    if "EXCH" in kinds or "EXPR" in kinds:
        raise ViolationError("MS-OXDSCLI 3.2.5.1", f"{kinds} for a client with X-MapiHttpCapability")
    try:
        mapi = protocols[kinds.index("mapiHttp")]
    except ValueError:
        raise ViolationError("MS-OXDSCLI 3.2.5.1", f"no mapiHttp among {kinds}") from None
    if mapi.get("Version") != "1":
        raise ViolationError("MS-OXDSCLI 2.2.4.1.1.2.6", f"mapiHttp Version {mapi.get('Version')}")
    if "EXHTTP" not in kinds:
        raise ViolationError("MS-OXDSCLI 2.2.4.1.1.2.6", f"no EXHTTP among {kinds}")
    oab_url = text("OABUrl", protocols[kinds.index("EXHTTP")])
    text("MailStore/InternalUrl", mapi)
    text("AddressBook/InternalUrl", mapi)
    return Account(
        text("User/DisplayName"),
        text("User/LegacyDN"),
        text("User/AutoDiscoverSMTPAddress"),
        text("User/DeploymentId"),
        text("MailStore/ExternalUrl", mapi),
        text("AddressBook/ExternalUrl", mapi),
        [found.text or "" for found in response.iter(f"{RESPONSE_NAMESPACE}SmtpAddress")],
        oab_url,
    )
