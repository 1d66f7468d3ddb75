"""Rights on shared mailboxes and subscriptions, from the command line."""

import re

import pytest

from tests.cli.conftest import Run
from tests.cli.test_entries import cells, done, refused


@pytest.fixture
def prepared(run: Run) -> Run:
    for name in ("tom", "eva"):
        done(run("user", "add", f"{name}@bm.lan", "--no-password"))
    done(run("group", "add", "staff@bm.lan"))
    done(run("group", "add-member", "staff@bm.lan", "eva@bm.lan"))
    done(run("shared", "add", "info@bm.lan", "--display-name", "Information"))
    return run


def shown(run: Run) -> dict[str, str]:
    lines = done(run("shared", "show", "info@bm.lan")).splitlines()
    return dict(re.split(" +", line, maxsplit=1) for line in lines if re.search(r"\S +\S", line))


def test_rights_are_given_shown_and_taken_back(prepared: Run) -> None:
    run = prepared
    assert done(run("shared", "grant", "info@bm.lan", "tom@bm.lan", "read")) == "tom@bm.lan has read on info@bm.lan.\n"
    done(run("shared", "grant", "info@bm.lan", "tom@bm.lan", "write"))
    done(run("shared", "grant", "info@bm.lan", "staff@bm.lan", "manage"))
    found = shown(run)
    assert (found["write"], found["manage"], found["sent_copy"]) == ("tom@bm.lan", "staff@bm.lan", "both")
    assert "read" not in found
    assert done(run("shared", "revoke", "info@bm.lan", "tom@bm.lan")) == (
        "tom@bm.lan has no right on info@bm.lan any more.\n"
    )
    assert "write" not in shown(run)
    refused(run("shared", "revoke", "info@bm.lan", "tom@bm.lan"), "has no right on info@bm.lan")


def test_a_right_of_somebody_who_is_gone_is_taken_back_by_its_dn(prepared: Run) -> None:
    run = prepared
    done(run("shared", "grant", "info@bm.lan", "tom@bm.lan", "write"))
    done(run("user", "remove", "tom@bm.lan", "--yes"))
    dn = shown(run)["write"]
    assert dn.startswith("/o=")
    done(run("shared", "revoke", "info@bm.lan", dn))
    assert "write" not in shown(run)


def test_what_cannot_be_granted(prepared: Run) -> None:
    run = prepared
    refused(run("shared", "grant", "info@bm.lan", "nobody@bm.lan", "read"), "there is nobody called nobody@bm.lan")
    refused(run("shared", "grant", "tom@bm.lan", "eva@bm.lan", "read"), "there is nobody called tom@bm.lan")
    refused(run("shared", "grant", "info@bm.lan", "info@bm.lan", "read"), "cannot have a right")
    assert run("shared", "grant", "info@bm.lan", "tom@bm.lan", "everything").exit_code == 2
    done(run("contact", "add", "x@far.example", "--domain", "bm.lan"))
    refused(run("shared", "grant", "info@bm.lan", "x@far.example", "read"), "only other users, and groups")


def test_subscriptions(prepared: Run) -> None:
    run = prepared
    assert "not shown before there is a right" in done(run("subscribe", "tom@bm.lan", "info@bm.lan"))
    assert cells(run("subscriptions", "tom@bm.lan"))[-1] == ["info@bm.lan", "Information", "none", "yes"]
    done(run("shared", "grant", "info@bm.lan", "staff@bm.lan", "write", "--subscribe"))
    assert cells(run("subscriptions", "eva@bm.lan"))[-1] == ["info@bm.lan", "Information", "write", "yes"]
    assert done(run("subscribe", "eva@bm.lan", "info@bm.lan", "--inactive")) == (
        "eva@bm.lan has subscribed to info@bm.lan, inactive.\n"
    )
    assert shown(run)["Subscribed"] == "eva@bm.lan (inactive), tom@bm.lan"
    done(run("unsubscribe", "tom@bm.lan", "info@bm.lan"))
    assert shown(run)["Subscribed"] == "eva@bm.lan (inactive)"
    refused(run("unsubscribe", "tom@bm.lan", "info@bm.lan"), "tom@bm.lan has not subscribed to info@bm.lan")
    refused(run("subscribe", "tom@bm.lan", "eva@bm.lan"), "there is nobody called eva@bm.lan")
    refused(run("subscribe", "info@bm.lan", "info@bm.lan"), "there is nobody called info@bm.lan")


def test_who_keeps_what_is_sent(prepared: Run) -> None:
    run = prepared
    done(run("shared", "set", "info@bm.lan", "sent_copy=mailbox", "comment=Everything"))
    assert (shown(run)["sent_copy"], shown(run)["comment"]) == ("mailbox", "Everything")
    refused(run("shared", "set", "info@bm.lan", "sent_copy=nobody"), "member, mailbox, both", 2)
    assert shown(run)["sent_copy"] == "mailbox"
