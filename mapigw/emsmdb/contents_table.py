"""Contents tables (MS-OXCFOLD 2.2.1.14, 3.2.5.14; MS-OXCTABL): the messages of a folder, with their categories."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, ClassVar, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Folder
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.table import Table, encode_row
from mapigw.emsmdb.table_notification import RowChange, RowKey, TableWatch
from mapigw.emsmdb.values import Reader
from mapigw.mailbox.bodies.stored import add_plain_bodies
from mapigw.mailbox.categories import Category, CollapseState, Grouping, SortKey
from mapigw.mailbox.contents import (
    BATCH,
    Listing,
    View,
    continued,
    count_messages,
    is_listed_by_columns,
    list_first_messages,
    list_messages,
    matching_ids,
    matching_rows,
    read_messages,
)
from mapigw.mailbox.contents_decoding import instance_tag, row_values, single_tag, stored_tag
from mapigw.mailbox.events import Event, Kind
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.message_properties import message_properties
from mapigw.mailbox.permissions import Access, Rights, is_creator, message_access, permission_lists
from mapigw.mailbox.restrictions import Candidate, matches
from mapigw.store.contents import Scope
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import MULTIPLE, MULTIPLE_INSTANCE
from mapigw.wire.restrictions import Restriction

ASSOCIATED: Final = 0x02
NO_NOTIFICATIONS: Final = 0x10
SOFT_DELETES: Final = 0x20
USE_UNICODE: Final = 0x40
CONVERSATION_MEMBERS: Final = 0x80
# Associated, DeferredErrors, NoNotifications, SoftDeletes, UseUnicode, ConversationMembers
FLAGS: Final = 0xFA

FIRST_ROWS: Final = 256
"""Rows that are listed alone when the first ones are asked for: it costs little, all rows of a large folder do not."""
EXPANDED_CATEGORY: Final = 3  # of PidTagRowType (MS-OXCTABL 2.2.1.3)
COLLAPSED_CATEGORY: Final = 4
CATEGORY_REPLICA: Final = 0
"""The replica id in a header row's PidTagInstID, so that it is no message's."""


class ContentsTable(Table):
    """Messages of a folder, newest first until they are sorted.

    Its keys are places among the rows of data; that of a header row is the complement of its number. The rows are
    listed when they are first looked at after a change of what they are.
    """

    rops = frozenset(
        {
            "SortTable",
            "Restrict",
            "FindRow",
            "Abort",
            "CreateBookmark",
            "SeekRowBookmark",
            "FreeBookmark",
            "ResetTable",
            "ExpandRow",
            "CollapseRow",
            "GetCollapseState",
            "SetCollapseState",
        }
    )
    default_columns: ClassVar[tuple[int, ...]] = (
        tags.PidTagFolderId,
        tags.PidTagMid,
        tags.PidTagInstID,
        tags.PidTagInstanceNum,
        tags.PidTagRowType,
        tags.PidTagDepth,
        tags.PidTagContentCount,
        tags.PidTagContentUnreadCount,
        tags.PidTagMessageClass,
        tags.PidTagSubject,
        tags.PidTagNormalizedSubject,
        tags.PidTagSentRepresentingName,
        tags.PidTagMessageDeliveryTime,
        tags.PidTagMessageFlags,
        tags.PidTagMessageSize,
        tags.PidTagHasAttachments,
        tags.PidTagImportance,
        tags.PidTagLastModificationTime,
    )

    def __init__(self, folder: Folder, view: View, *, want_unicode: bool) -> None:
        super().__init__(folder, (), want_unicode=want_unicode)
        self.view = view
        self._opened_view = view
        self._listing: Listing | None = None
        self._is_whole = True

    async def ready(self, upto: int | None = None) -> None:
        mailbox = self.logon.mailbox
        if self._listing is None and upto is not None and upto < FIRST_ROWS:
            self._listing = await list_first_messages(mailbox, self.view, FIRST_ROWS)
            self._is_whole = self._listing is None or len(self._listing.ids) < FIRST_ROWS
        if self._listing is None:
            self._listing = await list_messages(mailbox, self.view)
        elif not self._is_whole and (upto is None or upto > len(self._listing.ids)):
            self._listing = continued(self._listing, await list_messages(mailbox, self.view))
            self._is_whole = True
        self._show()

    async def refresh(self) -> None:
        before = self._listing
        if before is None:
            return
        self._listing = None
        await self.ready(None if self._is_whole else 0)
        after = self.listing
        if before.categories is not None and after.categories is not None:
            after.categories.apply(before.categories.changed())
            self._show()
        if _is_plain(before):
            self.follow(before.ids, after.ids)
        else:
            self.position = min(self.position, len(self.keys))
            self._bookmarks.clear()

    def concerned(self, event: Event) -> Sequence[int] | None:
        scope = self.view.scope
        if event.is_emptied:
            return None if event.folder_id == scope.folder_id else ()
        if not event.message_id or event.is_associated != scope.is_associated:
            return ()
        if scope.is_deleted:  # what is deleted comes here, but under no event of its own
            return None if scope.folder_id in (event.folder_id, event.old_folder_id) else ()
        if event.search_folder_id:
            return (event.message_id,) if scope.is_search and event.search_folder_id == scope.folder_id else ()
        if scope.is_search:
            return ()
        ids = [event.message_id] if scope.folder_id in (None, event.folder_id) else []
        if event.kind is Kind.OBJECT_MOVED and scope.folder_id in (None, event.old_folder_id):
            ids.append(event.old_message_id)
        return ids

    async def update(self, ids: Sequence[int]) -> list[RowChange] | None:
        before = self._listing
        if before is None or self.failed or not (_is_plain(before) and is_listed_by_columns(self.view)):
            return None
        await self.refresh()
        after = self.listing.ids
        places = {message_id: place for place, message_id in enumerate(after)}
        known = set(ids).intersection(before.ids)
        gone = [message_id for message_id in ids if message_id not in places and message_id in known]
        shown = sorted(places[message_id] for message_id in ids if message_id in places)
        if not self._is_whole:
            beyond = [message_id for message_id in ids if message_id not in places]
            if await read_messages(self.logon.mailbox, self.view.scope, beyond, lambda row: {}):
                return None
        keys = dict.fromkeys([*shown, *(place - 1 for place in shown if place)])
        rows = dict(zip(keys, await self.load(list(keys)), strict=True))
        changes = [RowChange(self._row_key(message_id, None), None, None, False) for message_id in gone]
        reader = Reader(self.logon, want_unicode=True, truncate=self.value_maximum)
        for place in shown:
            values = rows[place]
            if values is not None:
                previous = self._row_key(after[place - 1], rows[place - 1]) if place else None
                row = await encode_row(reader, self.columns, values)
                key = self._row_key(after[place], values)
                changes.append(RowChange(key, previous, row, after[place] not in known))
        return changes

    def _row_key(self, message_id: int, values: Mapping[int, Any] | None) -> RowKey:
        """A message's row; of one that is gone the folder is not known if it was a search folder's."""
        if values is None:
            return RowKey(self.view.scope.folder_id or 0, message_id)
        return RowKey(ObjectId.from_integer(values[tags.PidTagFolderId]).counter, message_id)

    @property
    def listing(self) -> Listing:
        """Only after `ready`."""
        assert self._listing is not None
        return self._listing

    def _show(self) -> None:
        listing = self.listing
        self.keys = range(len(listing.ids)) if listing.categories is None else listing.categories.visible

    def _change(self, view: View) -> None:
        self.view = view
        self._listing, self._is_whole = None, True
        self.restart()

    # What the rows are

    def set_columns(self, columns: list[int]) -> None:
        instances = {instance_tag(tag) for tag in columns if tag & MULTIPLE_INSTANCE}
        instances |= {instance_tag(key.property_tag) for key in self.view.order if key.property_tag & MULTIPLE_INSTANCE}
        if len(instances) > 1:
            raise RopError(ErrorCode.TooComplex)
        self.columns = columns
        self._set_instance(instances)

    def sort(self, order: tuple[SortKey, ...], grouping: Grouping | None) -> None:
        instances = {instance_tag(key.property_tag) for key in order if key.property_tag & MULTIPLE_INSTANCE}
        instances |= {instance_tag(tag) for tag in self.columns if tag & MULTIPLE_INSTANCE}
        if len(instances) > 1:
            raise RopError(ErrorCode.TooComplex)
        self._change(replace(self.view, order=order, grouping=grouping))
        self._set_instance(instances)

    def _set_instance(self, instances: set[int]) -> None:
        instance = next(iter(instances), 0)
        if instance != self.view.instance_tag:
            self._change(replace(self.view, instance_tag=instance))

    async def restrict(self, restriction: Restriction | None) -> None:
        self._change(replace(self.view, restriction=restriction))
        if restriction is not None and self.view.scope.folder_id is None:
            await self.ready()
            if not self.keys:
                raise RopError(ErrorCode.ConversationNotFound)

    def reset(self) -> None:
        """As it was when it was opened (MS-OXCTABL 3.2.5.16)."""
        if self.watch is not None:
            self.watch.reset()
        self.columns = []
        self.failed.clear()
        self._change(self._opened_view)

    # Rows

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any] | None]:
        ids, mailbox, accessor = self.listing.ids, self.logon.mailbox, self.logon.accessor
        lists = None if accessor.is_owner else await permission_lists(mailbox)

        def properties(row: MessageRow) -> dict[int, Any] | None:
            """None where the user may not read it, or not any more."""
            values = message_properties(mailbox, row)
            if lists is not None:
                creator = is_creator(accessor, values.get(tags.PidTagCreatorEntryId))
                access = message_access(lists.rights(accessor, row.folder_id), is_creator=creator)
                values[tags.PidTagAccess] = int(access)
                return values if access & Access.Read else None
            return values

        found = await read_messages(mailbox, self.view.scope, [ids[key] for key in keys if key >= 0], properties)
        if any(tag >> 16 == tags.PidTagBody >> 16 for tag in self.columns):
            await add_plain_bodies(mailbox, found.values())
        return [self._row(key, found.get(ids[key])) if key >= 0 else self._header(key) for key in keys]

    def _row(self, key: int, values: Mapping[int, Any] | None) -> Mapping[int, Any] | None:
        if values is None:
            return None
        listing = self.listing
        instance = 0 if listing.instances is None else listing.instances[key]
        depth = 0 if listing.categories is None else listing.categories.levels
        row = {**values, **row_values(listing.ids[key], instance, depth)}
        if self.view.instance_tag:
            tag = stored_tag(self.view.instance_tag & ~MULTIPLE_INSTANCE)
            items = values.get(tag)
            if isinstance(items, list) and instance < len(items):
                row[tag & ~MULTIPLE] = items[instance]
        return row

    def _header(self, key: int) -> Mapping[int, Any]:
        category = self._category(key)
        values = {stored_tag(single_tag(tag)): value for tag, value in category.values.items() if value is not None}
        return {
            **values,
            tags.PidTagInstID: ObjectId(CATEGORY_REPLICA, category.counter).to_integer(),
            tags.PidTagInstanceNum: 0,
            tags.PidTagRowType: EXPANDED_CATEGORY if category.is_expanded else COLLAPSED_CATEGORY,
            tags.PidTagDepth: category.level,
            tags.PidTagContentCount: category.end - category.start,
            tags.PidTagContentUnreadCount: category.unread,
        }

    def _category(self, key: int) -> Category:
        categories = self.listing.categories
        assert categories is not None
        return categories.categories[~key]

    async def find(self, restriction: Restriction | None, positions: range) -> int | None:
        mailbox, ids, instances = self.logon.mailbox, self.listing.ids, self.listing.instances
        if restriction is None:
            return await super().find(None, positions)
        matching = await matching_ids(mailbox, self.view.scope, restriction)
        for start in range(0, len(positions), BATCH):
            some = positions[start : start + BATCH]
            rows: set[tuple[int, int]] = set()
            if matching is None:
                messages = [ids[self.keys[position]] for position in some if self.keys[position] >= 0]
                rows = await matching_rows(mailbox, self.view, messages, restriction)
            for position in some:
                key = self.keys[position]
                if key < 0:
                    found = matches(restriction, Candidate(self._header(key)))
                elif matching is not None:
                    found = ids[key] in matching
                else:
                    found = (ids[key], 0 if instances is None else instances[key]) in rows
                if found:
                    return position
        return None

    # Categories

    def place(self, position: int) -> Any:
        categories = self.listing.categories
        if categories is None:
            return position
        return categories.end if position == len(self.keys) else categories.order(self.keys[position])

    def find_place(self, place: Any) -> tuple[int, bool]:
        categories = self.listing.categories
        return super().find_place(place) if categories is None else categories.position(place)

    def category(self, row_id: ObjectId) -> Category:
        """The category of a PidTagInstID. `RopError` NotFound."""
        categories = self.listing.categories
        found = None
        if categories is not None and row_id.replica_id == CATEGORY_REPLICA:
            found = categories.get(row_id.counter)
        if found is None:
            raise RopError(ErrorCode.NotFound)
        return found

    def set_expanded(self, category: Category, *, is_expanded: bool) -> int:
        """Expand or collapse; returns how many rows have appeared or gone. The cursor stays at its row."""
        categories = self.listing.categories
        assert categories is not None
        place = self.place(self.position)
        count = categories.set_expanded(category, is_expanded=is_expanded)
        self._show()
        self.position = self.find_place(place)[0]
        return count

    def collapse_state(self, row_id: ObjectId, instance: int) -> CollapseState:
        """What is expanded, and a row to come back to."""
        categories = self.listing.categories
        changed = [] if categories is None else categories.changed()
        return CollapseState(self._fingerprint(), row_id.to_bytes(), instance, changed)

    def apply(self, state: CollapseState) -> None:
        """Expand and collapse as ``state`` says, and move the cursor to its row; to the beginning where it is gone.

        `RopError` InvalidParameter when it is of a table with another order or restriction (2.2.2.20).
        """
        if state.fingerprint != self._fingerprint():
            raise RopError(ErrorCode.InvalidParameter)
        categories, row_id = self.listing.categories, ObjectId.from_bytes(state.row_id)
        key: int | None
        if categories is not None:
            categories.apply(state.changed)
            self._show()
        if categories is not None and row_id.replica_id == CATEGORY_REPLICA:
            key = categories.header(row_id.counter)
        else:
            key = self._leaf(row_id, state.instance)
        if key is None:
            self.position = 0
        else:
            self.position = key if categories is None else categories.position(categories.order(key))[0]

    def _leaf(self, row_id: ObjectId, instance: int) -> int | None:
        ids, instances = self.listing.ids, self.listing.instances
        if row_id.replica_id == OWN_REPLICA:
            for key, message_id in enumerate(ids):
                if message_id == row_id.counter and (instances is None or instances[key] == instance):
                    return key
        return None

    def _fingerprint(self) -> bytes:
        """Of what decides which rows and categories there are, and how they are sorted."""
        view = self.view
        decisive = (view.scope, view.restriction, view.order, view.grouping, view.instance_tag)
        return blake2b(repr(decisive).encode(), digest_size=16).digest()


def _is_plain(listing: Listing) -> bool:
    return listing.instances is None and listing.categories is None


@handles("GetContentsTable")
async def get_contents_table(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.14"""
    folder = call.object(Folder)
    flags = request.table_flags
    if flags & ~FLAGS:
        raise RopError(ErrorCode.InvalidParameter)
    row = await folder.row()
    logon = folder.logon
    mailbox = logon.mailbox
    rights = await logon.rights(folder.folder_id)
    if not rights & (Rights.FolderVisible | Rights.ReadAny):
        raise RopError(ErrorCode.AccessDenied)
    if flags & CONVERSATION_MEMBERS and (row.special != "root" or not logon.accessor.is_owner):
        raise RopError(ErrorCode.NotSupported)
    is_search = row.folder_type == SEARCH_FOLDER
    scope = Scope(
        mailbox.mailbox_id,
        None if flags & CONVERSATION_MEMBERS else folder.folder_id,
        is_associated=bool(flags & ASSOCIATED),
        is_deleted=bool(flags & SOFT_DELETES),
        is_search=is_search and not flags & SOFT_DELETES,
    )
    view = View(scope, creator=None if rights & Rights.ReadAny else logon.accessor)
    table = ContentsTable(folder, view, want_unicode=bool(flags & USE_UNICODE))
    call.open(request, table)
    if not flags & NO_NOTIFICATIONS:
        table.watch = TableWatch(table)
        await logon.listening.add(table.watch)
    if view.creator is not None:
        await table.ready()
        return {"row_count": len(table.keys)}
    if flags & (SOFT_DELETES | CONVERSATION_MEMBERS) or is_search:
        return {"row_count": await count_messages(mailbox, scope)}
    return {"row_count": row.associated_count if flags & ASSOCIATED else row.content_count}
