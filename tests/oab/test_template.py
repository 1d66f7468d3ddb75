import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from oab import dialogs
from oab.wire.template import (
    ENTRIES,
    Control,
    ControlFlags,
    ControlType,
    DisplayTemplate,
    build_file,
    build_template,
    parse_file,
    parse_template,
)

# The first two rows of the mail user's template in MS-OXOABKT 4.2; the others are 63 of no size here.
PAGE = Control(ControlType.PAGE, text="General")
GROUP_BOX = Control(ControlType.GROUP_BOX, 0x06, 0x167, 0x03, 0x29, "Name")


def test_rows_name_their_strings_by_offset_as_published() -> None:
    """MS-OXOABKT 4.2: of 0x41 rows the first string is at 0x92C, the second at 0x934."""
    template = build_template([PAGE, GROUP_BOX, *[Control(ControlType.LABEL)] * 63], "cp1252")
    assert template[:8] == bytes.fromhex("01000000 41000000")
    zero = "00000000"
    assert template[8:44] == bytes.fromhex(f"{zero * 4} 08000000 {zero} {zero * 2} 2c090000")
    row = "06000000 67010000 03000000 29000000 06000000"
    assert template[44:80] == bytes.fromhex(f"{row} {zero} {zero * 2} 34090000")
    assert template[0x92C:0x939] == b"General\0Name\0"
    assert parse_template(template, "cp1252")[:2] == [PAGE, GROUP_BOX]


def test_the_head_of_a_file() -> None:
    """MS-OXOAB 2.2: OAB_HDR with version 7, seven TMPLT_ENTRY, NAMES_STRUCT, no address creation templates."""
    data = build_file({"mail_user": DisplayTemplate("/cn=t", "User", (PAGE,))}, "cp1252")
    assert data[:12] == bytes.fromhex("07000000 00000000 00000000")
    start = 12 + 7 * 32 + 16 + 4
    template = build_template([PAGE], "cp1252")
    numbers = [start, 6, start + 6, len(template), 0, 0, start + 6 + len(template), 5]
    assert data[12:44] == b"".join(number.to_bytes(4, "little") for number in numbers)
    assert not any(data[44:start])
    assert data[start:] == b"/cn=t\0" + template + b"User\0"


_TEXT = st.text("aZ&é€ :", max_size=12)
_UINT = st.integers(0, 2**32 - 1)
_CONTROLS = st.builds(
    Control,
    st.sampled_from(ControlType),
    _UINT,
    _UINT,
    _UINT,
    _UINT,
    _TEXT,
    _UINT,
    _UINT,
    st.builds(ControlFlags, st.integers(0, 63)),
)
_TEMPLATES = st.builds(DisplayTemplate, st.just("/o=x/cn=t"), _TEXT, st.lists(_CONTROLS, max_size=6).map(tuple))


@given(st.dictionaries(st.sampled_from(ENTRIES), _TEMPLATES))
def test_files_come_back(templates: dict[str, DisplayTemplate]) -> None:
    assert parse_file(build_file(templates, "cp1252"), "cp1252") == templates


@given(st.data())
def test_damage_is_refused_or_read(data: st.DataObject) -> None:
    damaged = bytearray(build_file({"mail_user": DisplayTemplate("/cn=t", "User", (PAGE, GROUP_BOX))}, "cp1252"))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_file(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]), "cp1252")
    except WireError:
        return


@pytest.mark.parametrize("language", dialogs.LANGUAGES, ids=lambda language: f"{language.lcid:04x}")
def test_our_dialogs_keep_to_the_rules(language: dialogs.Language) -> None:
    """MS-OXOABKT 2.2.2.1.3: labels have at most 127 characters; a dialog begins with a page."""
    templates = parse_file(dialogs.template_file(language), language.code_page)
    assert set(templates) == {"mail_user", "distribution_list", "remote_mail_user"}
    for template in templates.values():
        assert template.controls[0].type == ControlType.PAGE
        assert template.dn.isascii()
        for control in template.controls:
            assert len(control.text) < 128
            shows = control.type in {ControlType.EDIT, ControlType.MULTIVALUED_LIST_BOX}
            assert bool(control.property_tag) == shows
            assert not control.flags & ControlFlags.EDITABLE
    assert dialogs.template_file(language) == dialogs.template_file(language)


def test_the_languages_have_the_same_words() -> None:
    first, *others = dialogs.LANGUAGES
    assert all(set(other.words) == set(first.words) for other in others)
