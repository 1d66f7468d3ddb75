"""Bodies through the dispatcher: each form is readable whichever is stored, and the one written last is the body."""

from typing import Any

import pytest

from mapigw.mailbox.bodies.rtf_forms import rtf_to_html, rtf_to_text
from mapigw.mailbox.bodies.rtf_writer import html_to_rtf, text_to_rtf
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rows import TypedValue
from mapigw.wire.rtf_compression import compress, decompress
from tests.emsmdb.client import LOGON, Client

BODY, RTF, HTML, BODY_HTML = tags.PidTagBody, tags.PidTagRtfCompressed, tags.PidTagHtml, tags.PidTagBodyHtml
BODY_8, BODY_HTML_8 = BODY & ~0xFFFF | 0x1E, BODY_HTML & ~0xFFFF | 0x1E
NATIVE, IN_SYNC = tags.PidTagNativeBody, tags.PidTagRtfInSync
READ_WRITE, CREATE = 0x01, 0x02

DOCUMENT = "<html><body><p>Grüße, <b>x</b></p></body></html>"
TEXT = "Grüße, x\r\n"
CODE_PAGE = {tags.PidTagInternetCodepage: 1252}
STORED: dict[str, dict[Any, Any]] = {
    "plain": {BODY: TEXT},
    "rtf": {RTF: compress(text_to_rtf(TEXT))},
    "html": {HTML: DOCUMENT.encode("cp1252"), **CODE_PAGE},
}
NATIVE_BODIES = {"plain": 1, "rtf": 2, "html": 3}


async def append(mailbox: Mailbox, properties: dict[Any, Any]) -> ObjectId:
    """The id of a new message of the inbox."""
    inbox = await mailbox.special_folder("inbox")
    (message_id,) = await mailbox.append(inbox.folder_id, [NewMessage(Message(properties))])
    return ObjectId(1, message_id)


async def open_message(client: Client, mailbox: Mailbox, message_id: ObjectId) -> int:
    """Open a message of the inbox for writing; its slot."""
    inbox = ObjectId(1, (await mailbox.special_folder("inbox")).folder_id)
    await client.value(
        "OpenMessage", code_page_id=0x0FFF, folder_id=inbox, open_mode_flags=READ_WRITE, message_id=message_id
    )
    return client.last


async def new_message(client: Client, mailbox: Mailbox) -> int:
    """Create a message in the inbox; its slot."""
    inbox = ObjectId(1, (await mailbox.special_folder("inbox")).folder_id)
    await client.value("CreateMessage", code_page_id=0x0FFF, folder_id=inbox, associated_flag=False)
    return client.last


async def write(client: Client, message: int, values: dict[int, Any]) -> None:
    answer = await client.value("SetProperties", message, property_values=list(values.items()))
    assert not answer.property_problems


async def save(client: Client, message: int) -> ObjectId:
    answer = await client.value("SaveChangesMessage", message, input_handle_index=message, save_flags=0x0A)
    message_id: ObjectId = answer.message_id
    return message_id


async def about(client: Client, message: int, *columns: int) -> list[Any]:
    """Properties, and PidTagNativeBody asked for on its own."""
    return await client.properties(message, *columns) + await client.properties(message, NATIVE)


async def streamed(client: Client, message: int, tag: int) -> bytes:
    """The whole of a stream on a property."""
    size = (await client.value("OpenStream", message, property_tag=tag, open_mode_flags=0)).stream_size
    stream, data = client.last, b""
    while part := (await client.value("ReadStream", stream, byte_count=0x7000, maximum_byte_count=None)).data:
        data += part
    assert len(data) == size
    await client.send(client.request("Release", stream))
    return data


@pytest.mark.spec("MS-OXCMSG_R2059", "MS-OXCMSG_R2060", "MS-OXCMSG_R2061", "MS-OXCMSG_R2082", "MS-OXCMSG_R1714")
@pytest.mark.parametrize("stored", STORED)
async def test_every_form_is_readable_whichever_is_stored(client: Client, own_mailbox: Mailbox, stored: str) -> None:
    message = await open_message(client, own_mailbox, await append(own_mailbox, STORED[stored] | CODE_PAGE))
    body, rtf, html, native, in_sync = await client.properties(message, BODY, RTF, HTML, NATIVE, IN_SYNC)
    assert (body, native, in_sync) == (TEXT, NATIVE_BODIES[stored], stored == "rtf")
    assert rtf_to_text(decompress(rtf)) == TEXT
    document = html.decode("cp1252")
    assert document == (await client.properties(message, BODY_HTML))[0]
    assert rtf_to_html(decompress(rtf)) == (DOCUMENT if stored == "html" else document)
    for tag, value in ((BODY, body.encode("utf-16-le")), (BODY_8, body.encode("cp1252")), (RTF, rtf), (HTML, html)):
        assert await streamed(client, message, tag) == value
    assert await streamed(client, message, BODY_HTML) == document.encode("utf-16-le")
    assert await streamed(client, message, BODY_HTML_8) == document.encode("cp1252")


async def test_what_is_stored_comes_back_as_it_is(client: Client, own_mailbox: Mailbox) -> None:
    properties = STORED["plain"] | STORED["html"] | {BODY: "An alternative.", RTF: b"damaged"}
    message = await open_message(client, own_mailbox, await append(own_mailbox, properties))
    assert await client.properties(message, BODY, HTML, RTF) == ["An alternative.", properties[HTML], b"damaged"]


@pytest.mark.spec("MS-OXCMSG_R2058")
async def test_a_message_without_a_body_has_no_form(client: Client, own_mailbox: Mailbox) -> None:
    message = await open_message(client, own_mailbox, await append(own_mailbox, {tags.PidTagSubject: "x"}))
    cells = await client.properties(message, BODY, RTF, HTML, BODY_HTML, NATIVE)
    assert cells == [ErrorCode.NotFound] * 4 + [0]
    assert await client.error("OpenStream", message, property_tag=RTF, open_mode_flags=0) == ErrorCode.NotFound
    listed = (await client.value("GetPropertiesList", message)).property_tags
    assert not {BODY, RTF, HTML, NATIVE} & set(listed)


async def test_damaged_rtf_has_no_other_forms(client: Client, own_mailbox: Mailbox) -> None:
    message = await open_message(client, own_mailbox, await append(own_mailbox, {RTF: b"damaged"}))
    assert await client.properties(message, BODY, HTML) == [ErrorCode.NotFound] * 2
    assert await client.properties(message, RTF, NATIVE) == [b"damaged", 2]


async def test_types_of_the_html_body(client: Client, own_mailbox: Mailbox) -> None:
    message = await open_message(client, own_mailbox, await append(own_mailbox, STORED["html"]))
    untyped = HTML & ~0xFFFF
    cells = await client.properties(message, BODY_HTML_8, HTML, BODY_HTML, untyped)
    narrow = DOCUMENT.encode("cp1252")
    assert cells == [narrow, narrow, DOCUMENT, TypedValue(0x102, narrow)]


async def test_all_forms_are_listed_and_are_streams(client: Client, own_mailbox: Mailbox) -> None:
    message = await open_message(client, own_mailbox, await append(own_mailbox, STORED["html"]))
    listed = (await client.value("GetPropertiesList", message)).property_tags
    assert {BODY, RTF, HTML, NATIVE, IN_SYNC} <= set(listed)
    answer = await client.value("GetPropertiesAll", message, property_size_limit=0, want_unicode=1)
    values = {tag >> 16: value for tag, value in answer.property_values}
    assert values[HTML >> 16] == STORED["html"][HTML]
    assert values[BODY >> 16] == values[RTF >> 16] == ErrorCode.NotEnoughMemory
    assert await streamed(client, message, BODY) == TEXT.encode("utf-16-le")


@pytest.mark.parametrize(
    ("columns", "native"),
    [
        ((NATIVE,), 3),
        ((NATIVE, BODY, RTF, HTML), 3),
        ((NATIVE, BODY), 1),
        ((NATIVE, RTF, BODY), 2),
        ((NATIVE, HTML), 3),
    ],
)
async def test_the_native_body_is_one_that_was_asked_for(
    client: Client, own_mailbox: Mailbox, columns: tuple[int, ...], native: int
) -> None:
    """MS-OXBBODY 2.1.3.1, step 1"""
    message = await open_message(client, own_mailbox, await append(own_mailbox, STORED["html"]))
    assert (await client.properties(message, *columns))[0] == native


async def test_a_large_body_is_converted_for_a_stream(client: Client, own_mailbox: Mailbox) -> None:
    document = "<html><body>" + "<p>paragraph &amp; more</p>\r\n" * 10_000 + "</body></html>"
    message = await open_message(client, own_mailbox, await append(own_mailbox, {HTML: document.encode()}))
    cells = await client.properties(message, BODY, RTF, HTML, NATIVE)
    assert cells == [ErrorCode.NotEnoughMemory] * 3 + [3]
    assert rtf_to_html(decompress(await streamed(client, message, RTF))) == document
    text = (await streamed(client, message, BODY)).decode("utf-16-le")
    assert text == "\r\n\r\n".join(["paragraph & more"] * 10_000) + "\r\n"
    # The last one is kept with the message, and is not taken for another.
    assert (await streamed(client, message, BODY)).decode("utf-16-le") == text
    await write(client, message, {HTML: b"<p>new</p>"})
    assert await client.properties(message, BODY) == ["new\r\n"]


@pytest.mark.spec("MS-OXCMSG_R2068")
async def test_rtf_in_sync(client: Client, own_mailbox: Mailbox) -> None:
    rtf = compress(text_to_rtf(TEXT))
    message = await new_message(client, own_mailbox)
    assert await client.properties(message, IN_SYNC) == [False]
    await write(client, message, {RTF: rtf, IN_SYNC: False})
    assert await about(client, message, IN_SYNC, BODY) == [True, TEXT, 2]
    await write(client, message, {RTF: rtf, BODY: "older"})
    assert await about(client, message, IN_SYNC, BODY) == [False, "older", 1]
    await write(client, message, {RTF: rtf, BODY: TEXT, IN_SYNC: True})
    assert await about(client, message, IN_SYNC, BODY) == [True, TEXT, 2]
    stored = await open_message(client, own_mailbox, await save(client, message))
    assert await client.properties(stored, IN_SYNC, BODY, RTF, NATIVE) == [True, TEXT, rtf, 2]


async def test_rtf_is_never_said_to_be_in_sync_without_rtf(client: Client, own_mailbox: Mailbox) -> None:
    message = await new_message(client, own_mailbox)
    await write(client, message, {BODY: TEXT, IN_SYNC: True})
    stored = await open_message(client, own_mailbox, await save(client, message))
    assert await client.properties(stored, IN_SYNC, NATIVE) == [False, 1]


NEW: dict[str, dict[int, Any]] = {
    "plain": {BODY: "new\r\n"},
    "rtf": {RTF: compress(text_to_rtf("new\r\n"))},
    "html": {HTML: b"<p>new</p>"},
    "text of html": {BODY_HTML: "<p>new</p>"},
}


@pytest.mark.parametrize("new", NEW)
@pytest.mark.parametrize("old", STORED)
async def test_a_written_body_leaves_no_older_form(client: Client, own_mailbox: Mailbox, old: str, new: str) -> None:
    message_id = await append(own_mailbox, STORED[old])
    message = await open_message(client, own_mailbox, message_id)
    await write(client, message, NEW[new])
    native = NATIVE_BODIES["html" if new == "text of html" else new]
    for _ in range(2):
        body, rtf, html, kind = await client.properties(message, BODY, RTF, HTML, NATIVE)
        assert (body, kind) == ("new\r\n", native)
        assert "new" in rtf_to_text(decompress(rtf))
        assert b"new" in html
        await save(client, message)
        message = await open_message(client, own_mailbox, message_id)


async def test_forms_that_are_written_together_stay_together(client: Client, own_mailbox: Mailbox) -> None:
    message = await open_message(client, own_mailbox, await append(own_mailbox, STORED["html"]))
    await write(client, message, {BODY: "alternative", HTML: b"<p>new</p>"})
    assert await client.properties(message, BODY, HTML, NATIVE) == ["alternative", b"<p>new</p>", 3]


async def test_forms_that_are_written_before_one_save_stay_together(client: Client, own_mailbox: Mailbox) -> None:
    """HTML by a stream and its alternative as a property, in any order, as clients do that convert themselves."""
    message_id = await append(own_mailbox, STORED["rtf"])
    message = await open_message(client, own_mailbox, message_id)
    await write(client, message, {HTML: b"<p>new</p>"})
    await write(client, message, {BODY: "an alternative"})
    await write(client, message, {IN_SYNC: False})
    assert await client.properties(message, BODY, HTML, NATIVE) == ["an alternative", b"<p>new</p>", 3]
    await save(client, message)
    await write(client, message, {BODY: "newer"})
    assert await about(client, message, BODY) == ["newer", 1]
    await write(client, message, {HTML: b"<p>newer</p>"})
    await save(client, message)
    assert await client.properties(message, BODY, HTML, NATIVE) == ["newer", b"<p>newer</p>", 3]


@pytest.mark.parametrize("rich", ["rtf", "html"])
async def test_a_text_that_says_the_same_does_not_take_the_formatting_away(
    client: Client, own_mailbox: Mailbox, rich: str
) -> None:
    message = await open_message(client, own_mailbox, await append(own_mailbox, STORED[rich]))
    (tag,) = STORED[rich].keys() & {RTF, HTML}
    await write(client, message, {BODY: "Grüße,\r\n\r\nx"})
    assert await client.properties(message, BODY, tag, NATIVE) == [
        "Grüße,\r\n\r\nx",
        STORED[rich][tag],
        NATIVE_BODIES[rich],
    ]


async def test_rtf_then_the_text_in_sync_with_it(client: Client, own_mailbox: Mailbox) -> None:
    message = await new_message(client, own_mailbox)
    await write(client, message, {RTF: compress(html_to_rtf("<p>one <a href=x>two</a></p>"))})
    await write(client, message, {BODY: "one [two]", IN_SYNC: True})
    assert await about(client, message, BODY, IN_SYNC) == ["one [two]", True, 2]


async def test_html_as_text_is_kept_in_the_code_page_of_the_message(client: Client, own_mailbox: Mailbox) -> None:
    message = await new_message(client, own_mailbox)
    await write(client, message, {tags.PidTagInternetCodepage: 28591, BODY_HTML: "<p>é ж</p>"})
    assert await client.properties(message, HTML, BODY) == [b"<p>\xe9 &#1078;</p>", "é ж\r\n"]
    other = await new_message(client, own_mailbox)
    await write(client, other, {BODY_HTML_8: "<p>é</p>".encode("cp1252")})
    assert await client.properties(other, HTML, tags.PidTagInternetCodepage) == ["<p>é</p>".encode(), 65001]


async def test_html_written_by_a_stream(client: Client, own_mailbox: Mailbox) -> None:
    """As Outlook writes a new message: the stream first, then the properties, then the save, in one buffer."""
    message = await new_message(client, own_mailbox)
    await write(client, message, {BODY: "older"})
    await save(client, message)
    for tag, data in ((HTML, b"<p>streamed</p>"), (BODY_HTML, "<p>as text</p>".encode("utf-16-le"))):
        await client.value("OpenStream", message, property_tag=tag, open_mode_flags=CREATE)
        stream = client.last
        responses = await client.send(
            client.request("WriteStream", stream, data=data),
            client.request("Release", stream),
            client.request("SetProperties", message, property_values=[(IN_SYNC, False)]),
            client.request("SaveChangesMessage", message, input_handle_index=message, save_flags=0x0A),
        )
        assert not any(response.return_value for response in responses)
        text = "streamed\r\n" if tag == HTML else "as text\r\n"
        assert await about(client, message, BODY) == [text, 3]


async def test_a_made_body_is_written_back_when_it_is_changed(client: Client, own_mailbox: Mailbox) -> None:
    message = await open_message(client, own_mailbox, await append(own_mailbox, STORED["html"]))
    await client.value("OpenStream", message, property_tag=BODY, open_mode_flags=READ_WRITE)
    stream = client.last
    await client.value("SeekStream", stream, origin=2, offset=0)
    await client.value("WriteStream", stream, data="more".encode("utf-16-le"))
    await client.value("CommitStream", stream)
    assert await about(client, message, BODY) == [TEXT + "more", 1]


async def test_a_body_of_another_type_is_refused_or_no_body(client: Client, own_mailbox: Mailbox) -> None:
    message = await open_message(client, own_mailbox, await append(own_mailbox, STORED["html"]))
    await client.value("SetProperties", message, property_values=[(0x10000102, b"x"), (0x1009001F, "x")])
    assert await client.properties(message, HTML, NATIVE) == [STORED["html"][HTML], 3]


@pytest.mark.spec("MS-OXCMSG_R2076", "MS-OXCMSG_R2077")
@pytest.mark.parametrize("location", ["http://example.org/mail/1", "mail/1"])
async def test_the_location_of_a_body(client: Client, own_mailbox: Mailbox, location: str) -> None:
    message = await new_message(client, own_mailbox)
    await write(client, message, {HTML: b"<p>x</p>", tags.PidTagBodyContentLocation: location})
    stored = await open_message(client, own_mailbox, await save(client, message))
    assert await client.properties(stored, tags.PidTagBodyContentLocation, HTML) == [location, b"<p>x</p>"]


@pytest.mark.parametrize("stored", STORED)
async def test_a_table_shows_the_beginning_of_the_text(client: Client, own_mailbox: Mailbox, stored: str) -> None:
    long = "Grüße, x " * 100
    longer = {BODY: long, RTF: compress(text_to_rtf(long)), HTML: f"<p>{long}</p>".encode("cp1252")}
    await append(own_mailbox, {tag: longer.get(tag, value) for tag, value in STORED[stored].items()})
    inbox = ObjectId(1, (await own_mailbox.special_folder("inbox")).folder_id)
    await client.value("OpenFolder", folder_id=inbox, open_mode_flags=0)
    await client.value("GetContentsTable", client.last, table_flags=0)
    columns = [BODY, BODY_8, NATIVE]
    await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=columns)
    answer = await client.value("QueryRows", client.last, columns, query_rows_flags=0, forward_read=1, row_count=10)
    (row,) = answer.row_data
    assert row == [long[:255], long.encode("cp1252")[:510], NATIVE_BODIES[stored]]


async def test_other_objects_have_no_bodies(client: Client, own_mailbox: Mailbox) -> None:
    assert await client.properties(LOGON, BODY, NATIVE) == [ErrorCode.NotFound] * 2
