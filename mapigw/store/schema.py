"""The tables. Every mailbox table's primary key begins with ``mailbox_id``, so that the same schema shards.

Object ids and change numbers are the bare 48-bit GLOBCNT counters (MS-OXCDATA 2.2.1); times are FILETIME; GUIDs are the
16 bytes of their little-endian form. A change here is a migration in ``migrations/versions`` (a test compares them).
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

domain = Table(
    "domain",
    metadata,
    Column("domain_id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),  # lower case
)

mailbox = Table(
    "mailbox",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("guid", LargeBinary(16), nullable=False, unique=True),  # MailboxId of the URLs, PidTagStoreRecordKey
    Column("replica_guid", LargeBinary(16), nullable=False),  # REPLGUID of every id of this mailbox (ReplId 1)
    Column("next_counter", BigInteger, nullable=False),  # GLOBCNT: the next folder id or change number
    Column("next_message_id", BigInteger, nullable=False),  # of the block that was taken from the counter for messages
    Column("last_message_id", BigInteger, nullable=False),
    Column("properties", LargeBinary, nullable=False),  # what clients set on the Logon object: propList and index
    Column("properties_index", LargeBinary, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("sent_copy", String, nullable=False),  # of what others send in its name: directory/sharing.py
    sqlite_autoincrement=True,  # ids are never used again, as clients remember them
)


def _shown_columns() -> tuple[Column[Any], ...]:
    return (
        Column("hidden", Boolean, nullable=False),  # from address lists
        Column("details", LargeBinary, nullable=False),  # directory/details.py
        Column("source", String),  # entryUUID or objectGUID of the LDAP entry that it is synchronized from
    )


user = Table(  # a mailbox: a user's, a shared one, a room, equipment
    "user",
    metadata,
    Column("user_id", Integer, primary_key=True),
    Column("domain_id", ForeignKey("domain.domain_id"), nullable=False, index=True),
    Column("mailbox_id", ForeignKey("mailbox.mailbox_id"), nullable=False, unique=True),
    Column("address", String, nullable=False, unique=True),  # primary SMTP address, lower case; without @: a name
    Column("display_name", String, nullable=False),
    Column("legacy_dn", String, nullable=False, unique=True),  # as announced; compared without regard to case
    Column("password_hash", String, nullable=False),  # "": none
    Column("enabled", Boolean, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    *_shown_columns(),
    Column("manager", String, index=True),  # legacy DN of another entry
    Column("source_dn", String),  # of the LDAP entry
    sqlite_autoincrement=True,
)
Index("user_by_source", user.c.source, unique=True)

group = Table(  # distribution groups: lists of recipients, grantees of permissions
    "group",
    metadata,
    Column("group_id", Integer, primary_key=True),
    Column("domain_id", ForeignKey("domain.domain_id"), nullable=False, index=True),
    Column("address", String, nullable=False, unique=True),  # lower case
    Column("display_name", String, nullable=False),
    Column("legacy_dn", String, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    *_shown_columns(),
    sqlite_autoincrement=True,
)
Index("group_by_source", group.c.source, unique=True)

contact = Table(  # people elsewhere, in the address list of a domain
    "contact",
    metadata,
    Column("contact_id", Integer, primary_key=True),
    Column("domain_id", ForeignKey("domain.domain_id"), nullable=False),
    Column("address", String, nullable=False),  # lower case
    Column("display_name", String, nullable=False),
    Column("legacy_dn", String, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    *_shown_columns(),
    Column("manager", String, index=True),
    sqlite_autoincrement=True,
)
Index("contact_by_address", contact.c.domain_id, contact.c.address, unique=True)
Index("contact_by_source", contact.c.source, unique=True)

proxy = Table(  # further addresses of an entry, and further DNs, which begin with "/"; lower case
    "proxy",
    metadata,
    Column("proxy_id", Integer, primary_key=True),
    Column("address", String, nullable=False, index=True),
    Column("user_id", ForeignKey("user.user_id", ondelete="CASCADE"), index=True),
    Column("group_id", ForeignKey("group.group_id", ondelete="CASCADE"), index=True),
    Column("contact_id", ForeignKey("contact.contact_id", ondelete="CASCADE"), index=True),
)

group_member = Table(  # a user, another group or a contact
    "group_member",
    metadata,
    Column("group_member_id", Integer, primary_key=True),
    Column("group_id", ForeignKey("group.group_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("user_id", ForeignKey("user.user_id", ondelete="CASCADE"), index=True),
    Column("member_group_id", ForeignKey("group.group_id", ondelete="CASCADE"), index=True),
    Column("contact_id", ForeignKey("contact.contact_id", ondelete="CASCADE"), index=True),
)

group_manager = Table(  # a user or a group, who may change who is a member
    "group_manager",
    metadata,
    Column("group_manager_id", Integer, primary_key=True),
    Column("group_id", ForeignKey("group.group_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("user_id", ForeignKey("user.user_id", ondelete="CASCADE"), index=True),
    Column("manager_group_id", ForeignKey("group.group_id", ondelete="CASCADE"), index=True),
)

mailbox_grant = Table(  # rights on a mailbox as a whole, beside those on its folders
    "mailbox_grant",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("legacy_dn", String, primary_key=True),  # of a user or a group, lower case
    Column("right", String, nullable=False),  # "read", "write", "manage"
)

subscription = Table(  # the mailboxes that a user's clients are told of
    "subscription",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("user_id", ForeignKey("user.user_id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("active", Boolean, nullable=False),
)

binary_attribute = Table(  # what is too large to be held in memory
    "binary_attribute",
    metadata,
    Column("legacy_dn", String, primary_key=True),  # of the entry, lower case
    Column("name", String, primary_key=True),  # "photo", "certificates"
    Column("position", Integer, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

directory_change = Table(  # which entries have changed, for those who hold the directory in memory; old rows go
    "directory_change",
    metadata,
    Column("change_id", Integer, primary_key=True),
    Column("kind", String, nullable=False),  # "user", "group", "contact"
    Column("entry_id", Integer, nullable=False),
    sqlite_autoincrement=True,
)

folder = Table(
    "folder",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("folder_id", BigInteger, primary_key=True),
    Column("parent_id", BigInteger, nullable=False),  # of the root: 0
    Column("name", String, nullable=False),
    Column("folder_type", Integer, nullable=False),  # PidTagFolderType: 0 root, 1 generic, 2 search
    Column("container_class", String, nullable=False),
    Column("special", String, nullable=False),  # key of a well-known folder (mailbox/special_folders.py), else ""
    Column("change_number", BigInteger, nullable=False),
    Column("source_key", LargeBinary),  # as imported; NULL: made of the folder id
    Column("change_key", LargeBinary),  # as imported; NULL: made of the change number
    Column("predecessor_change_list", LargeBinary),  # NULL: the change key alone
    Column("created", BigInteger, nullable=False),
    Column("modified", BigInteger, nullable=False),
    Column("content_count", Integer, nullable=False),
    Column("content_unread_count", Integer, nullable=False),
    Column("associated_count", Integer, nullable=False),
    Column("content_size", BigInteger, nullable=False),
    Column("associated_size", BigInteger, nullable=False),
    Column("deleted_count", Integer, nullable=False),
    Column("content_change_number", BigInteger, nullable=False),  # of the last change to what the folder contains
    Column("local_commit_time", BigInteger, nullable=False),  # PidTagLocalCommitTimeMax
    Column("deleted", BigInteger),  # when it was soft-deleted; NULL: it is not
    Column("hierarchy_change_number", Integer, nullable=False),  # subfolders that were ever added or deleted
    Column("hier_rev", BigInteger, nullable=False),  # PidTagHierRev: when the last was
    Column("properties", LargeBinary, nullable=False),  # everything else that was set: propList and index
    Column("properties_index", LargeBinary, nullable=False),
)
Index("folder_by_change", folder.c.mailbox_id, folder.c.change_number)
Index("folder_by_parent", folder.c.mailbox_id, folder.c.parent_id)
Index("folder_by_special", folder.c.mailbox_id, folder.c.special)


def _message_columns() -> tuple[Column[Any], ...]:
    return (
        Column("mailbox_id", Integer, primary_key=True),
        Column("message_id", BigInteger, primary_key=True),
        Column("folder_id", BigInteger, nullable=False),
        Column("is_associated", Boolean, nullable=False),
        Column("change_number", BigInteger, nullable=False),
        Column("read_change_number", BigInteger, nullable=False),  # 0: the read state has not changed since the save
        Column("source_key", LargeBinary),  # as for folders
        Column("change_key", LargeBinary),
        Column("predecessor_change_list", LargeBinary),
        Column("message_flags", Integer, nullable=False),  # PidTagMessageFlags without the computed bits
        Column("message_status", Integer, nullable=False),  # PidTagMessageStatus, which is not replicated
        Column("is_read", Boolean, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("modified", BigInteger, nullable=False),  # PidTagLastModificationTime
        Column("local_commit_time", BigInteger, nullable=False),  # PidTagLocalCommitTime
        Column("sort_time", BigInteger, nullable=False),  # delivery time, or the modification time where there is none
        # Copies of properties, for tables; NULL: the message does not have it.
        Column("delivery_time", BigInteger),  # PidTagMessageDeliveryTime
        Column("message_class", String, nullable=False),
        Column("subject", String),
        Column("normalized_subject", String),
        Column("sent_representing_name", String),
        Column("importance", Integer, nullable=False),
        Column("has_attachments", Boolean, nullable=False),
        Column("conversation_id", LargeBinary),
        Column("properties", LargeBinary, nullable=False),  # propList; values over 8 KiB are placeholders
        Column("properties_index", LargeBinary, nullable=False),
        Column("children", LargeBinary, nullable=False),  # recipients and attachments in FastTransfer encoding
        Column("children_index", LargeBinary, nullable=False),
    )


message = Table("message", metadata, *_message_columns())
Index(
    "message_by_time",
    message.c.mailbox_id,
    message.c.folder_id,
    message.c.sort_time,
    message.c.message_id,
    message.c.is_associated,
    message.c.change_number,
    message.c.size,
)
Index(  # everything that tables sort and restrict by in SQL, so that the rows with their contents are not touched
    "message_by_delivery",
    message.c.mailbox_id,
    message.c.folder_id,
    message.c.is_associated,
    message.c.delivery_time,
    message.c.message_id,
    message.c.is_read,
    message.c.message_flags,
    message.c.message_status,
    message.c.has_attachments,
    message.c.size,
    message.c.modified,
    message.c.local_commit_time,
    message.c.change_number,
    message.c.importance,
    message.c.message_class,
    message.c.subject,
    message.c.normalized_subject,
    message.c.sent_representing_name,
    message.c.conversation_id,
)
Index("message_by_change", message.c.mailbox_id, message.c.folder_id, message.c.change_number)
Index("message_by_read_change", message.c.mailbox_id, message.c.folder_id, message.c.read_change_number)

deleted_message = Table(  # soft-deleted: out of the way of everything that looks at folders, until it is recovered
    "deleted_message",
    metadata,
    *_message_columns(),
    Column("deleted", BigInteger, nullable=False),  # when
)
Index(
    "deleted_message_by_time",
    deleted_message.c.mailbox_id,
    deleted_message.c.folder_id,
    deleted_message.c.deleted,
    deleted_message.c.is_associated,
)

message_mime = Table(  # the original MIME of what came as Internet mail, for exact export
    "message_mime",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("message_id", BigInteger, primary_key=True),
    Column("mime", LargeBinary, nullable=False),  # up to 8 KiB inline; else the 32-byte digest of the blob
    Column("is_digest", Boolean, nullable=False),
)

tombstone = Table(
    "tombstone",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("folder_id", BigInteger, primary_key=True),  # where the object was; for a folder its parent
    Column("change_number", BigInteger, primary_key=True),
    Column("object_id", BigInteger, primary_key=True),
    Column("is_folder", Boolean, nullable=False),
    Column("is_associated", Boolean, nullable=False),
)

Index("tombstone_by_object", tombstone.c.mailbox_id, tombstone.c.object_id)
Index(
    "tombstone_of_folder",
    tombstone.c.mailbox_id,
    tombstone.c.change_number,
    sqlite_where=tombstone.c.is_folder.is_(True),
    postgresql_where=tombstone.c.is_folder.is_(True),
)

named_property = Table(
    "named_property",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("property_id", Integer, primary_key=True),  # 0x8000 and up: never renumbered, never reused
    Column("property_set", LargeBinary(16), nullable=False),
    Column("lid", BigInteger),  # NULL for a string name
    Column("name", String),
)

receive_folder = Table(
    "receive_folder",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("message_class", String, primary_key=True),
    Column("folder_id", BigInteger, nullable=False),
    Column("modified", BigInteger, nullable=False),
)

permission = Table(
    "permission",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("folder_id", BigInteger, primary_key=True),
    Column("member_id", BigInteger, primary_key=True),  # PidTagMemberId: 0 default, -1 anonymous
    Column("legacy_dn", String, nullable=False),  # of a user or a group, lower case; of the two others ""
    Column("rights", Integer, nullable=False),  # PidTagMemberRights
)

rule = Table(
    "rule",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("folder_id", BigInteger, primary_key=True),
    Column("rule_id", BigInteger, primary_key=True),  # counter of PidTagRuleId
    Column("sequence", Integer, nullable=False),  # PidTagRuleSequence
    Column("properties", LargeBinary, nullable=False),  # everything else of the rule: propList and index
    Column("properties_index", LargeBinary, nullable=False),
)

out_of_office = Table(  # a mailbox without a row is not out of office
    "out_of_office",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("state", Integer, nullable=False),  # 0 off, 1 on, 2 between start and end
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("audience", Integer, nullable=False),  # of the external text: 0 nobody, 1 the user's contacts, 2 everybody
    Column("internal", String, nullable=False),  # HTML
    Column("external", String, nullable=False),
)

automatic_reply = Table(  # who was answered by a program
    "automatic_reply",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("rule_id", BigInteger, primary_key=True),  # 0: the out-of-office text
    Column("sender", String, primary_key=True),  # address, lower case
    Column("sent", BigInteger, nullable=False),  # when last
)

search_folder = Table(  # criteria of the folders whose type is search
    "search_folder",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("folder_id", BigInteger, primary_key=True),
    Column("restriction", LargeBinary, nullable=False),  # MS-OXCDATA 2.12, with 32-bit counts
    Column("folder_ids", LargeBinary, nullable=False),  # where it searches: 8-byte little-endian counters
    Column("search_flags", Integer, nullable=False),  # as GetSearchCriteria answers them
    Column("started", BigInteger, nullable=False),  # content_change_number at the start: what runs must still find it
)

search_result = Table(
    "search_result",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("folder_id", BigInteger, primary_key=True),
    Column("message_id", BigInteger, primary_key=True),
    Column("is_read", Boolean, nullable=False),  # as the folder's counts have the message
    Column("size", BigInteger, nullable=False),
)
Index("search_result_by_message", search_result.c.mailbox_id, search_result.c.message_id)

search_queue = Table(  # messages whose text the full-text index does not have as it is now, or has still to forget
    "search_queue",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("message_id", BigInteger, primary_key=True),
    Column("queued", BigInteger, primary_key=True),
)

per_user = Table(  # what a user has read of public folders (MS-OXCSTOR 3.2.1.3)
    "per_user",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("folder", LargeBinary(24), primary_key=True),  # LongTermID of the public folder
    Column("replica_guid", LargeBinary(16), nullable=False),  # of the public store
    Column("data", LargeBinary, nullable=False),
    Column("modified", BigInteger, nullable=False),
)

foreign_replica = Table(  # REPLIDs given to REPLGUIDs other than the mailbox's own, which is 1
    "foreign_replica",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("replica_id", Integer, primary_key=True),
    Column("replica_guid", LargeBinary(16), nullable=False),
)

foreign_source_key = Table(  # the ids that source keys of other replicas stand for, for ever
    "foreign_source_key",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("source_key", LargeBinary(24), primary_key=True),
    Column("object_id", BigInteger, nullable=False),
)

deleted_range = Table(  # ids that a client said it will never use in a folder (MS-OXCFXICS 2.2.3.2.4.8)
    "deleted_range",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("folder_id", BigInteger, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

local_replica_range = Table(  # what RopGetLocalReplicaIds handed out: imported ids may only come from here
    "local_replica_range",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("count", Integer, nullable=False),
)

blob = Table(  # who uses a blob, counted; the bytes are in the blob store
    "blob",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
)
Index("blob_by_digest", blob.c.digest)

outgoing = Table(  # mail on its way out, and receipts that are owed; its blobs are counted under mailbox id 0
    "outgoing",
    metadata,
    Column("outgoing_id", Integer, primary_key=True),
    Column("step", Integer, nullable=False),  # what is to be done next (store/queue.py)
    Column("mailbox_id", Integer, nullable=False),  # of who submitted it, or owes the receipt; 0: it passes through
    Column("message_id", BigInteger, nullable=False),  # of the message in that mailbox; 0: none
    Column("target_id", BigInteger, nullable=False),  # of the message that it becomes when it was sent; 0: none
    Column("sender", String, nullable=False),  # reverse path; "" for reports
    Column("locale", Integer, nullable=False),  # LCID of the sender's client
    Column("subject", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),  # when the next step is to be done
    Column("attempts", Integer, nullable=False),
    Column("warned", Boolean, nullable=False),  # the sender was told that it takes long
    Column("copied", Boolean, nullable=False),  # the copy for the sent mail of a second mailbox is made
    Column("digest", LargeBinary(32)),  # of its MIME form in the blob store; NULL: not made yet
    Column("size", BigInteger, nullable=False),  # of the MIME form
    Column("eight_bit", Boolean, nullable=False),  # it needs 8BITMIME
    Column("smtputf8", Boolean, nullable=False),  # it needs SMTPUTF8
    Column("properties", LargeBinary, nullable=False),  # as of a message: what was submitted
    Column("properties_index", LargeBinary, nullable=False),
    Column("children", LargeBinary, nullable=False),
    Column("children_index", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index("outgoing_by_due", outgoing.c.due)
Index("outgoing_by_message", outgoing.c.mailbox_id, outgoing.c.message_id)

outgoing_recipient = Table(
    "outgoing_recipient",
    metadata,
    Column("outgoing_id", ForeignKey("outgoing.outgoing_id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("address", String, nullable=False),  # forward path
    Column("name", String, nullable=False),
    Column("row_id", BigInteger, nullable=False),  # PidTagRowid in the submitted message; -1: none
    Column("mailbox_id", Integer, nullable=False),  # of a recipient here; 0: of one elsewhere
    Column("state", Integer, nullable=False),  # store/queue.py
    Column("status", String, nullable=False),  # RFC 3463, of the last attempt
    Column("diagnostic", String, nullable=False),
)

sent_twin = Table(  # messages that clients had sent under their own ids: asking again sends nothing
    "sent_twin",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("message_id", BigInteger, primary_key=True),
)

calendar_item = Table(  # meetings and meeting messages by what identifies them; follows the folders when it is asked
    "calendar_item",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("message_id", BigInteger, primary_key=True),
    Column("folder_id", BigInteger, nullable=False),
    Column("global_object_id", LargeBinary, nullable=False),  # PidLidCleanGlobalObjectId
    Column("start", BigInteger, nullable=False),  # from when to when it may take time
    Column("end", BigInteger, nullable=False),
)
Index("calendar_item_by_id", calendar_item.c.mailbox_id, calendar_item.c.global_object_id)
Index("calendar_item_by_time", calendar_item.c.mailbox_id, calendar_item.c.folder_id, calendar_item.c.end)

calendar_folder = Table(  # up to which change the table above follows a folder
    "calendar_folder",
    metadata,
    Column("mailbox_id", Integer, primary_key=True),
    Column("folder_id", BigInteger, primary_key=True),
    Column("change_number", BigInteger, nullable=False),
)
