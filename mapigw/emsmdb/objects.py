"""Server objects: what a handle of a session stands for (MS-OXCROPS 1.3.1).

Each handler module subclasses `ServerObject` for its own kind (folder, message, attachment, table, stream, …).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mapigw.directory.model import User
    from mapigw.emsmdb.session import Session
    from mapigw.mailbox.mailboxes import Mailbox


class ServerObject:
    """Anything that has a handle. ``logon`` is the logon that it was opened under."""

    logon: Logon

    def __init__(self, logon: Logon) -> None:
        self.logon = logon

    async def close(self) -> None:
        """Let go of what the object holds. Called once: on RopRelease, with its logon, or at the session's end."""


class Logon(ServerObject):
    """A logon to one private mailbox (MS-OXCSTOR 1.3.1): the root of every object opened under its LogonId.

    ``owner`` is the user whose mailbox it is, who need not be the session's user.
    """

    def __init__(self, session: Session, logon_id: int, mailbox: Mailbox, owner: User) -> None:
        super().__init__(self)
        self.session = session
        self.logon_id = logon_id
        self.mailbox = mailbox
        self.owner = owner


class Folder(ServerObject):
    """An open folder (MS-OXCFOLD)."""

    def __init__(self, logon: Logon, folder_id: int) -> None:
        super().__init__(logon)
        self.folder_id = folder_id
