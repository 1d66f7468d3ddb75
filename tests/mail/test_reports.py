"""Delivery status and disposition notifications (MS-OXCMAIL 2.2.3.7; RFC 3464, 8098)."""

import pytest

from mapigw.wire import tags
from mapigw.wire.message import Message
from tests.mail.mime import PLAIN, message_of, multipart, names, text_message

ORIGINAL = (
    "Content-Type: message/rfc822\n\nMessage-ID: <1@bm.lan>\nFrom: Tom <tom@bm.lan>\nTo: Jo <jo@x.example>\n"
    "Subject: lunch\nDate: Mon, 06 May 2019 14:58:31 +0000\n\nat one?"
)
HEAD = "From: MAILER-DAEMON@mx.example\nDate: Tue, 07 May 2019 08:00:00 +0000\nSubject: Undelivered"
WHOLE = "Reporting-MTA: dns; mx.example\nArrival-Date: Mon, 6 May 2019 14:58:31 +0000"


def delivery(*recipients: str, whole: str = WHOLE, more: tuple[str, ...] = (ORIGINAL,)) -> Message:
    groups = "\n\n".join((whole, *recipients))
    entity = multipart("report", PLAIN, f"Content-Type: message/delivery-status\n\n{groups}\n", *more)
    return text_message(f"{HEAD}\n{entity.partition(chr(10) * 2)[0]}", entity.partition("\n\n")[2])


FAILED = (
    "Original-Recipient: rfc822;jo@x.example\nFinal-Recipient: rfc822;jo.smith@y.example\nAction: failed\n"
    "Status: 5.1.1 (no such user)\nRemote-MTA: dns; mx.y.example\nDiagnostic-Code: smtp; 550 unknown"
)


def test_non_delivery_report() -> None:
    message = delivery(FAILED)
    properties = message.properties
    assert properties[tags.PidTagMessageClass] == "REPORT.IPM.Note.NDR"
    assert properties[tags.PidTagReportingMessageTransferAgent] == "dns; mx.example"
    assert properties[tags.PidTagBody] == "plain text"
    assert properties[tags.PidTagReportTime] == properties[tags.PidTagClientSubmitTime]
    (recipient,) = message.recipients
    assert recipient[tags.PidTagEmailAddress] == "jo@x.example"  # under which the message can be sent again
    assert recipient[tags.PidTagRecipientType] == 1
    assert recipient[tags.PidTagRemoteMessageTransferAgent] == "mx.y.example"
    assert recipient[tags.PidTagSupplementaryInfo] == "<mx.y.example #5.1.1 smtp; 550 unknown>"
    assert recipient[tags.PidTagNonDeliveryReportStatusCode] == 511
    assert recipient[tags.PidTagNonDeliveryReportDiagCode] == 35
    assert recipient[tags.PidTagNonDeliveryReportReasonCode] == 1
    assert recipient[tags.PidTagReportTime] == properties[tags.PidTagClientSubmitTime]
    assert tags.PidTagDeliverTime not in recipient


def test_the_lost_message_is_there_to_be_sent_again() -> None:
    message = delivery(FAILED)
    (item,) = message.attachments
    assert item.embedded is not None
    assert item.embedded.properties[tags.PidTagBody] == "at one?"
    assert message.properties[tags.PidTagOriginalSubject] == "lunch"
    assert message.properties[tags.PidTagOriginalMessageId] == "<1@bm.lan>"
    assert message.properties[tags.PidTagOriginalDisplayTo] == "Jo"
    assert message.properties[tags.PidTagOriginalSenderName] == "Tom"


def test_where_only_the_header_came_back_it_is_a_message_too() -> None:
    message = delivery(FAILED, more=("Content-Type: text/rfc822-headers\n\nSubject: lunch\nTo: jo@x.example\n",))
    (item,) = message.attachments
    assert item.embedded is not None
    assert item.embedded.properties[tags.PidTagSubject] == "lunch"
    assert [row[tags.PidTagEmailAddress] for row in item.embedded.recipients] == ["jo@x.example"]


def recipient_group(action: str, status: str = "2.0.0", address: str = "a@x") -> str:
    return f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}"


@pytest.mark.parametrize(
    ("action", "message_class"),
    [
        ("delivered", "REPORT.IPM.Note.DR"),
        ("expanded", "REPORT.IPM.Note.Expanded.DR"),
        ("relayed", "REPORT.IPM.Note.Relayed.DR"),
        ("delayed", "REPORT.IPM.Note.Delayed.DR"),
        ("Failed", "REPORT.IPM.Note.NDR"),
    ],
)
def test_class_of_each_action(action: str, message_class: str) -> None:
    message = delivery(recipient_group(action))
    assert message.properties[tags.PidTagMessageClass] == message_class
    delivered = message.recipients[0].get(tags.PidTagDeliverTime)
    assert delivered == (None if action == "Failed" else message.properties[tags.PidTagClientSubmitTime])


def test_only_the_worst_news_is_reported() -> None:
    message = delivery(
        recipient_group("delivered", address="good@x"),
        recipient_group("failed", "5.2.2", address="full@x"),
        recipient_group("delayed", "4.4.7", address="slow@x"),
        recipient_group("failed", "5.7.1", address="shut@x"),
    )
    assert message.properties[tags.PidTagMessageClass] == "REPORT.IPM.Note.NDR"
    assert [row[tags.PidTagEmailAddress] for row in message.recipients] == ["full@x", "shut@x"]
    assert [row[tags.PidTagNonDeliveryReportDiagCode] for row in message.recipients] == [13, 29]


@pytest.mark.parametrize(
    ("status", "number", "diagnostic", "reason"),
    [
        ("5.1.1", 511, 35, 1),
        ("5.1.2", 512, 48, 0),
        ("5.1.3", 513, 32, 0),
        ("5.1.4", 514, 1, 0),
        ("5.1.6", 516, 40, 0),
        ("5.1.9", 519, 0, 0),
        ("5.2.1", 521, 38, 0),
        ("5.2.4", 524, 30, 0),
        ("5.7.0", 570, -1, 0),
        ("4.10.22", 400, -1, 0),  # numbers of more than one digit count as 0
        ("nonsense", 500, -1, 0),
    ],
)
def test_status_codes(status: str, number: int, diagnostic: int, reason: int) -> None:
    """MS-OXCMAIL 2.2.3.7.1.3."""
    (recipient,) = delivery(recipient_group("failed", status)).recipients
    assert recipient[tags.PidTagNonDeliveryReportStatusCode] == number
    assert recipient[tags.PidTagNonDeliveryReportDiagCode] == diagnostic
    assert recipient[tags.PidTagNonDeliveryReportReasonCode] == reason


def test_what_an_exchange_server_says_in_its_own_words() -> None:
    group = f"{recipient_group('failed')}\nX-Supplementary-Info: <its words>\nX-Display-Name: =?utf-8?q?J=C3=B6?="
    (recipient,) = delivery(group).recipients
    assert recipient[tags.PidTagSupplementaryInfo] == "<its words>"
    assert recipient[tags.PidTagDisplayName] == "Jö"


@pytest.mark.parametrize("groups", [(), ("no field",), ("Final-Recipient: rfc822; a@b",), ("Action: dancing",)])
def test_a_notification_without_news_stays_a_message(groups: tuple[str, ...]) -> None:
    message = delivery(*groups)
    assert message.properties[tags.PidTagMessageClass] == "IPM.Note"
    assert names(message) == ["ATT00001.txt", None]


def disposition(fields: str) -> Message:
    entity = multipart("report", PLAIN, f"Content-Type: message/disposition-notification\n\n{fields}\n")
    header, _, body = entity.partition("\n\n")
    return text_message(f"From: Jo <jo@x.example>\nTo: tom@bm.lan\nSubject: Read: lunch\n{header}", body)


RECEIPT = (
    "Reporting-UA: x; y\nFinal-Recipient: rfc822;jo@x.example\nOriginal-Message-ID: <1@bm.lan>\n"
    "X-MSExch-Correlation-Key: AAECAw==\nDisposition: manual-action/MDN-sent-manually; {}"
)


@pytest.mark.parametrize(
    ("kind", "message_class", "value"),
    [
        ("displayed", "REPORT.IPM.Note.IPNRN", "displayed"),
        ("processed/error", "REPORT.IPM.Note.IPNRN", "displayed"),
        ("deleted", "REPORT.IPM.Note.IPNNRN", "deleted"),
        ("denied", "REPORT.IPM.Note.IPNNRN", "deleted"),
    ],
)
def test_receipts(kind: str, message_class: str, value: str) -> None:
    message = disposition(RECEIPT.format(kind))
    properties = message.properties
    assert properties[tags.PidTagMessageClass] == message_class
    assert properties[tags.PidTagReportDisposition] == value
    assert properties[tags.PidTagReportDispositionMode] == "manual-action/MDN-sent-manually"
    assert properties[tags.PidTagOriginalMessageId] == "<1@bm.lan>"
    assert properties[tags.PidTagParentKey] == b"\0\1\2\3"
    assert properties[tags.PidTagReceiptTime] == properties[tags.PidTagClientSubmitTime]
    assert properties[tags.PidTagSenderSmtpAddress] == "jo@x.example"
    assert properties[tags.PidTagBody] == "plain text"
    assert [row[tags.PidTagEmailAddress] for row in message.recipients] == ["tom@bm.lan"]
    assert message.attachments == []


def test_an_attached_report_is_a_report_too() -> None:
    entity = multipart("report", PLAIN, f"Content-Type: message/delivery-status\n\n{WHOLE}\n\n{FAILED}\n")
    message = message_of(multipart("mixed", PLAIN, f"Content-Type: message/rfc822\n\nSubject: x\n{entity}"))
    (item,) = message.attachments
    assert item.embedded is not None
    assert item.embedded.properties[tags.PidTagMessageClass] == "REPORT.IPM.Note.NDR"
