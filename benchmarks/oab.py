"""Generation of a large offline address book in a process of its own: seconds and memory."""

import random
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID

from rich.table import Table

from mapigw.directory.directory import legacy_dn
from mapigw.directory.model import User
from oab.generation import generate
from oab.verification import verify

DOMAIN = "bm.lan"
CHANGED = 100
_FIRST = ("Anna", "Émile", "Maria", "Peter", "Tom", "Ülrich", "Zoë", "山田")
_LAST = ("Bauer", "Ivanov", "Lind", "Müller", "Okafor", "Smith", "Tanaka")


def _people(count: int) -> list[User]:
    chance = random.Random(count)
    people = []
    for number in range(count):
        guid, address = UUID(int=chance.getrandbits(128)), f"user{number}@{DOMAIN}"
        name = f"{chance.choice(_FIRST)} {chance.choice(_LAST)} {number}"
        alias = (f"alias{number}@{DOMAIN}",)
        people.append(User(number, number, guid, address, name, legacy_dn(guid, address), DOMAIN, alias, True, False))
    return people


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

        measured("the users themselves", lambda: 0)
        measured("made (wanted: under 60 s, 300 MB)", lambda: generate(data, DOMAIN, people, []).full.size)
        measured("nothing changed", lambda: generate(data, DOMAIN, people, []).full.size)
        for number in random.Random(1).sample(range(count), min(count, CHANGED)):
            people[number] = replace(people[number], display_name=f"Changed {number}")
        measured(
            f"{CHANGED} changed, differential file",
            lambda: generate(data, DOMAIN, people, []).differences[-1].size,
        )
        measured("verification", lambda: len(list(verify(data, DOMAIN, people, []))))
    return found


def measure_oab(entries: int) -> Table:
    table = Table("offline address book", "seconds", "process MB", "bytes", title=f"{entries} entries")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for name, seconds, megabytes, size in pool.submit(_run, entries).result():
            table.add_row(name, f"{seconds:.2f}", f"{megabytes:.0f}", str(size))
    return table
