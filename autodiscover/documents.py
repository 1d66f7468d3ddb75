"""The documents that answer (MS-OXDSCLI 2.2.4, MS-ASCMD 2.2.1.1).

They are text with a place for each value, so that what Outlook gets can be read here, and two answers of the same
values are the same bytes: Outlook keeps the last answer and acts on differences.
"""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlsplit
from uuid import NAMESPACE_DNS, UUID, uuid5
from xml.sax.saxutils import escape
from zlib import crc32

from autodiscover.request import Schema
from mapigw.directory.model import User

_HEAD = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
"""
_FOOT = "</Autodiscover>\n"

# MS-OXDSCLI 2.2.4.1.1.3.2
ERROR_MESSAGES = {
    500: "The email address can't be found.",
    501: "Bad Address",
    600: "Invalid Request",
    601: "Provider is not available",
}


def outlook_settings(user: User, base_url: str, alternative_mailboxes: Iterable[User] = ()) -> bytes:
    """The settings of a mailbox that is reached by MAPI over HTTP (MS-OXDSCLI 4.4, 3.2.5.1 version 1).

    ``alternative_mailboxes`` are others that the client is to open beside it.

    There is one network here, so the internal and the external URL are the same. No EXCH and no EXPR block may stand
    beside mapiHttp; the EXHTTP block says how to authenticate where Outlook calls anything else than MAPI, and where
    the offline address book is.
    """
    mailbox = f"MailboxId={user.mailbox_guid}@{user.domain}"
    mail_store = escape(f"{base_url}/mapi/emsmdb/?{mailbox}")
    address_book = escape(f"{base_url}/mapi/nspi/?{mailbox}")
    offline_address_book = escape(f"{base_url}/OAB/{deployment_id(user)}/")
    return f"""{_HEAD}\
  <Response xmlns="{Schema.OUTLOOK.response}">
    <User>
      <DisplayName>{escape(user.display_name)}</DisplayName>
      <LegacyDN>{escape(user.legacy_dn)}</LegacyDN>
      <AutoDiscoverSMTPAddress>{escape(user.address)}</AutoDiscoverSMTPAddress>
      <DeploymentId>{deployment_id(user)}</DeploymentId>
    </User>
    <Account>
      <AccountType>email</AccountType>
      <Action>settings</Action>
      <MicrosoftOnline>False</MicrosoftOnline>
      <ConsumerMailbox>False</ConsumerMailbox>
      <Protocol Type="mapiHttp" Version="1">
        <MailStore>
          <InternalUrl>{mail_store}</InternalUrl>
          <ExternalUrl>{mail_store}</ExternalUrl>
        </MailStore>
        <AddressBook>
          <InternalUrl>{address_book}</InternalUrl>
          <ExternalUrl>{address_book}</ExternalUrl>
        </AddressBook>
      </Protocol>
      <Protocol>
        <Type>EXHTTP</Type>
        <Server>{escape(_host(base_url))}</Server>
        <SSL>{"On" if base_url.startswith("https:") else "Off"}</SSL>
        <AuthPackage>basic</AuthPackage>
        <OABUrl>{offline_address_book}</OABUrl>
      </Protocol>
{"".join(_alternative_mailbox(mailbox, base_url) for mailbox in alternative_mailboxes)}\
    </Account>
  </Response>
{_FOOT}""".encode()


def _alternative_mailbox(mailbox: User, base_url: str) -> str:
    """A mailbox that a client opens with its user's own credentials (MS-OXDSCLI 2.2.4.1.1.2.5).

    By its address the client asks for its settings. Only where there is none, LegacyDN and Server stand in its place.
    """
    if mailbox.address:
        address = escape(mailbox.address)
        where = f"""\
        <SmtpAddress>{address}</SmtpAddress>
        <OwnerSmtpAddress>{address}</OwnerSmtpAddress>
"""
    else:
        where = f"""\
        <LegacyDN>{escape(mailbox.legacy_dn)}</LegacyDN>
        <Server>{escape(_host(base_url))}</Server>
"""
    return f"""\
      <AlternativeMailbox>
        <Type>Delegate</Type>
        <DisplayName>{escape(mailbox.display_name)}</DisplayName>
{where}\
      </AlternativeMailbox>
"""


def deployment_id(user: User) -> UUID:
    """Names the deployment; of the domain alone, for it must be the same whatever host name the client has asked.

    The folder of the offline address book, OAB, is called after it.
    """
    return uuid5(NAMESPACE_DNS, user.domain)


def _host(base_url: str) -> str:
    try:
        return urlsplit(base_url).hostname or ""
    except ValueError:  # what a client wrote into its Host header need not be one
        return ""


def error(code: int, base_url: str, moment: datetime, schema: Schema | None = None) -> bytes:
    """An error as a child of Response (MS-OXDSCLI 2.2.4.1.1.3, MS-ASCMD 2.2.3.63): Time of the day, Id of the server.

    Errors of the service itself are in the common response schema, those of a provider in the provider's.
    """
    namespace = f' xmlns="{schema.response}"' if schema else ""
    return f"""{_HEAD}\
  <Response{namespace}>
    <Error Time="{moment:%H:%M:%S.%f}0" Id="{crc32(_host(base_url).encode())}">
      <ErrorCode>{code}</ErrorCode>
      <Message>{escape(ERROR_MESSAGES[code])}</Message>
      <DebugData />
    </Error>
  </Response>
{_FOOT}""".encode()


def mobile_sync_redirect(user: User, email_address: str) -> bytes:
    """Sends a client that knows an alias to the primary address (MS-ASCMD 2.2.3.147)."""
    return f"""{_HEAD}\
  <Response xmlns="{Schema.MOBILE_SYNC.response}">
    <Culture>en:us</Culture>
    <User>
      <DisplayName>{escape(user.display_name)}</DisplayName>
      <EMailAddress>{escape(email_address)}</EMailAddress>
    </User>
    <Action>
      <Redirect>{escape(user.address)}</Redirect>
    </Action>
  </Response>
{_FOOT}""".encode()


def mobile_sync_error(email_address: str) -> bytes:
    """The provider has nothing for this address (MS-ASCMD 4.2.2): Status 2, the only error there is."""
    return f"""{_HEAD}\
  <Response xmlns="{Schema.MOBILE_SYNC.response}">
    <Culture>en:us</Culture>
    <User>
      <EMailAddress>{escape(email_address)}</EMailAddress>
    </User>
    <Action>
      <Error>
        <Status>2</Status>
        <Message>{escape(ERROR_MESSAGES[500])}</Message>
        <DebugData>MailUser</DebugData>
      </Error>
    </Action>
  </Response>
{_FOOT}""".encode()
