import re

from tests.cli.conftest import Run


def add_user(run: Run, address: str) -> None:
    assert run("user", "add", address, "--password-stdin", text="secret\n").exit_code == 0


def test_a_group_from_its_making_to_its_removal(run: Run) -> None:
    add_user(run, "tom@bm.lan")
    assert run("group", "add", "Staff@bm.lan", "--display-name", "All staff").output == "Added staff@bm.lan.\n"
    assert run("group", "add", "board@bm.lan").exit_code == 0
    assert run("group", "add-member", "staff@bm.lan", "tom@bm.lan").output == "Members of staff@bm.lan: tom@bm.lan\n"
    both = run("group", "add-member", "staff@bm.lan", "board@bm.lan")
    assert both.output == "Members of staff@bm.lan: board@bm.lan, tom@bm.lan\n"
    shown = run("group", "show", "staff@bm.lan").output
    assert "Name      All staff\nMembers   board@bm.lan, tom@bm.lan\n" in shown
    assert re.search(r"LegacyDN  /o=mapigw/ou=.*/cn=[0-9a-f]{32}-staff\n", shown)
    listed = run("group", "list").output
    assert "All staff" in listed
    assert "board" in listed
    left = run("group", "remove-member", "staff@bm.lan", "board@bm.lan")
    assert left.output == "Members of staff@bm.lan: tom@bm.lan\n"
    assert run("group", "remove-member", "staff@bm.lan", "tom@bm.lan").output == "Members of staff@bm.lan: none\n"
    assert run("group", "remove", "staff@bm.lan").output == "Removed staff@bm.lan.\n"
    assert "All staff" not in run("group", "list").output


def test_what_cannot_be_done_is_said_in_one_line(run: Run) -> None:
    add_user(run, "tom@bm.lan")
    run("group", "add", "staff@bm.lan")
    for arguments, complaint in (
        (("add", "tom@bm.lan"), "tom@bm.lan is already an address of tom@bm.lan"),
        (("add", "staff@bm.lan"), "staff@bm.lan is already an address of staff@bm.lan"),
        (("show", "nobody@bm.lan"), "there is no group nobody@bm.lan"),
        (("remove", "nobody@bm.lan"), "there is no group nobody@bm.lan"),
        (("add-member", "nobody@bm.lan", "tom@bm.lan"), "there is no group nobody@bm.lan"),
        (("add-member", "staff@bm.lan", "ann@bm.lan"), "there is no user ann@bm.lan"),
        (("remove-member", "staff@bm.lan", "tom@bm.lan"), "tom@bm.lan is not a member of staff@bm.lan"),
    ):
        result = run("group", *arguments)
        assert result.exit_code == 1
        assert complaint in result.output
