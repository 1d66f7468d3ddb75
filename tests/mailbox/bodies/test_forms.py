from typing import Any

import pytest

from mapigw.mailbox.bodies.forms import BodyForm, best_body, body_information, converted, native_body, rtf_in_sync
from mapigw.mailbox.bodies.rtf_writer import html_to_rtf, text_to_rtf
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.rtf_compression import compress, decompress

PLAIN, RTF, HTML = BodyForm.PLAIN, BodyForm.RTF, BodyForm.HTML


# MS-OXBBODY 2.1.3.1, steps 2 and 3: the forms that are there, PidTagRtfInSync, the best form.
@pytest.mark.parametrize(
    ("forms", "in_sync", "best"),
    [
        ("", None, BodyForm.UNDEFINED),
        ("", True, BodyForm.UNDEFINED),
        ("P", None, PLAIN),
        ("P", True, PLAIN),
        ("R", None, RTF),
        ("R", False, RTF),
        ("H", None, HTML),
        ("PH", True, HTML),
        ("PR", True, RTF),
        ("PR", False, PLAIN),
        ("PR", None, PLAIN),
        ("RH", True, RTF),
        ("RH", False, HTML),
        ("PRH", True, RTF),
        ("PRH", False, HTML),
        ("PRH", None, HTML),
        ("B", None, HTML),
    ],
)
def test_best_body(forms: str, in_sync: bool | None, best: BodyForm) -> None:
    letters: dict[str, tuple[int, Any]] = {
        "P": (tags.PidTagBody, ""),
        "R": (tags.PidTagRtfCompressed, b""),
        "H": (tags.PidTagHtml, b""),
        "B": (tags.PidTagBodyHtml, ""),
    }
    properties = dict(letters[letter] for letter in forms)
    if in_sync is not None:
        properties[tags.PidTagRtfInSync] = in_sync
    assert best_body(properties) is native_body(properties) is best


def test_the_native_body_is_what_the_writer_says_if_it_is_there() -> None:
    both = {tags.PidTagRtfCompressed: b"", tags.PidTagHtml: b"", tags.PidTagRtfInSync: True}
    assert native_body({**both, tags.PidTagNativeBody: 3}) is HTML
    assert native_body({**both, tags.PidTagNativeBody: 1}) is RTF
    assert native_body({**both, tags.PidTagNativeBody: 4}) is RTF
    assert native_body({tags.PidTagNativeBody: 3}) is BodyForm.UNDEFINED


def test_rtf_is_never_called_in_sync_where_there_is_none() -> None:
    assert not rtf_in_sync({tags.PidTagHtml: b"", tags.PidTagRtfInSync: True})
    assert not rtf_in_sync({tags.PidTagBody: "", tags.PidTagRtfCompressed: b""})
    assert rtf_in_sync({tags.PidTagBody: "", tags.PidTagRtfCompressed: b"", tags.PidTagRtfInSync: True})
    assert rtf_in_sync({tags.PidTagRtfCompressed: b"", tags.PidTagRtfInSync: False})  # the text will be made of it


def test_what_a_save_tells_of_the_bodies() -> None:
    assert body_information({}) == {tags.PidTagRtfInSync: False}
    assert body_information({tags.PidTagHtml: b""}) == {tags.PidTagRtfInSync: False, tags.PidTagNativeBody: 3}


BODIES: dict[int, str | bytes] = {
    tags.PidTagBody: "Grüße, x\r\n",
    tags.PidTagRtfCompressed: compress(text_to_rtf("Grüße, x\r\n")),
    tags.PidTagHtml: "<p>Grüße,\r\n <b>x</b></p>".encode("cp1252"),
    tags.PidTagBodyHtml: "<p>Grüße,\r\n <b>x</b></p>",
}


@pytest.mark.parametrize("wanted", BODIES)
@pytest.mark.parametrize("source", BODIES)
def test_every_form_is_made_of_every_other(source: int, wanted: int) -> None:
    made = converted(BODIES[source], source, wanted, 1252)
    assert isinstance(made, str) == isinstance(BODIES[wanted], str)
    assert converted(made, wanted, tags.PidTagBody, 1252) == "Grüße, x\r\n"


def test_html_that_went_through_rtf_is_the_same() -> None:
    html = BODIES[tags.PidTagHtml]
    rtf = converted(html, tags.PidTagHtml, tags.PidTagRtfCompressed, 1252)
    assert isinstance(rtf, bytes)
    assert decompress(rtf) == html_to_rtf("<p>Grüße,\r\n <b>x</b></p>")
    assert converted(rtf, tags.PidTagRtfCompressed, tags.PidTagHtml, 1252) == html
    assert converted(rtf, tags.PidTagRtfCompressed, tags.PidTagHtml, None) == b"<p>Gr&#252;&#223;e,\r\n <b>x</b></p>"


def test_damaged_rtf_is_an_error() -> None:
    with pytest.raises(WireError):
        converted(b"not RTF", tags.PidTagRtfCompressed, tags.PidTagBody, None)
