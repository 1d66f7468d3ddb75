"""Generation of a large offline address book in a process of its own: seconds and memory."""

import random
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID
from zlib import crc32

from rich.table import Table

from benchmarks.nspi import details_of
from mapigw.directory.directory import legacy_dn
from mapigw.directory.model import Contact, Entry, Group, User
from oab.entries import Binaries
from oab.generation import generate
from oab.verification import verify

DOMAIN = "bm.lan"
CHANGED = 100
_FIRST = ("Anna", "Émile", "Maria", "Peter", "Tom", "Ülrich", "Zoë", "山田")
_LAST = ("Bauer", "Ivanov", "Lind", "Müller", "Okafor", "Smith", "Tanaka")


def _people(count: int) -> list[Entry]:
    """One in fifty is a contact, one in a hundred a group of twenty."""
    chance = random.Random(count)
    people: list[Entry] = []
    for number in range(count):
        guid, address = UUID(int=chance.getrandbits(128)), f"user{number}@{DOMAIN}"
        first, last = chance.choice(_FIRST), chance.choice(_LAST)
        name, dn = f"{first} {last} {number}", legacy_dn(guid, address)
        details = details_of(chance, first, last)
        aliases = (f"alias{number}@{DOMAIN}",)
        if number % 100 == 0:
            members = tuple(f"user{chance.randrange(count)}@{DOMAIN}" for _ in range(20))
            people.append(Group(number, address, name, dn, DOMAIN, members))
        elif number % 50 == 0:
            people.append(Contact(number, address, name, dn, DOMAIN, aliases=aliases, details=details))
        else:
            people.append(User(number, number, guid, address, name, dn, DOMAIN, aliases, True, False, details=details))
    return people


def _read(entries: Sequence[Entry]) -> Binaries:
    """Every tenth has a certificate and a photo."""
    chosen = [entry.legacy_dn.lower() for entry in entries if crc32(entry.legacy_dn.encode()) % 10 == 0]
    return Binaries({dn: [bytes(1200)] for dn in chosen}, set(chosen))


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _run(count: int) -> list[tuple[str, float, float, int]]:
    """(what, seconds, peak memory of the process in MB, bytes), one after the other."""
    people = _people(count)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)

        def measured(name: str, work: Callable[[], int]) -> None:
            started = time.perf_counter()
            size = work()
            found.append((name, time.perf_counter() - started, _megabytes(), size))

        measured("the entries themselves", lambda: 0)
        measured("made (wanted: under 60 s, 300 MB)", lambda: generate(data, DOMAIN, people, _read).full.size)
        measured("nothing changed", lambda: generate(data, DOMAIN, people, _read).full.size)
        for number in random.Random(1).sample(range(count), min(count, CHANGED)):
            people[number] = replace(people[number], display_name=f"Changed {number}")
        measured(
            f"{CHANGED} changed, differential file",
            lambda: generate(data, DOMAIN, people, _read).differences[-1].size,
        )
        measured("verification", lambda: len(list(verify(data, DOMAIN, people, _read))))
    return found


def measure_oab(entries: int) -> Table:
    table = Table("offline address book", "seconds", "process MB", "bytes", title=f"{entries} entries")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for name, seconds, megabytes, size in pool.submit(_run, entries).result():
            table.add_row(name, f"{seconds:.2f}", f"{megabytes:.0f}", str(size))
    return table
