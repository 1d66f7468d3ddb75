"""From a change that is on disk to the bytes of the answers that wait for it; what waiting sessions cost the server."""

import asyncio
import selectors
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles

from rich.table import Table

from benchmarks.waiting import Account, Context, allow_files, ready, subscribed, waiting
from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.store.database import Database
from tests.outlook import rops
from tests.outlook.server import Server

SESSIONS_OF_A_MAILBOX = 5
CHANGES_A_SECOND = 50
IDLE_SESSIONS_OF_A_MAILBOX = 50
BATCH = 200
PATIENCE = 120.0  # seconds, on a machine that has other things to do
COMMENT = 0x3004001F
DISPLAY_NAME = 0x3001001F
INBOX = 0x0500_0000_0000_0001  # its folder id: counter 5 of replica 1, as RopLogon says


def measure_notifications(sessions: int, changes: int, rounds: int = 3) -> Table:
    """``sessions`` that wait, five on each mailbox, and ``changes`` at 50 a second in each round."""
    allow_files(2 * sessions + 512)
    table = Table("notifications", "median ms", "99 % ms", "slowest ms", title="From a commit to the waiting response")
    found: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        users = asyncio.run(_users(data, max(1, sessions // SESSIONS_OF_A_MAILBOX)))
        commits = data / "commits"
        program = [sys.executable, "-m", "benchmarks.timed_server", str(commits)]
        with Server(data, tls=False, program=program) as server:
            world = _Changes(server, users, commits)
            for _ in range(rounds):
                seconds = world.run(changes)
                found.append((median(seconds), quantiles(seconds, n=100)[98], max(seconds)))
                what = f"{sessions} sessions on {len(users)} mailboxes, {len(seconds)} answers"
                table.add_row(what, *(f"{value * 1e3:.2f}" for value in found[-1]))
    middle = [f"{median(column) * 1e3:.2f}" for column in zip(*found, strict=True)]
    table.add_row("median (wanted: under 5 and 20)", *middle)
    return table


def measure_idle_sessions(sessions: int, rounds: int = 9) -> Table:
    """What sessions that wait take of memory, and how they slow down an Execute of another session."""
    allow_files(sessions + 512)
    table = Table("idle sessions", "kB each (wanted: under 40)", "Execute ms", title="Sessions that wait")
    with tempfile.TemporaryDirectory() as crowded, tempfile.TemporaryDirectory() as empty:
        users = asyncio.run(_users(Path(crowded), max(1, sessions // IDLE_SESSIONS_OF_A_MAILBOX)))
        (alone,) = asyncio.run(_users(Path(empty), 1))
        with Server(Path(crowded), tls=False) as server, Server(Path(empty), tls=False) as other:
            accounts = [Account.of(server.url, user) for user in users]
            contexts = [waiting(account) for account in accounts]  # mailboxes and logins are remembered
            busy = [subscribed(accounts[0]), subscribed(Account.of(other.url, alone))]
            for context in busy:
                _executes(context)
            before = server.resident_bytes()
            turns = cycle(accounts)
            while len(contexts) < sessions:
                contexts.append(waiting(next(turns)))
            each = (server.resident_bytes() - before) / (sessions - len(accounts))
            # In turns, as the machine may have other things to do now and then.
            found = [[_executes(context) for context in busy] for _ in range(rounds)]
            for context in contexts:
                context.socket.close()
    crowd, none = (median(column) for column in zip(*found, strict=True))
    table.add_row(f"{sessions} sessions", f"{each / 1e3:.1f}", f"{crowd * 1e3:.3f}")
    table.add_row("none", "", f"{none * 1e3:.3f}")
    table.add_row("ratio (wanted: under 1.2)", "", f"{median(first / second for first, second in found):.2f}")
    return table


class _Changes:
    """A server's waiting sessions, and one writing session for each mailbox."""

    def __init__(self, server: Server, users: Sequence[User], commits: Path) -> None:
        self._commits = commits
        self._selector = selectors.DefaultSelector()
        self._waiting: set[Context] = set()
        self._fetching: set[Context] = set()
        self._writers: deque[Context] = deque()
        self._unanswered: dict[int, int] = defaultdict(int)
        """Answers that a mailbox's last change has still to bring; the writer's own is one."""
        self._answered: list[tuple[int, float]] = []
        """Which mailbox, and when the answer arrived."""
        for user in users:
            account = Account.of(server.url, user)
            writer = Context(account)
            writer.open(rops.open_folder(0, 1, INBOX))
            self._writers.append(writer)
            self._selector.register(writer.socket, selectors.EVENT_READ, writer)
            for _ in range(SESSIONS_OF_A_MAILBOX):
                context = waiting(account)
                self._waiting.add(context)
                self._selector.register(context.socket, selectors.EVENT_READ, context)

    def run(self, changes: int) -> list[float]:
        """Seconds from the commit to each answer."""
        writers = {id(writer) for writer in self._writers}
        self._answered.clear()
        started = time.perf_counter()
        begun = 0
        patience = started + PATIENCE + changes / CHANGES_A_SECOND
        while begun < changes or any(self._unanswered.values()):
            if time.perf_counter() > patience:
                raise RuntimeError(f"{len(self._answered)} answers to {begun} changes")
            due = started + begun / CHANGES_A_SECOND - time.perf_counter() if begun < changes else 1.0
            if due <= 0 and begun < changes and not self._unanswered[self._writers[0].account.user.mailbox_id]:
                writer = self._writers[0]
                self._writers.rotate(-1)
                self._unanswered[writer.account.user.mailbox_id] = 1 + SESSIONS_OF_A_MAILBOX
                begun += 1
                writer.send("Execute", writer.body([rops.set_properties(1, {COMMENT: str(begun)})]))
                continue
            for context in ready(self._selector, max(due, 0.0005)):
                if context.receive():
                    self._go_on(context, is_writer=id(context) in writers)
        return self._seconds()

    def _go_on(self, context: Context, *, is_writer: bool) -> None:
        mailbox_id = context.account.user.mailbox_id
        if is_writer:
            context.answer()
            self._unanswered[mailbox_id] -= 1
        elif context in self._waiting:
            if not context.is_told():
                raise RuntimeError("an answer without an event")
            self._answered.append((mailbox_id, context.arrived))
            self._waiting.remove(context)
            self._fetching.add(context)
            context.send("Execute", context.body([]))
        else:
            context.answer()
            self._fetching.remove(context)
            self._waiting.add(context)
            context.wait()
            self._unanswered[mailbox_id] -= 1

    def _seconds(self) -> list[float]:
        committed: dict[int, list[float]] = defaultdict(list)
        for line in self._commits.read_text().splitlines():
            number, at = line.split()
            committed[int(number)].append(float(at))
        found = []
        for mailbox_id, arrived in self._answered:
            found.append(arrived - max(at for at in committed[mailbox_id] if at < arrived))
        return found


def _executes(context: Context) -> float:
    """Seconds that an Execute takes at the median of a few."""
    found = []
    for _ in range(BATCH):
        started = time.perf_counter()
        context.execute([rops.get_properties_specific(0, [DISPLAY_NAME])])
        found.append(time.perf_counter() - started)
    return median(found)


async def _users(data: Path, count: int) -> list[User]:
    database = await Database.open(data)
    directory = Directory(database)
    users = [await directory.add(f"waiting{number}@bm.lan", "secret") for number in range(count)]
    await database.close()
    return users
