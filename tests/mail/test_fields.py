"""Header fields with properties of their own, and those without (MS-OXCMAIL 2.2.3.2)."""

from typing import Any

import pytest

from mapigw.mail import names
from mapigw.mail.generic_headers import MAX_HEADERS
from mapigw.mail.names import header_field
from mapigw.wire import tags
from mapigw.wire.properties import NamedTag, PropertyKey
from mapigw.wire.property_sets import PS_INTERNET_HEADERS
from tests.mail.mime import HTML, multipart, text_message


@pytest.mark.parametrize(
    ("field", "key", "value"),
    [
        ("X-CallingTelephoneNumber: +1 555", tags.PidTagSenderTelephoneNumber, "+1 555"),
        ("X-VoiceMessageSenderName: =?utf-8?q?J=C3=B6?=", tags.PidTagVoiceMessageSenderName, "Jö"),
        ("X-VoiceMessageDuration: 42", tags.PidTagVoiceMessageDuration, 42),
        ("X-FaxNumberOfPages: 3", tags.PidTagFaxNumberOfPages, 3),
        ("X-AttachmentOrder: a.wav;b.wav", tags.PidTagVoiceMessageAttachmentOrder, "a.wav;b.wav"),
        ("X-CallID: 1@x", tags.PidTagCallId, "1@x"),
        ("X-MS-Exchange-Organization-SCL: 5", tags.PidTagContentFilterSpamConfidenceLevel, 5),
        ("X-MS-Exchange-Organization-PRD: x.example", tags.PidTagPurportedSenderDomain, "x.example"),
        ("X-MS-Exchange-Organization-SenderIdResult: SoftFail", tags.PidTagSenderIdStatus, 4),
        ("X-MS-Exchange-Organization-AutoForwarded: true", tags.PidTagAutoForwarded, True),
        ("Return-Receipt-To: a@b", tags.PidTagOriginatorDeliveryReportRequested, True),
        ("Disposition-Notification-To: a@b", tags.PidTagNonReceiptNotificationRequested, True),
        ("Keywords: Red, =?utf-8?q?Gr=C3=BCn?=,\n red\nKeywords: Blue", names.KEYWORDS, ["Red", "Grün", "red", "Blue"]),
        ("X-Mailer: some program 1.0", header_field("x-mailer"), "some program 1.0"),
        ("Auto-Submitted: auto-replied", header_field("auto-submitted"), "auto-replied"),
        ("List-Id: A list <a.list.example>", header_field("list-id"), "A list <a.list.example>"),
        ("Accept-Language: de, en", header_field("accept-language"), "de, en"),
        ("X-Text: =?iso-8859-1?q?=FC?=", header_field("x-text"), "ü"),
        ("X-MS-Exchange-Organization-AuthAs: Internal", header_field("x-ms-exchange-organization-authas"), "Internal"),
    ],
)
def test_field(field: str, key: PropertyKey, value: Any) -> None:
    assert text_message(field).properties[key] == value


@pytest.mark.parametrize(
    ("field", "tag"),
    [
        ("X-VoiceMessageDuration: long", tags.PidTagVoiceMessageDuration),
        ("X-VoiceMessageDuration: 99999999999999999999", tags.PidTagVoiceMessageDuration),
        ("X-FaxNumberOfPages: -1", tags.PidTagFaxNumberOfPages),
        ("X-MS-Exchange-Organization-SCL: 10", tags.PidTagContentFilterSpamConfidenceLevel),
        ("X-MS-Exchange-Organization-SCL: -1", tags.PidTagContentFilterSpamConfidenceLevel),  # "never junk"
        ("X-MS-Exchange-Organization-SenderIdResult: maybe", tags.PidTagSenderIdStatus),
        ("Keywords: , ,", names.KEYWORDS),
    ],
)
def test_nonsense_sets_nothing(field: str, tag: PropertyKey) -> None:
    assert tag not in text_message(field).properties


def test_flag_for_the_recipient() -> None:
    """MS-OXCMAIL 2.2.3.2.16."""
    properties = text_message("Subject: Re: lunch\nX-Message-Flag: Call").properties
    assert properties[names.FLAG_REQUEST] == "Call"
    assert properties[tags.PidTagFlagStatus] == 2
    assert properties[tags.PidTagToDoItemFlags] == 8
    assert properties[names.TO_DO_TITLE] == "Re: lunch"
    assert properties[names.TASK_STATUS] == 0
    assert properties[names.TASK_COMPLETE] is False
    assert properties[names.PERCENT_COMPLETE] == 0.0


CLASSIFIED = (
    "X-Microsoft-Classified: {}\nX-Microsoft-Classification: Secret\nX-Microsoft-ClassDesc: For few\n"
    "X-Microsoft-ClassID: 1234\nX-Microsoft-ClassKeep: true"
)


def test_classification() -> None:
    properties = text_message(CLASSIFIED.format("true")).properties
    assert properties[names.CLASSIFIED] is True
    assert properties[names.CLASSIFICATION] == "Secret"
    assert properties[names.CLASSIFICATION_DESCRIPTION] == "For few"
    assert properties[names.CLASSIFICATION_GUID] == "1234"
    assert properties[names.CLASSIFICATION_KEEP] is True


def test_classification_of_what_is_not_classified_is_ignored() -> None:
    properties = text_message(CLASSIFIED.format("no")).properties
    assert not {names.CLASSIFIED, names.CLASSIFICATION, names.CLASSIFICATION_KEEP} & properties.keys()


def generic(properties: dict[PropertyKey, Any]) -> set[str]:
    return {
        str(key.property_name.name)
        for key in properties
        if isinstance(key, NamedTag) and key.property_name.property_set == PS_INTERNET_HEADERS
    }


@pytest.mark.parametrize(
    "field",
    [
        "Received: x",
        "Resent-From: a@b",
        "Comments: x",
        "Return-Path: <a@b>",
        "X-MimeOLE: x",
        "X-MS-TNEF-Correlator: x",
        "X-Priority: 1",
        "X-MS-Exchange-Organization-Secret: x",
        "X-MS-Exchange-Forest-Secret: x",
        "X-Empty:",
        "X-Long: " + "x" * 2000,
        "X-" + "n" * 100 + ": x",
        "Unknown: x",
    ],
)
def test_fields_that_become_no_named_property(field: str) -> None:
    """MS-OXCMAIL 2.2.3.2.29; a name takes one of the mailbox's ids for ever."""
    assert generic(text_message(field).properties) == set()


def test_a_message_brings_few_names() -> None:
    message = text_message("\n".join(f"X-{number}: x" for number in range(1000)))
    assert generic(message.properties) == {f"x-{number}" for number in range(MAX_HEADERS)}
    assert "X-999: x" in message.properties[tags.PidTagTransportMessageHeaders]


TIFF = "Content-Type: image/tiff; name=fax.tif\n\nx"
WAVE = "Content-Type: audio/wav; name=call.wav\n\nx"


@pytest.mark.parametrize(
    ("content_class", "part", "message_class"),
    [
        ("fax", TIFF, "IPM.Note.Microsoft.Fax"),
        ("Fax-CA", TIFF, "IPM.Note.Microsoft.Fax.CA"),
        ("fax", WAVE, "IPM.Note"),
        ("voice-ca", WAVE, "IPM.Note.Microsoft.Voicemail.UM.CA"),
        ("voice-uc", WAVE, "IPM.Note.Microsoft.Conversation.Voice"),
        ("voice", WAVE, "IPM.Note.Microsoft.Voicemail.UM"),
        ("voice", TIFF, "IPM.Note"),
        ("missedcall", HTML, "IPM.Note.Microsoft.Missed.Voice"),
        ("urn:content-class:custom.Order", HTML, "IPM.Note.Custom.Order"),
        ("urn:content-class:custom.", HTML, "IPM.Note"),
        ("urn:content-class:custom.a b", HTML, "IPM.Note"),
        ("InfoPathForm.Leave", HTML, "IPM.InfoPathForm.Leave"),
        ("urn:content-classes:message", HTML, "IPM.Note"),
    ],
)
def test_content_class(content_class: str, part: str, message_class: str) -> None:
    """MS-OXCMAIL 2.2.3.2.15."""
    header, _, body = multipart("mixed", HTML, part).partition("\n\n")
    properties = text_message(f"Content-Class: {content_class}\n{header}", body).properties
    assert properties[tags.PidTagMessageClass] == message_class
    assert properties[names.CONTENT_CLASS] == content_class
