import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.mailbox.bodies.rtf_forms import Origin, origin, rtf_to_html, rtf_to_text

# MS-OXRTFEX 4.1, the RTF and the HTML in it.
ENCAPSULATED = rb"""{\rtf1\ANSI\ansicpg1251\fromhtml1 \deff0
{\fonttbl {\f0\fmodern Courier New;}{\f1\fswiss Arial;}{\f2\fswiss\fcharset0 Arial;}}
{\colortbl\red0\green0\blue0;\red0\green0\blue255;}
{\*\htmltag64}
\uc1\pard\plain\deftab360 \f0\fs24
{\*\htmltag <HTML><head>\par
<style>\par
<!--\par
 /* Style Definitions */\par
 p.MsoNormal, li.MsoNormal \{font-family:Arial;\}\par
-->\par
</style>\par
\tab <!-- This is a HTML comment.\par
There is a horizontal tab (%x09) character before the comment, \par
and some new lines inside the comment. -->\par
</head>\par
<body>\par
<p\par
class="MsoNormal">}
{\htmlrtf \f1 \htmlrtf0 Note the line break inside a P tag. {\*\htmltag <b>}{\htmlrtf \b \htmlrtf0 This is a bold text{\*\htmltag </b>}} \htmlrtf\par\htmlrtf0}
\htmlrtf \par \htmlrtf0
{\*\htmltag </p>\par
<p class="MsoNormal">\par}
{\htmlrtf \f1 \htmlrtf0 This is a normal text with a character references:
{\*\htmltag &nbsp;}\htmlrtf \'a0\htmlrtf0  {\*\htmltag &lt;}\htmlrtf <\htmlrtf0  {\*\htmltag &uml;}\htmlrtf {\f2\'a8}\htmlrtf0{\*\htmltag <br>\par}\htmlrtf\line\htmlrtf0
characters which have special meaning in RTF: \{\}\\{\*\htmltag <br>\par}\htmlrtf\line\htmlrtf0\htmlrtf\par\htmlrtf0}
{\*\htmltag </p>\par
<ol>\par
    <li class="MsoNormal">}{\htmlrtf {{\*\pn\pnlvlbody\pndec\pnstart1\pnindent360{\pntxta.}}\li360\fi-360{\pntext 1.\tab} \f1 \htmlrtf0 This is a list item}\htmlrtf\par\htmlrtf0}
{\*\htmltag \par
</ol>\par
</body>\par
</HTML>\par }}
"""  # noqa: E501
HTML = """<HTML><head>
<style>
<!--
 /* Style Definitions */
 p.MsoNormal, li.MsoNormal {font-family:Arial;}
-->
</style>
\t<!-- This is a HTML comment.
There is a horizontal tab (%x09) character before the comment, 
and some new lines inside the comment. -->
</head>
<body>
<p
class="MsoNormal">Note the line break inside a P tag. <b>This is a bold text</b> </p>
<p class="MsoNormal">
This is a normal text with a character references:&nbsp; &lt; &uml;<br>
characters which have special meaning in RTF: {}\\<br>
</p>
<ol>
    <li class="MsoNormal">This is a list item
</ol>
</body>
</HTML>
"""  # noqa: W291


def test_html_is_taken_out_of_its_encapsulation() -> None:
    assert origin(ENCAPSULATED) is Origin.HTML
    assert rtf_to_html(ENCAPSULATED) == HTML.replace("\n", "\r\n")
    assert rtf_to_text(ENCAPSULATED).splitlines()[0] == "Note the line break inside a P tag. This is a bold text"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (rb"{\rtf1\ansi\ansicpg1252\fromtext \deff0{\fonttbl{\f0 Arial;}}", Origin.TEXT),
        (rb"{\rtf1\ansi\fromhtml1 ", Origin.HTML),
        (rb"{\rtf1\ansi\fromhtml ", Origin.HTML),
        (rb"{\rtf1\ansi\fromhtml2 ", Origin.RTF),
        (rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\fromhtml1 ", Origin.RTF),  # behind the font table
        (rb"{\rtf1\a\a\a\a\a\a\a\a\fromhtml1 ", Origin.RTF),  # the eleventh token
        (rb"{\rtf1 text \fromhtml1 ", Origin.RTF),
        (b"", Origin.RTF),
        (b"no RTF at all", Origin.RTF),
    ],
)
def test_origin(data: bytes, expected: Origin) -> None:
    assert origin(data) is expected


def test_plain_text_is_taken_out_of_its_encapsulation() -> None:
    rtf = rb"{\rtf1\ansi\ansicpg1252\fromtext \deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset204 Arial;}}" + (
        rb"\uc1\pard\plain\deftab360 \f0\fs20 Gr\'fc\'dfe \{\}\\\tab x\par" + b"\r\n" + rb"{\f1\'c4\'e0} \u8364 ?\line}"
    )
    assert rtf_to_text(rtf) == "Grüße {}\\\tx\r\nДа €\r\n"
    assert "Grüße {}\\" in rtf_to_html(rtf)


def test_characters_that_have_words_become_references_in_html() -> None:
    rtf = (
        rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p title='}{\*\htmltag \ldblquote\'e4}"
        rb"a\~\lquote b\rquote\emdash\bullet\_}"
    )
    assert rtf_to_html(rtf) == "<p title='&ldquo;äa&nbsp;&lsquo;b&rsquo;&mdash;&bull;&shy;"


def test_tags_with_rewritten_links_are_left_out() -> None:
    rtf = rb'{\rtf1\fromhtml1 {\*\mhtmltag84 <a href="cid:1">}{\*\htmltag84 <a href="x.html">}y{\*\unknown z}}'
    assert rtf_to_html(rtf) == '<a href="x.html">y'


def test_formatting() -> None:
    rtf = (
        rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss\fcharset0 Arial;}{\f1 Times New Roman;}}"
        rb"{\colortbl ;\red255\green0\blue0;}{\stylesheet{\s0 Normal;}}{\info{\author Nobody}}"
        rb"\pard\plain\f0\fs20 plain {\b bold \i both}\par"
        rb"\pard\qc{\ul under}{\strike struck}{\super up}{\sub down}\par"
        rb"{\cf1\f1\fs48 red}{\v hidden}{\pict\wmetafile8 0102030405}\line next\par}"
    )
    document = rtf_to_html(rtf)
    face = "font-family:'Arial';font-size:10pt"
    assert f'<p><span style="{face}">plain </span><span style="{face}"><b>bold </b></span>' in document
    assert f'<span style="{face}"><i><b>both</b></i></span></p>' in document
    assert '<p align="center">' in document
    for element, text in (("u", "under"), ("s", "struck"), ("sup", "up"), ("sub", "down")):
        assert f"<{element}>{text}</{element}>" in document
    assert "<span style=\"font-family:'Times New Roman';font-size:24pt;color:#ff0000\">red</span><br>" in document
    assert rtf_to_text(rtf) == "plain bold both\r\nunderstruckupdown\r\nred\r\nnext\r\n"


def test_links() -> None:
    rtf = (
        rb'{\rtf1\ansi{\field{\*\fldinst{HYPERLINK "http://x.y/?a&b"}}{\fldrslt{\cf1\ul here}}} and '
        rb'{\field{\*\fldinst HYPERLINK "javascript:alert(1)"}{\fldrslt there}}'
        rb'{\field{\*\fldinst PAGE}{\fldrslt 7}}{\field{\*\fldinst HYPERLINK \\l "top"}{\fldrslt up}}}'
    )
    document = rtf_to_html(rtf)
    assert '<a href="http://x.y/?a&amp;b"><u>here</u></a> and there7<a href="#top">up</a>' in document
    assert rtf_to_text(rtf) == "here and there7up"


def test_code_pages_of_fonts() -> None:
    rtf = (
        rb"{\rtf1\ansi\ansicpg1251\deff0{\fonttbl{\f0 Default;}{\f1\fcharset128 MS Gothic;}{\f2\fcharset161 Greek;}"
        rb"{\f3\fcharset2 Symbol;}{\f4\fcharset1\cpg866 Dos;}}"
        rb"\'c4\'e0 {\f1\'93\'fa\'96{}}{\f1 \'83A\'83\'5c}{\f2\'e1}{\f3\'b7}{\f4\'84} {\pard\plain\'c4}}"
    )
    assert rtf_to_text(rtf).startswith("Да 日")
    assert "アソα" in rtf_to_text(rtf)
    assert rtf_to_text(rtf).endswith("Д Д")
    assert "•" in rtf_to_html(rtf)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb"\u228?\u-10179?\u-8704?", "ä😀"),
        (rb"\uc2\u228 ab\uc0\u228 c", "ääc"),
        (rb"\uc1\u228\'e4x{\uc0\u228 y}\u228?z", "äxäyäz"),
        (rb"\u228\par x", "äx"),  # a control word is one character, too
        (rb"\u-10179?x", "\ufffdx"),
        (rb"a\bin3 \}{b", "ab"),
        (rb"\'zz\~\-\_\*", "zz\xa0\xad"),
        (rb"a\cell b\cell\row c", "a\tb\t\r\nc"),
        (b"a\r\nb\\\r\nc", "ab\r\nc"),
    ],
)
def test_characters(body: bytes, text: str) -> None:
    assert rtf_to_text(rb"{\rtf1\ansi " + body + b"}") == text


def test_text_behind_the_document_is_none_of_it() -> None:
    assert rtf_to_text(rb"{\rtf1 a}b\par") == "a"


RTF = st.lists(
    st.one_of(
        st.sampled_from(
            rb"{ } \\ \par \b \b0 \u228? \u-10179? \'e4 \'8 \f1 \fs \cf99999999999 \uc9 \fonttbl \colortbl; \field"
            rb" \fldinst \fldrslt \*\htmltag64 \htmlrtf \htmlrtf0 \bin4 \bin99999999999 \plain \pict \* \cell"
            rb" \rtf1 \fromhtml1 \fromtext \f-1 \fcharset128 \cpg99 \ansicpg0 \ansicpg99999 \deff7 HYPERLINK \v".split()
        ),
        st.binary(max_size=5),
        st.just(b" "),
    ),
    max_size=80,
).map(b"".join)


@given(RTF, st.sampled_from([b"", rb"{\rtf1\ansi", rb"{\rtf1\fromhtml1 ", rb"{\rtf1\fromtext "]))
def test_any_bytes_are_read(data: bytes, start: bytes) -> None:
    rtf_to_html(start + data).encode()
    rtf_to_text(start + data).encode()


@pytest.mark.parametrize(
    "unit",
    [
        b"{",
        b"{\\b ",
        b"}",
        b"\\",
        b"\\'",
        b"\\b x\\b0 y",
        b"{\\fonttbl",
        b"\\u1 ",
        b"{\\field{\\*\\fldinst x",
        b"\\par",
        b"{\\f1 ;}",
        b"\\colortbl;",
        b"\\bin9",
        b"\\a",
        b"\\aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"-1",
    ],
)
def test_hostile_documents_take_linear_time(unit: bytes) -> None:
    data = rb"{\rtf1\ansi{\fonttbl{\f1 " + b"F" * 200_000 + b";}}" + unit * (300_000 // len(unit))
    started = time.process_time()
    document = rtf_to_html(data)
    assert time.process_time() - started < 5
    assert len(document) < 60 * len(data)


def test_groups_nested_too_deep_are_left_out() -> None:
    data = rb"{\rtf1 a" + b"{" * 2000 + b"deep" + b"}" * 2000 + b"b}"
    assert rtf_to_text(data) == "ab"
