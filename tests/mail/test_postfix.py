"""A real Postfix before and behind the gateway: in by LMTP, out by its SMTP port."""

import asyncio
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from mapigw.mail.relay import Relay, RelaySettings, Security
from mapigw.mailbox.content import decode_message
from mapigw.wire import tags
from tests.mail.sending import Site, site
from tests.mail.test_submission import logged_on, send, smtp

POSTFIX = "/usr/sbin/postfix"
DAEMONS = Path("/usr/lib/postfix/sbin")

pytestmark = [
    pytest.mark.skipif(not (Path(POSTFIX).exists() and DAEMONS.is_dir()), reason="Postfix is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root only"),
]

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/lib
daemon_directory = {daemons}
command_directory = /usr/sbin
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mta.bm.lan
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = bm.lan
virtual_transport = lmtp:{lmtp}
transport_maps = inline:{{ {{far.example = smtp:[127.0.0.1]:{sink}}} }}
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtputf8_enable = yes
message_size_limit = 200000000
virtual_mailbox_limit = 0
mailbox_size_limit = 0
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postfix(lmtp: str, sink: int) -> Iterator[int]:
    """The SMTP port of an instance with its own configuration, queue and log, which goes when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="postfix-", dir="/tmp"))
    port = free_port()
    try:
        folder.chmod(0o755)
        (folder / "spool").mkdir()
        (folder / "lib").mkdir()
        shutil.chown(folder / "lib", pwd.getpwnam("postfix").pw_uid)
        (folder / "main.cf").write_text(MAIN.format(folder=folder, daemons=DAEMONS, lmtp=lmtp, sink=sink))
        (folder / "master.cf").write_text(MASTER.format(port=port))
        started = subprocess.run([POSTFIX, "-c", folder, "start"], capture_output=True, text=True, check=False)
        if started.returncode:
            pytest.skip(f"Postfix does not start: {started.stderr.strip()}")
        try:
            yield port
        finally:
            subprocess.run([POSTFIX, "-c", folder, "stop"], capture_output=True, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "data") as found:
        await found.add("tom@bm.lan", "Tom")
        await found.add("eva@bm.lan", "Eva")
        yield found


def message(to: str, text: str) -> EmailMessage:
    found = EmailMessage()
    found["From"], found["To"], found["Subject"] = "Anna <anna@far.example>", to, f"Grüße {text}"
    found.set_content(f"{text} äöü\n.\n..\n")
    found.add_attachment(os.urandom(100_000), maintype="application", subtype="octet-stream", filename="a.bin")
    return found


async def test_mail_comes_in_and_goes_out_through_postfix(here: Site) -> None:
    async with here.lmtp.listening(("127.0.0.1", 0)) as where:
        with postfix(f"inet:{where}", here.relay.port) as port:
            sent = message("tom@bm.lan, eva@bm.lan, ghost@bm.lan", "in")

            def submit() -> None:
                with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
                    client.send_message(sent, from_addr="anna@far.example")

            await asyncio.to_thread(submit)

            async def arrived() -> bool:
                return bool(await here.rows("tom@bm.lan") and await here.rows("eva@bm.lan") and here.relay.taken)

            await here.until(arrived, 30)
            (row,) = await here.rows("tom@bm.lan")
            content = decode_message(row)
            assert content.properties[tags.PidTagSubject] == "Grüße in"
            assert content.properties[tags.PidTagBody].splitlines() == ["in äöü", ".", ".."]
            assert len(content.attachments) == 1
            # Who is unknown was refused, so that Postfix tells the sender.
            bounce = message_from_bytes(here.relay.taken[0].content, policy=default)
            assert (here.relay.taken[0].sender, bounce.get_content_type()) == ("<>", "multipart/report")
            assert "ghost@bm.lan" in str(bounce)

            here.relay.taken.clear()
            here.transport._relay = Relay(RelaySettings("127.0.0.1", port, Security.NONE, hostname="mail.bm.lan"))
            async with logged_on(here) as client:
                await send(here, client, [smtp("anna@far.example", "Anna"), smtp("eva@bm.lan")])

            async def left() -> bool:
                return bool(here.relay.taken)

            await here.until(left, 30)
            await here.transport._relay.close()
            (taken,) = here.relay.taken
            assert (taken.sender, taken.recipients) == ("tom@bm.lan", ["anna@far.example"])
            out = message_from_bytes(taken.content, policy=default)
            assert isinstance(out, EmailMessage)
            assert (out["Subject"], out.get_content().rstrip()) == ("Hello", "The text.")
            assert "by mta.bm.lan (Postfix)" in str(out["Received"])
            assert len(await here.rows("eva@bm.lan")) == 2


async def test_postfix_delivers_to_a_unix_socket(here: Site) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lmtp-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        async with here.lmtp.listening(str(folder / "socket")) as where:
            with postfix(f"unix:{where}", here.relay.port) as port:

                def submit() -> None:
                    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
                        for number in range(10):
                            client.send_message(message("tom@bm.lan", str(number)), from_addr="anna@far.example")

                await asyncio.to_thread(submit)

                async def arrived() -> bool:
                    return len(await here.rows("tom@bm.lan")) == 10

                await here.until(arrived, 30)
        subjects = {row.subject for row in await here.rows("tom@bm.lan")}
        assert subjects == {f"Grüße {number}" for number in range(10)}
    finally:
        shutil.rmtree(folder)
