import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import pytest

from autodiscover import documents, service
from autodiscover.service import answer, answer_json
from mapigw.directory.directory import Directory
from mapigw.directory.model import User

TOM = User(
    user_id=1,
    mailbox_id=1,
    mailbox_guid=UUID("94a5c596-90a8-4985-91fd-57629ee06561"),
    address="tom@bm.lan",
    display_name="Tom & <Tester>",
    legacy_dn="/o=mapigw/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients"
    "/cn=94a5c59690a8498591fd57629ee06561-tom",
    domain="bm.lan",
    aliases=("thomas@bm.lan", "tom@xn--bcher-kva.example"),
    enabled=True,
    admin=False,
)
BASE = "https://mail.bm.lan:8443"


class _Nobody:
    """A directory in which there is nobody else, and nothing is shared."""

    @property
    def sharing(self) -> "_Nobody":
        return self

    async def by_address(self, address: str) -> None:
        return None

    async def by_legacy_dn(self, dn: str) -> None:
        return None

    async def subscriptions(self, user: User) -> dict[int, bool]:
        return {}


NOBODY = cast("Directory", _Nobody())

OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
OUTLOOK_RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
MOBILE = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006"
MOBILE_RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"

SETTINGS = b"""<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
  <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">
    <User>
      <DisplayName>Tom &amp; &lt;Tester&gt;</DisplayName>
      <LegacyDN>/o=mapigw/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients\
/cn=94a5c59690a8498591fd57629ee06561-tom</LegacyDN>
      <AutoDiscoverSMTPAddress>tom@bm.lan</AutoDiscoverSMTPAddress>
      <DeploymentId>DEPLOYMENT</DeploymentId>
    </User>
    <Account>
      <AccountType>email</AccountType>
      <Action>settings</Action>
      <MicrosoftOnline>False</MicrosoftOnline>
      <ConsumerMailbox>False</ConsumerMailbox>
      <Protocol Type="mapiHttp" Version="1">
        <MailStore>
          <InternalUrl>https://mail.bm.lan:8443/mapi/emsmdb/?MailboxId=94a5c596-90a8-4985-91fd-57629ee06561@bm.lan</InternalUrl>
          <ExternalUrl>https://mail.bm.lan:8443/mapi/emsmdb/?MailboxId=94a5c596-90a8-4985-91fd-57629ee06561@bm.lan</ExternalUrl>
        </MailStore>
        <AddressBook>
          <InternalUrl>https://mail.bm.lan:8443/mapi/nspi/?MailboxId=94a5c596-90a8-4985-91fd-57629ee06561@bm.lan</InternalUrl>
          <ExternalUrl>https://mail.bm.lan:8443/mapi/nspi/?MailboxId=94a5c596-90a8-4985-91fd-57629ee06561@bm.lan</ExternalUrl>
        </AddressBook>
      </Protocol>
      <Protocol>
        <Type>EXHTTP</Type>
        <Server>mail.bm.lan</Server>
        <SSL>On</SSL>
        <AuthPackage>basic</AuthPackage>
        <OABUrl>https://mail.bm.lan:8443/OAB/DEPLOYMENT/</OABUrl>
      </Protocol>
    </Account>
  </Response>
</Autodiscover>
""".replace(b"DEPLOYMENT", b"6c25dfa7-39f6-5f3c-b687-d0044fb715db")

ERROR = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
  <Response{namespace}>
    <Error Time="16:56:32.6164020" Id="{server}">
      <ErrorCode>{code}</ErrorCode>
      <Message>{message}</Message>
      <DebugData />
    </Error>
  </Response>
</Autodiscover>
"""
SERVER_ID = 3585483786


def error_document(code: int, message: str, namespace: str = "") -> bytes:
    namespace = namespace and f' xmlns="{namespace}"'
    return ERROR.format(code=code, message=message, namespace=namespace, server=SERVER_ID).encode()


def request(
    address: str = "tom@bm.lan", schema: str = OUTLOOK, acceptable: str = OUTLOOK_RESPONSE, extra: str = ""
) -> bytes:
    # The form of the specification's example (MS-OXDSCLI 4.1).
    return f"""<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="{schema}">
  <Request>
    <EMailAddress>{address}</EMailAddress>{extra}
    <AcceptableResponseSchema>{acceptable}</AcceptableResponseSchema>
  </Request>
</Autodiscover>""".encode()


def mobile_request(address: str = "tom@bm.lan", acceptable: str = MOBILE_RESPONSE) -> bytes:
    return request(address, MOBILE, acceptable)


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Clock":
            return cls(2026, 5, 6, 16, 56, 32, 616402, tzinfo=UTC)

    monkeypatch.setattr(service, "datetime", Clock)


async def ask(body: bytes, capability: str | None = "1", user: User = TOM) -> bytes:
    """The body of the answer, whose rest never varies."""
    answered = await answer(NOBODY, user, body, base_url=BASE, mapi_http_capability=capability)
    assert (answered.status, answered.content_type) == (200, "text/xml; charset=utf-8")
    assert answered.headers == {"Cache-Control": "private"}
    return answered.body


async def test_outlook_gets_the_settings_of_its_mailbox() -> None:
    assert await ask(request()) == SETTINGS


async def test_the_answer_is_the_same_bytes_each_time() -> None:
    assert {await ask(request()) for _ in range(3)} == {SETTINGS}


@pytest.mark.parametrize("address", ["TOM@BM.LAN", " tom@bm.lan\n", "thomas@bm.lan", "tom@b\u00fccher.example"])
async def test_every_spelling_and_every_alias_leads_to_the_mailbox(address: str) -> None:
    assert await ask(request(address)) == SETTINGS


async def test_the_legacy_dn_may_stand_for_the_address() -> None:
    body = f"""<Autodiscover xmlns="{OUTLOOK}"><Request><LegacyDN>{TOM.legacy_dn.upper()}</LegacyDN>
    <AcceptableResponseSchema>{OUTLOOK_RESPONSE}</AcceptableResponseSchema></Request></Autodiscover>""".encode()
    assert await ask(body) == SETTINGS
    other = body.replace(b"94A5C596", b"94A5C597")
    assert await ask(other) == error_document(500, "The email address can't be found.", OUTLOOK_RESPONSE)


async def test_the_address_counts_where_both_are_given() -> None:
    own_dn = f"<LegacyDN>{TOM.legacy_dn}</LegacyDN>"
    assert await ask(request("anna@bm.lan", extra=own_dn)) == error_document(
        500, "The email address can't be found.", OUTLOOK_RESPONSE
    )
    assert await ask(request(extra="<LegacyDN>/o=other</LegacyDN>")) == SETTINGS


@pytest.mark.parametrize(
    "address", ["anna@bm.lan", "nobody@bm.lan", "nobody", "tom@bm.lan@x", "\u00fc@bm.lan", "x" * 9999]
)
async def test_autodiscover_is_not_an_oracle_for_addresses(address: str) -> None:
    not_found = error_document(500, "The email address can't be found.", OUTLOOK_RESPONSE)
    assert await ask(request(address)) == not_found
    assert await ask(request(address), None) == not_found


@pytest.mark.parametrize("capability", ["1", "2", " 1 ", "0001", "9" * 5000])
async def test_any_positive_capability_gets_version_1(capability: str) -> None:
    assert await ask(request(), capability) == SETTINGS


@pytest.mark.parametrize("capability", [None, "", "0", "000", "-1", "+1", "1.0", "one", "1 2", "\u0661", "\u00b2"])
async def test_without_the_capability_there_is_nothing_to_offer(capability: str | None) -> None:
    assert await ask(request(), capability) == error_document(501, "Bad Address", OUTLOOK_RESPONSE)


def test_the_answer_has_neither_exch_nor_expr() -> None:
    types = re.findall(r"<Type>(.*?)</Type>", documents.outlook_settings(TOM, BASE).decode())
    assert types == ["EXHTTP"]


def test_the_deployment_is_named_by_the_domain_and_not_by_the_host() -> None:
    other = documents.outlook_settings(TOM, "https://autodiscover.bm.lan")
    assert f"<DeploymentId>{documents.deployment_id(TOM)}</DeploymentId>".encode() in other
    assert documents.deployment_id(replace(TOM, domain="other.lan")) != documents.deployment_id(TOM)


async def test_values_from_the_host_header_cannot_break_out() -> None:
    document = documents.outlook_settings(TOM, "https://x</InternalUrl><y>&")
    assert b"<y>" not in document
    assert b"x&lt;/InternalUrl&gt;&lt;y&gt;&amp;/mapi/emsmdb/" in document


async def test_a_host_header_that_is_no_host_is_no_failure() -> None:
    for base_url in ("https://[::1", "https://", "https://\u2100/x"):
        answered = await answer(NOBODY, TOM, request(), base_url=base_url, mapi_http_capability="1")
        assert b"<Server></Server>" in answered.body
        answered = await answer(NOBODY, TOM, b"", base_url=base_url, mapi_http_capability="1")
        assert b'Id="0"' in answered.body


def test_plain_http_is_told() -> None:
    assert b"<SSL>Off</SSL>" in documents.outlook_settings(TOM, "http://127.0.0.1:8080")


INVALID = error_document(600, "Invalid Request")

BILLION_LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 10))
    + "]>"
)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="GET, or no body"),
        pytest.param(b" ", id="blank"),
        pytest.param(b"EMailAddress=tom@bm.lan", id="not XML"),
        pytest.param(request()[:-1], id="cut off"),
        pytest.param(request() + b"<x/>", id="two roots"),
        pytest.param(b"\x00" * 100, id="zeros"),
        pytest.param(bytes(range(256)), id="octets"),
        pytest.param(request().replace(b"utf-8", b"utf-99"), id="unknown encoding"),
        pytest.param(request("tom\xff@bm.lan").replace(b"\xc3\xbf", b"\xff"), id="not UTF-8"),
        pytest.param(b"<a>" * 20000, id="deep"),
        pytest.param(b"<a " + b"a" * 60000 + b"='1'/>", id="long name"),
        pytest.param(request().replace(b"<Request>", b"<Request" + b" a='1'" * 2 + b">"), id="attribute twice"),
        pytest.param(request("&undefined;"), id="undefined entity"),
        pytest.param(request(schema="http://schemas.microsoft.com/exchange/autodiscover"), id="unknown schema"),
        pytest.param(request(schema=OUTLOOK + "a"), id="nearly the schema"),
        pytest.param(request(schema=OUTLOOK_RESPONSE), id="response schema"),
        pytest.param(request(schema=OUTLOOK.replace("http:", "https:")), id="https schema"),
        pytest.param(request().replace(f' xmlns="{OUTLOOK}"'.encode(), b""), id="no namespace"),
        pytest.param(request().replace(b"Autodiscover", b"AutoDiscover"), id="misspelt root"),
        pytest.param(request().replace(b"<Request>", b'<Request xmlns="x">'), id="Request of another namespace"),
        pytest.param(request().replace(b"Request>", b"Requests>"), id="no Request"),
        pytest.param(request().replace(b"</Request>", b"</Request><Request/>"), id="two Requests"),
        pytest.param(request(""), id="empty address"),
        pytest.param(request(" \n"), id="blank address"),
        pytest.param(request("<x>tom@bm.lan</x>"), id="address with a child"),
        pytest.param(request().replace(b"EMailAddress", b"EmailAddress"), id="missing address"),
        pytest.param(request(extra="<EMailAddress>anna@bm.lan</EMailAddress>"), id="two addresses"),
        pytest.param(request(acceptable=""), id="no acceptable schema"),
        pytest.param(
            request("&l9;").replace(b"<Autodiscover", BILLION_LAUGHS.encode() + b"<Autodiscover", 1),
            id="billion laughs",
        ),
        pytest.param(
            request().replace(b"<Autodiscover", BILLION_LAUGHS.encode() + b"<Autodiscover a='&l9;'", 1),
            id="billion laughs in an attribute",
        ),
        pytest.param(
            request().replace(b"<Autodiscover", b"<!DOCTYPE Autodiscover><Autodiscover", 1), id="empty document type"
        ),
        pytest.param(
            request()
            .decode()
            .replace("utf-8", "utf-16")
            .replace("<Autodiscover", '<!DOCTYPE a [<!ENTITY a "tom">]><Autodiscover', 1)
            .encode("utf-16"),
            id="document type in UTF-16",
        ),
    ],
)
async def test_a_malformed_request_gets_error_600(body: bytes) -> None:
    assert await ask(body) == INVALID
    assert await ask(body, None) == INVALID


async def test_an_external_entity_is_not_read(tmp_path: pytest.TempPathFactory) -> None:
    secret = f"{tmp_path}/secret"
    with open(secret, "w") as file:
        file.write("tom@bm.lan")
    for reference in (f"file://{secret}", secret, "http://127.0.0.1:9/x"):
        for declaration in (
            f'<!DOCTYPE a [<!ENTITY x SYSTEM "{reference}">]>',
            f'<!DOCTYPE a SYSTEM "{reference}">',
            f'<!DOCTYPE a [<!ENTITY % x SYSTEM "{reference}"> %x;]>',
        ):
            for address in ("&x;", "tom@bm.lan"):
                body = request(address).replace(b"<Autodiscover", declaration.encode() + b"<Autodiscover", 1)
                assert await ask(body) == INVALID
    include = f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" parse="text" href="{secret}"/>'
    assert await ask(request(include)) == INVALID


async def test_a_body_is_read_up_to_64_kib() -> None:
    body = request()
    assert await ask(body + b" " * (65536 - len(body))) == SETTINGS
    assert await ask(body + b" " * (65537 - len(body))) == INVALID
    assert await ask(b" " * 10_000_000) == INVALID


async def test_comments_instructions_and_cdata_are_read_as_xml_has_them() -> None:
    body = request("<!-- x -->tom<?x y?>@<![CDATA[bm]]>.lan", extra="<Unknown>1</Unknown>")
    assert await ask(body) == SETTINGS
    assert await ask(request().decode().replace("utf-8", "utf-16").encode("utf-16")) == SETTINGS
    prefixed = re.sub(r"<(/?)(?=[A-Z])", r"<\1a:", request().decode()).replace("xmlns=", "xmlns:a=")
    assert await ask(prefixed.encode()) == SETTINGS


@pytest.mark.parametrize("acceptable", [OUTLOOK_RESPONSE[:-1], MOBILE_RESPONSE, "x", OUTLOOK_RESPONSE.upper()])
async def test_another_response_schema_has_no_provider(acceptable: str) -> None:
    assert await ask(request(acceptable=acceptable)) == error_document(601, "Provider is not available")


async def test_a_phone_learns_that_active_sync_is_not_served() -> None:
    expected = error_document(601, "Provider is not available", MOBILE_RESPONSE)
    assert await ask(mobile_request(), None) == expected
    assert await ask(mobile_request("TOM@bm.lan")) == expected


async def test_a_phone_that_knows_an_alias_is_sent_to_the_primary_address() -> None:
    assert (
        await ask(mobile_request("Thomas@bm.lan"))
        == b"""<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
  <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006">
    <Culture>en:us</Culture>
    <User>
      <DisplayName>Tom &amp; &lt;Tester&gt;</DisplayName>
      <EMailAddress>Thomas@bm.lan</EMailAddress>
    </User>
    <Action>
      <Redirect>tom@bm.lan</Redirect>
    </Action>
  </Response>
</Autodiscover>
"""
    )


@pytest.mark.parametrize("address", ["anna@bm.lan", "nobody@bm.lan"])
async def test_a_phone_asking_for_another_address_gets_the_error_of_its_schema(address: str) -> None:
    assert (
        await ask(mobile_request(address))
        == f"""<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
  <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006">
    <Culture>en:us</Culture>
    <User>
      <EMailAddress>{address}</EMailAddress>
    </User>
    <Action>
      <Error>
        <Status>2</Status>
        <Message>The email address can't be found.</Message>
        <DebugData>MailUser</DebugData>
      </Error>
    </Action>
  </Response>
</Autodiscover>
""".encode()
    )


@pytest.mark.spec("MS-ASCMD_R3799")
@pytest.mark.spec("MS-ASCMD_R2286")
@pytest.mark.spec("MS-ASCMD_R2287")
@pytest.mark.spec("MS-ASCMD_R2288")
async def test_a_phones_invalid_request_gets_the_error_of_its_schema() -> None:
    # MS-ASCMD 4.2.3
    invalid = error_document(600, "Invalid Request", MOBILE_RESPONSE)
    assert await ask(mobile_request("")) == invalid
    assert await ask(mobile_request(acceptable="")) == invalid
    assert await ask(mobile_request().replace(b"</Request>", b"</Request><Request/>")) == invalid
    dn = f"<LegacyDN>{TOM.legacy_dn}</LegacyDN>".encode()
    assert await ask(mobile_request().replace(b"<EMailAddress>tom@bm.lan</EMailAddress>", dn)) == invalid
    no_provider = error_document(601, "Provider is not available", MOBILE_RESPONSE)
    assert await ask(mobile_request(acceptable=OUTLOOK_RESPONSE)) == no_provider


async def test_an_echoed_address_cannot_break_out() -> None:
    body = await ask(mobile_request("&lt;/EMailAddress&gt;&amp;"))
    assert b"<EMailAddress>&lt;/EMailAddress&gt;&amp;</EMailAddress>" in body


@pytest.mark.parametrize("protocol", ["AutodiscoverV1", "Autodiscoverv1", "AUTODISCOVERV1"])
@pytest.mark.parametrize("email", ["tom@bm.lan", "nobody@bm.lan", "not an address"])
def test_the_json_names_the_url_of_the_xml_whoever_asks(email: str, protocol: str) -> None:
    answered = answer_json(email, protocol, base_url=BASE)
    assert (answered.status, answered.content_type) == (200, "application/json; charset=utf-8")
    assert (
        answered.body == b'{"Protocol":"AutodiscoverV1","Url":"https://mail.bm.lan:8443/autodiscover/autodiscover.xml"}'
    )


@pytest.mark.parametrize("protocol", ["ActiveSync", "Ews", "Rest", "x", "<script>", "\udcff"])
def test_a_protocol_that_is_not_served_is_not_supported(protocol: str) -> None:
    answered = answer_json("tom@bm.lan", protocol, base_url=BASE)
    assert (answered.status, answered.content_type) == (400, "application/json; charset=utf-8")
    assert json.loads(answered.body) == {
        "ErrorCode": "ProtocolNotSupported",
        "ErrorMessage": "The given protocol value is not supported. Supported values are 'AutodiscoverV1'",
    }


@pytest.mark.parametrize(
    ("email", "protocol", "missing"),
    [(None, None, "Email"), ("", "Ews", "Email"), ("tom@bm.lan", None, "Protocol"), ("tom@bm.lan", "", "Protocol")],
)
def test_a_missing_parameter_is_named(email: str | None, protocol: str | None, missing: str) -> None:
    answered = answer_json(email, protocol, base_url=BASE)
    assert answered.status == 400
    assert json.loads(answered.body)["ErrorCode"] == "MandatoryParameterMissing"
    assert f"'{missing}'" in json.loads(answered.body)["ErrorMessage"]
