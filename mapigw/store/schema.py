"""The tables. Every mailbox table's primary key begins with ``mailbox_id``, so that the same schema shards.

Object ids and change numbers are the bare 48-bit GLOBCNT counters (MS-OXCDATA 2.2.1); times are FILETIME; GUIDs are the
16 bytes of their little-endian form. A change here is a migration in ``migrations/versions`` (a test compares them).
"""

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
    sqlite_autoincrement=True,  # ids are never used again, as clients remember them
)

user = Table(
    "user",
    metadata,
    Column("user_id", Integer, primary_key=True),
    Column("domain_id", ForeignKey("domain.domain_id"), nullable=False, index=True),
    Column("mailbox_id", ForeignKey("mailbox.mailbox_id"), nullable=False, unique=True),
    Column("address", String, nullable=False, unique=True),  # primary SMTP address, lower case
    Column("display_name", String, nullable=False),
    Column("legacy_dn", String, nullable=False, unique=True),  # as announced; compared without regard to case
    Column("password_hash", String, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

alias = Table(
    "alias",
    metadata,
    Column("address", String, primary_key=True),  # lower case
    Column("user_id", ForeignKey("user.user_id", ondelete="CASCADE"), nullable=False, index=True),
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
    Column("properties", LargeBinary, nullable=False),  # everything else that was set: propList and index
    Column("properties_index", LargeBinary, nullable=False),
)
Index("folder_by_change", folder.c.mailbox_id, folder.c.change_number)

message = Table(
    "message",
    metadata,
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
    Column("is_read", Boolean, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified", BigInteger, nullable=False),  # PidTagLastModificationTime
    Column("sort_time", BigInteger, nullable=False),  # delivery time, or the modification time where there is none
    Column("message_class", String, nullable=False),
    Column("normalized_subject", String, nullable=False),
    Column("sender_name", String, nullable=False),
    Column("importance", Integer, nullable=False),
    Column("has_attachments", Boolean, nullable=False),
    Column("conversation_id", LargeBinary),
    Column("properties", LargeBinary, nullable=False),  # propList; values over 8 KiB are placeholders
    Column("properties_index", LargeBinary, nullable=False),
    Column("children", LargeBinary, nullable=False),  # recipients and attachments in FastTransfer encoding
    Column("children_index", LargeBinary, nullable=False),
)
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
Index("message_by_change", message.c.mailbox_id, message.c.folder_id, message.c.change_number)
Index("message_by_read_change", message.c.mailbox_id, message.c.folder_id, message.c.read_change_number)

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
