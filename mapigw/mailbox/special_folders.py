"""The folders every mailbox has, and the properties that lead a client to them (MS-OXOSFLD, MS-OXCSTOR 2.2.1.1.3)."""

from dataclasses import dataclass
from typing import Final

from mapigw.wire import tags
from mapigw.wire.entryids import PersistId


@dataclass(frozen=True, slots=True)
class SpecialFolder:
    key: str
    parent: str
    name: str
    container_class: str = ""
    hidden: bool = False


# The thirteen of RopLogon's response in its order, then the default folders that clients expect to find.
SPECIAL_FOLDERS: Final = (
    SpecialFolder("root", "", ""),
    SpecialFolder("deferred_action", "root", "Deferred Action"),
    SpecialFolder("spooler_queue", "root", "Spooler Queue"),
    SpecialFolder("ipm_subtree", "root", "Top of Information Store"),
    SpecialFolder("inbox", "ipm_subtree", "Inbox", "IPF.Note"),
    SpecialFolder("outbox", "ipm_subtree", "Outbox", "IPF.Note"),
    SpecialFolder("sent_items", "ipm_subtree", "Sent Items", "IPF.Note"),
    SpecialFolder("deleted_items", "ipm_subtree", "Deleted Items", "IPF.Note"),
    SpecialFolder("common_views", "root", "Common Views"),
    SpecialFolder("schedule", "root", "Schedule"),
    SpecialFolder("search", "root", "Finder"),
    SpecialFolder("views", "root", "Views"),
    SpecialFolder("shortcuts", "root", "Shortcuts"),
    SpecialFolder("calendar", "ipm_subtree", "Calendar", "IPF.Appointment"),
    SpecialFolder("contacts", "ipm_subtree", "Contacts", "IPF.Contact"),
    SpecialFolder("drafts", "ipm_subtree", "Drafts", "IPF.Note"),
    SpecialFolder("journal", "ipm_subtree", "Journal", "IPF.Journal"),
    SpecialFolder("notes", "ipm_subtree", "Notes", "IPF.StickyNote"),
    SpecialFolder("tasks", "ipm_subtree", "Tasks", "IPF.Task"),
    SpecialFolder("junk_email", "ipm_subtree", "Junk E-mail", "IPF.Note"),
    SpecialFolder("sync_issues", "ipm_subtree", "Sync Issues", "IPF.Note"),
    SpecialFolder("conflicts", "sync_issues", "Conflicts", "IPF.Note"),
    SpecialFolder("local_failures", "sync_issues", "Local Failures", "IPF.Note"),
    SpecialFolder("server_failures", "sync_issues", "Server Failures", "IPF.Note"),
    SpecialFolder(
        "conversation_actions", "ipm_subtree", "Conversation Action Settings", "IPF.Configuration", hidden=True
    ),
    SpecialFolder("quick_steps", "ipm_subtree", "Quick Step Settings", "IPF.Configuration", hidden=True),
    SpecialFolder("freebusy_data", "root", "Freebusy Data"),
)

LOGON_FOLDERS: Final = tuple(folder.key for folder in SPECIAL_FOLDERS[:13])

# PidTagIpm…EntryId on the root folder and the Inbox (MS-OXOSFLD 2.2.3).
ENTRY_ID_PROPERTIES: Final = {
    tags.PidTagIpmAppointmentEntryId: "calendar",
    tags.PidTagIpmContactEntryId: "contacts",
    tags.PidTagIpmDraftsEntryId: "drafts",
    tags.PidTagIpmJournalEntryId: "journal",
    tags.PidTagIpmNoteEntryId: "notes",
    tags.PidTagIpmTaskEntryId: "tasks",
}

# PidTagAdditionalRenEntryIds, in order (MS-OXOSFLD 2.2.4).
ADDITIONAL_REN_ENTRY_IDS: Final = ("conflicts", "sync_issues", "local_failures", "server_failures", "junk_email")

# PidTagAdditionalRenEntryIdsEx (MS-OXOSFLD 2.2.5); the client adds the folders that it makes itself.
ADDITIONAL_REN_ENTRY_IDS_EX: Final = {
    PersistId.RSF_PID_CONV_ACTIONS: "conversation_actions",
    PersistId.RSF_PID_COMBINED_ACTIONS: "quick_steps",
}

# The receive folder table of a new mailbox (MS-OXCSTOR 3.2.3).
RECEIVE_FOLDERS: Final = {"": "inbox", "IPM": "inbox", "Report.IPM": "inbox", "IPC": "root"}
