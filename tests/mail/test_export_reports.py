"""Delivery reports and receipts: what RFC 3464 and RFC 8098 ask for is in the part for programs."""

from email.message import EmailMessage, MIMEPart

import pytest

from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.export.reports import is_report
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from tests.mail.exported import ANNA, BEN, CARA, SENT, exported, note, read, sent, structure, text


def report(kind: str, **properties: object) -> Message:
    more = {getattr(tags, name): value for name, value in properties.items()}
    message = note({tags.PidTagMessageClass: f"REPORT.IPM.Note.{kind}"} | more, BEN, CARA)
    message.recipients[0] |= {
        tags.PidTagNonDeliveryReportStatusCode: 511,
        tags.PidTagSupplementaryInfo: "<mx.two.test #5.1.1 smtp;550 unknown>",
        tags.PidTagRemoteMessageTransferAgent: "mx.two.test",
        tags.PidTagReportTime: SENT,
    }
    return message


def groups(part: MIMEPart) -> list[dict[str, str]]:
    """The groups of fields of a part for programs, as Python reads them."""
    payload = part.get_payload()
    assert isinstance(payload, list)
    return [dict(group.items()) for group in payload if isinstance(group, EmailMessage)]


def test_a_non_delivery_report() -> None:
    message = report("NDR", PidTagReportingMessageTransferAgent="dns; gw.one.test", PidTagOriginalSubmitTime=SENT)
    original = note({tags.PidTagSubject: "The original"})
    message.attachments = [Attachment({tags.PidTagAttachMethod: 5}, original)]
    mail = sent(message, ExportOptions(to=(("Anna", "anna@one.test"),)))
    assert mail["To"] == "Anna <anna@one.test>"
    assert mail["Content-Type"].params["report-type"] == "delivery-status"
    assert structure(mail)[:2] == ["multipart/report", "text/plain"]  # type: ignore[index]
    parts = list(mail.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "message/delivery-status", "message/rfc822"]
    about, ben, cara = groups(parts[1])
    assert about == {"Reporting-MTA": "dns; gw.one.test", "Arrival-Date": "Tue, 16 Jan 2024 13:20:00 +0000"}
    assert ben == {
        "Final-Recipient": "rfc822; ben@two.test",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.two.test",
        "Last-Attempt-Date": "Tue, 16 Jan 2024 13:20:00 +0000",
        "X-Supplementary-Info": "<mx.two.test #5.1.1 smtp;550 unknown>",
        "X-Display-Name": "Ben Brown",
    }
    assert cara["Status"] == "5.0.0"
    assert text(parts[0]) == "Text\n"
    returned = parts[2].get_payload()[0]  # type: ignore[index]
    assert returned["Subject"] == "The original"  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "action", "status"),
    [
        ("DR", "delivered", "2.0.0"),
        ("NDR", "failed", "5.0.0"),
        ("Delayed.DR", "delayed", "4.0.0"),
        ("Relayed.DR", "relayed", "2.0.0"),
        ("Expanded.DR", "expanded", "2.0.0"),
    ],
)
def test_the_class_tells_the_action(kind: str, action: str, status: str) -> None:
    """MS-OXCMAIL 2.1.3.6.1.1."""
    message = report(kind)
    del message.recipients[0][tags.PidTagNonDeliveryReportStatusCode]
    about, ben, _cara = groups(list(sent(message, ExportOptions(domain="one.test")).iter_parts())[1])
    assert (ben["Action"], ben["Status"]) == (action, status)
    assert about["Reporting-MTA"] == "dns; one.test"


def test_a_delivery_report_is_addressed_to_who_got_it_and_not_to_those_it_is_about() -> None:
    message = report("NDR")
    assert sent(message)["To"] == "undisclosed-recipients:;"
    message.properties |= {
        tags.PidTagOriginalSenderName: "Cara",
        tags.PidTagOriginalSenderEmailAddress: "cara@three.test",
    }
    assert sent(message)["To"] == "Cara <cara@three.test>"
    message.properties |= {tags.PidTagReceivedByName: "Anna", tags.PidTagReceivedByEmailAddress: "anna@one.test"}
    assert sent(message)["To"] == "Anna <anna@one.test>"
    assert sent(message)["Auto-Submitted"] == "auto-replied"


def test_a_report_on_nobody_still_has_a_group() -> None:
    message = report("NDR")
    message.recipients = []
    _about, nobody = groups(list(sent(message).iter_parts())[1])
    assert nobody == {"Final-Recipient": "unknown; unknown", "Action": "failed", "Status": "5.0.0"}


def test_the_header_alone_is_returned_where_only_that_came() -> None:
    message = report("NDR")
    attachment = Attachment(
        {tags.PidTagAttachMethod: 5, tags.PidTagAttachMimeTag: "text/rfc822-headers"},
        note({tags.PidTagSubject: "The original"}),
    )
    message.attachments = [attachment]
    returned = list(sent(message).iter_parts())[2]
    assert returned.get_content_type() == "text/rfc822-headers"
    assert "Subject: The original\n" in text(returned)


def test_a_report_without_a_text_says_what_it_is_about() -> None:
    message = report("NDR", PidTagOriginalSubject="The original")
    del message.properties[tags.PidTagBody]
    written = text(next(sent(message).iter_parts()))
    assert "The original" in written
    assert "ben@two.test" in written


@pytest.mark.parametrize(("kind", "disposition"), [("IPNRN", "displayed"), ("IPNNRN", "deleted")])
def test_a_read_receipt(kind: str, disposition: str) -> None:
    """MS-OXCMAIL 2.1.3.6.2."""
    message = report(kind, PidTagOriginalMessageId="<original@x.test>", PidTagParentKey=b"\1\2\3")
    mail = sent(message)
    assert mail["To"] == "Ben Brown <ben@two.test>, Cara Cole <cara@three.test>"
    assert mail["Content-Type"].params["report-type"] == "disposition-notification"
    data = exported(message)
    assert (
        b"Final-Recipient: rfc822; anna@one.test\r\n"
        b"Original-Message-ID: <original@x.test>\r\n"
        b"Disposition: manual-action/MDN-sent-manually; " + disposition.encode() + b"\r\n"
        b"X-MSExch-Correlation-Key: AQID\r\n"
        b"X-Display-Name: Anna Adams\r\n"
    ) in data


def test_the_mode_of_a_receipt_is_told() -> None:
    message = report("IPNRN", PidTagReportDispositionMode="automatic-action/MDN-sent-automatically")
    assert b"Disposition: automatic-action/MDN-sent-automatically; displayed\r\n" in exported(message)
    message = report("IPNRN", PidTagReportDispositionMode="anything; displayed\r\nBcc: x")
    assert b"Disposition: manual-action/MDN-sent-manually; displayed\r\n" in exported(message)


def test_which_classes_are_reports() -> None:
    assert is_report("REPORT.IPM.Note.NDR")
    assert is_report("report.ipm.schedule.meeting.request.dr")
    assert not is_report("IPM.Note")
    assert not is_report("REPORT.IPM.Note")
    assert structure(sent(note({tags.PidTagMessageClass: "REPORT.IPM.Note"}))) == "text/plain"


def test_values_of_a_report_end_no_field() -> None:
    message = report("NDR", PidTagReportingMessageTransferAgent="x\r\nAction: delivered")
    message.recipients[0] |= {
        tags.PidTagSupplementaryInfo: "x\r\n\r\nFinal-Recipient: rfc822; evil@x.test",
        tags.PidTagRemoteMessageTransferAgent: "a b\r\nc",
        tags.PidTagSmtpAddress: "x\r\ny",
        tags.PidTagEmailAddress: "x\r\ny",
        tags.PidTagNonDeliveryReportStatusCode: -77,
    }
    found = groups(list(read(exported(message)).iter_parts())[1])
    assert len(found) == 3
    assert found[1]["Final-Recipient"] == "unknown; Ben Brown"
    assert found[1]["Status"] == "5.0.0"
    assert "Remote-MTA" not in found[1]
    assert ANNA.email not in str(found)
