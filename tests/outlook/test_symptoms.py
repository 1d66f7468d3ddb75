"""What Outlook was seen to suffer from; each test bears the symptom's name."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.outlook import rops
from tests.outlook.autodiscover import request_body
from tests.outlook.emsmdb import ExecuteFailedError, Session
from tests.outlook.globsets import IdSet
from tests.outlook.http import MapiHttp, ResponseCodeError
from tests.outlook.nspi import AddressBook, Stat
from tests.outlook.profile import (
    ADDITIONAL_REN_ENTRY_IDS,
    FREE_BUSY_ENTRY_IDS,
    SPECIAL_TAGS,
    Profile,
)
from tests.outlook.reader import PropertyError
from tests.outlook.server import Server
from tests.outlook.streams import CNSET_SEEN, IDSET_GIVEN

ENTRY_ID_TAGS = (*SPECIAL_TAGS.values(), ADDITIONAL_REN_ENTRY_IDS, 0x36D90102, FREE_BUSY_ENTRY_IDS)


@pytest.fixture
def opened(server: Server, tom: Profile) -> Iterator[tuple[Session, int]]:
    """A session of Tom's and its Logon."""
    profile = Profile(server.web("tom@bm.lan"), account=tom.account)
    session, logon = profile.log_on()
    yield session, logon
    session.disconnect()


def _values(opened: tuple[Session, int], folder_id: int, tags: tuple[int, ...]) -> dict[object, object]:
    session, logon = opened
    asked = [rops.open_folder(0, 1, folder_id), rops.get_properties_specific(1, tags)]
    return dict(session.run(asked, [logon, rops.NO_HANDLE]).results[1])


def test_default_folder_ids_are_the_same_on_inbox_and_root(tom: Profile, opened: tuple[Session, int]) -> None:
    inbox = _values(opened, tom.special("Inbox"), ENTRY_ID_TAGS)
    root = _values(opened, tom.special("Root"), ENTRY_ID_TAGS)
    assert inbox == root
    assert not [value for value in inbox.values() if isinstance(value, PropertyError)]


def test_default_folder_ids_come_down_with_the_inbox(tom: Profile) -> None:
    """Else the client's id of Conflicts stays empty, and a new appointment ends in 8004010F."""
    properties = tom.folder("Inbox").properties
    for tag in ENTRY_ID_TAGS:
        assert properties.get(tag) == tom.inbox.get(tag, properties.get(tag))
        assert tag in properties


def test_sync_issues_and_its_folders_can_be_opened(tom: Profile, opened: tuple[Session, int]) -> None:
    """A failed item that cannot be parked makes a second 8004010F."""
    values = tom.inbox[ADDITIONAL_REN_ENTRY_IDS]
    names = []
    for value in values[:5]:
        guid, counter = tom.entry_id(value, "PidTagAdditionalRenEntryIds")
        folder_id = opened[0].call(rops.id_from_long_term_id(0, guid, counter), [opened[1]])
        names.append(_values(opened, folder_id, (0x3001001F,))[0x3001001F])
        assert folder_id in tom.root_folders
    assert names == ["Conflicts", "Sync Issues", "Local Failures", "Server Failures", "Junk E-mail"]


def test_freebusy_data_is_the_fourth_id(tom: Profile, opened: tuple[Session, int]) -> None:
    value = tom.inbox[FREE_BUSY_ENTRY_IDS][3]
    guid, counter = tom.entry_id(value, "PidTagFreeBusyEntryIds")
    folder_id = opened[0].call(rops.id_from_long_term_id(0, guid, counter), [opened[1]])
    assert _values(opened, folder_id, (0x3001001F,)) == {0x3001001F: "Freebusy Data"}


def test_ids_and_long_term_ids_agree(tom: Profile, opened: tuple[Session, int]) -> None:
    """Inconsistent answers crash Outlook 2019."""
    session, logon = opened
    assert tom.replicas is not None
    for folder_id in [*tom.root_folders, *tom.folders]:
        guid, counter = session.call(rops.long_term_id_from_id(0, folder_id), [logon])
        assert (guid, counter) == tom.replicas.key(folder_id)
        assert session.call(rops.id_from_long_term_id(0, guid, counter), [logon]) == folder_id


def test_local_replica_ids_never_end(tom: Profile, opened: tuple[Session, int]) -> None:
    """A small pool ends in an Outlook that refuses to start."""
    session, logon = opened
    ranges = [session.call(rops.get_local_replica_ids(0, 0x10000), [logon]) for _ in range(20)]
    starts = sorted(counter for _, counter in ranges)
    assert tom.logon is not None
    assert {guid for guid, _ in ranges} == {tom.logon.replica_guid}
    assert all(later - earlier >= 0x10000 for earlier, later in pairwise(starts))
    held = {counter for folder in tom.all_folders() for _, counter in folder.messages}
    assert not [counter for counter in held if any(start <= counter < start + 0x10000 for start in starts)]


def test_named_property_ids_stay(server: Server, tom: Profile, opened: tuple[Session, int]) -> None:
    """A broken mapping hides folders."""
    from uuid import UUID

    common = UUID("00062008-0000-0000-c000-000000000046")
    session, logon = opened
    asked = [(common, 0x8581), (common, 0x8580), (common, 0x8580)]
    found = session.call(rops.get_property_ids_from_names(0, 0x02, asked), [logon])
    assert found == [tom.named_ids[1], tom.named_ids[0], tom.named_ids[0]]
    unknown = [(common, "a name that nobody ever used")]
    assert session.call(rops.get_property_ids_from_names(0, 0, unknown), [logon]) == [0]


def test_the_final_change_numbers_are_one_range(tom: Profile, anna: Profile) -> None:
    for folder in [*tom.all_folders(), *anna.all_folders()]:
        seen = IdSet.from_replguid(folder.state[CNSET_SEEN], "MetaTagCnsetSeen")
        assert seen.range_count() <= 1
    inbox = tom.folder("Inbox")
    assert len(IdSet.from_replguid(inbox.state[IDSET_GIVEN], "MetaTagIdsetGiven")) == len(inbox.messages)


def test_absent_properties_come_as_a_flagged_row_and_success(opened: tuple[Session, int]) -> None:
    """0x00040380 with RowData preceded an access violation of EMSMDB32."""
    session, logon = opened
    tags = (0x341E0102, 0x341F0102, 0x346F0003)
    values = session.call(rops.get_properties_specific(0, tags), [logon])
    assert values == dict.fromkeys(tags, PropertyError(0x8004010F))


def test_after_valid_credentials_never_a_401(server: Server) -> None:
    web = server.web("TOM@bm.lan")
    for _ in range(5):
        answer = web.send(
            "POST", "/Autodiscover/Autodiscover.xml", request_body("tom@bm.lan"), {"Content-Type": "text/xml"}
        )
        assert answer.status == 200


def test_autodiscover_is_no_oracle_for_addresses(server: Server) -> None:
    answers = []
    for address, password in (("tom@bm.lan", "wrong"), ("nobody@bm.lan", "secret"), ("nobody@elsewhere.lan", "x")):
        web = server.web(address, password)
        answer = web.send("POST", "/autodiscover/autodiscover.xml", request_body(address), {"Content-Type": "text/xml"})
        headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() != "date"}
        answers.append((answer.status, headers, answer.body))
        web.close()
    assert answers[0][0] == 401
    assert answers[0] == answers[1] == answers[2]


def test_autodiscover_answers_stay_the_same(server: Server) -> None:
    """Outlook caches them and acts on differences."""
    web = server.web("tom@bm.lan")
    headers = {"Content-Type": "text/xml", "X-MapiHttpCapability": "1"}
    answers = {
        web.send("POST", "/autodiscover/autodiscover.xml", request_body("tom@bm.lan"), headers).body for _ in "123"
    }
    assert len(answers) == 1


def test_another_users_mailbox_is_refused(server: Server, tom: Profile, anna: Profile) -> None:
    assert tom.account is not None
    assert anna.account is not None
    session = Session(MapiHttp(server.web("tom@bm.lan"), tom.account.mail_store_url))
    with pytest.raises((ExecuteFailedError, ResponseCodeError)):
        session.connect(anna.account.legacy_dn)


def test_leaving_without_disconnect_and_coming_back(server: Server, tom: Profile) -> None:
    """Outlook returns with Connect and its old cookies."""
    assert tom.account is not None
    http = MapiHttp(server.web("tom@bm.lan"), tom.account.mail_store_url)
    for _ in range(3):
        session = Session(http)
        session.connect(tom.account.legacy_dn)
        session.open(rops.logon(0, tom.account.legacy_dn), [rops.NO_HANDLE])
        http.web.close()


def test_two_profiles_at_once(server: Server, tom: Profile, anna: Profile) -> None:
    first = Profile(server.web("tom@bm.lan"), account=tom.account)
    second = Profile(server.web("anna@bm.lan"), account=anna.account)
    one, one_logon = first.log_on()
    two, two_logon = second.log_on()
    for _ in range(3):
        assert one.call(rops.get_receive_folder(0, ""), [one_logon])[0] == tom.special("Inbox")
        assert two.call(rops.get_receive_folder(0, ""), [two_logon])[0] == anna.special("Inbox")
    one.disconnect()
    assert two.call(rops.get_receive_folder(0, "IPM.Note"), [two_logon])[0] == anna.special("Inbox")
    two.disconnect()


def test_the_name_cannot_be_matched_to_a_name_in_the_address_list(server: Server, tom: Profile, anna: Profile) -> None:
    assert tom.account is not None
    assert anna.account is not None
    book = AddressBook(MapiHttp(server.web("tom@bm.lan"), tom.account.address_book_url))
    book.bind()
    names = ["anna@bm.lan", "Anna Lind", "=SMTP:anna@bm.lan", anna.account.legacy_dn, "nobody at all"]
    mids, rows = book.resolve_names(names)
    assert mids == [2, 2, 2, 2, 0]
    assert {row[0x39FE001F] for row in rows} == {"anna@bm.lan"}
    assert all(len(row[0x0FFF0102]) > 28 for row in rows)  # permanent entry ids (MS-OXNSPI 2.2.9.3)
    stat, rows = book.browse(Stat(), 1)
    assert len(rows) == 1
    assert stat.total_recs >= 2
    book.unbind()


def test_a_web_browser_sees_a_page(server: Server) -> None:
    for path in ("/", "/mapi/emsmdb", "/MAPI/Nspi/"):
        answer = server.web("tom@bm.lan").send("GET", path, b"", {})
        assert answer.status == 200
        assert b"<html" in answer.body.lower()
