"""Keeps the directory as an LDAP server or Active Directory has it (``mapigw directory sync``)."""

import asyncio
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from mapigw.directory.directory import Directory
from mapigw.directory.editing import Change, Editor
from mapigw.directory.errors import DirectoryError
from mapigw.directory.ldap_connection import LdapServer, LdapUnavailable, connected, ldap3_module
from mapigw.directory.ldap_records import LdapMapping, lowered
from mapigw.directory.records import Applier, Failure, Record, RecordKind, Report
from mapigw.store import directory as rows
from mapigw.store.directory_changes import EntryId, EntryKind

PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Source:
    """Where entries come from."""

    server: LdapServer
    bind_dn: str
    password: str = field(repr=False)
    base: str
    domain: str
    """The mail domain whose list contacts are in."""
    filters: Mapping[str, str]
    """By kind; an entry is of the first kind whose filter lets it through, and of none whose filter is empty."""
    mapping: Mapping[str, Sequence[str]]
    """Overrides, see `LdapMapping`."""


@dataclass(frozen=True, slots=True)
class _Found:
    kind: RecordKind
    dn: str
    attributes: Mapping[str, Sequence[bytes]]


class Synchronizer:
    """One synchronization. An entry that cannot be taken over is reported, and stays as it is here."""

    def __init__(self, directory: Directory, source: Source, *, dry_run: bool = False, remove: bool = False) -> None:
        self._directory = directory
        self._source = source
        self._mapping = LdapMapping(source.mapping)
        self._dry_run = dry_run
        self._remove = remove

    async def run(self) -> Report:
        """Raises `LdapUnavailable`: then nobody is taken for vanished, but what was read has been taken over."""
        ldap3_module()
        applier = Applier(self._directory, dry_run=self._dry_run)
        async with self._directory.editing() as editor:
            before = await rows.sources(editor.connection)
        applier.know_sources(dict(before))
        seen: set[str] = set()
        with closing(self._pages()) as pages:
            while (page := await asyncio.to_thread(next, pages, None)) is not None:
                await applier.apply(self._records(page, seen, applier.report))
        if not seen:
            raise LdapUnavailable(f"{self._source.server.url}: nothing was found below {self._source.base!r}")
        await applier.finish()
        vanished = {source: entry for source, entry in before.items() if source not in seen}
        await self._vanish(vanished, applier.report)
        return applier.report

    def _records(self, page: Sequence[_Found], seen: set[str], report: Report) -> list[Record]:
        records = []
        for found in page:
            values = lowered(found.attributes)
            try:
                source = self._mapping.source(values)
                if source in seen:
                    continue
                seen.add(source)
                record = self._mapping.record(
                    found.dn, values, found.kind, found.dn, domain=self._source.domain, whole=True
                )
            except DirectoryError as error:
                report.failures.append(Failure(found.dn, str(error)))
                continue
            record.source, record.source_dn = source, found.dn
            records.append(record)
        return records

    def _pages(self) -> Generator[list[_Found], None, None]:
        """Runs in worker threads, one after the other."""
        source = self._source
        with connected(source.server, source.bind_dn, source.password) as connection:
            if not connection.bind():
                raise LdapUnavailable(f"{source.server.url}: {source.bind_dn}: {connection.result['description']}")
            for kind, wanted in source.filters.items():
                if wanted:
                    yield from self._search(connection, RecordKind(kind), wanted)

    def _search(self, connection: Any, kind: RecordKind, wanted: str) -> Iterator[list[_Found]]:
        ldap3 = ldap3_module()
        page: list[_Found] = []
        entries = connection.extend.standard.paged_search(
            self._source.base,
            wanted,
            search_scope=ldap3.SUBTREE,
            attributes=self._mapping.requested,
            paged_size=PAGE,
            generator=True,
        )
        for entry in entries:
            if entry["type"] != "searchResEntry":  # a reference to another server
                continue
            page.append(_Found(kind, entry["dn"], dict(entry["raw_attributes"])))
            if len(page) == PAGE:
                yield page
                page = []
        if page:
            yield page

    async def _vanish(self, vanished: Mapping[str, EntryId], report: Report) -> None:
        """Disable, or remove, who is not there any more."""
        if not vanished:
            return
        async with self._directory.editing() as editor:
            await editor.know_entries(vanished.values())
            for entry in sorted(vanished.values()):
                await self._vanish_one(editor, entry, report)

    async def _vanish_one(self, editor: Editor, entry: EntryId, report: Report) -> None:
        row = await editor.row(entry)
        if self._remove:
            report.lines.append(f"remove {entry.kind} {row['address']}")
            report.vanished += 1
            if not self._dry_run:
                await editor.remove(entry)
            return
        is_user = entry.kind is EntryKind.USER
        # What has no switch is taken out of the lists instead. The DN tells a later run that it was not there.
        gone = Change(enabled=False, source_dn="") if is_user else Change(hidden=True)
        if row["enabled" if is_user else "hidden"] is (not is_user) and not row.get("source_dn"):
            return
        report.lines.append(
            f"disable {entry.kind} {row['address']}" if is_user else f"hide {entry.kind} {row['address']}"
        )
        report.vanished += 1
        if not self._dry_run:
            await editor.change(entry, gone)
