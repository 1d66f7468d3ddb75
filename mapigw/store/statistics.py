"""What a process counts of its own work: plain numbers, which cost next to nothing until somebody looks at them.

Every layer that has the `Database` at hand counts on its ``statistics``; what shows the numbers is the server's
business. All but `Total` is counted on the event loop only.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

SECONDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0
)  # fmt: skip
"""Upper bounds for durations, from a ROP that reads memory to a NotificationWait."""


class Distribution:
    """How many values lie up to each of some bounds, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Values above the previous bound and up to this one; the last: above all bounds."""
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Total:
    """A sum that worker threads add to."""

    __slots__ = ("_lock", "value")

    def __init__(self) -> None:
        self.value = 0
        self._lock = Lock()

    def add(self, number: int) -> None:
        with self._lock:
            self.value += number


@dataclass(slots=True)
class Statistics:
    """Of one store, since the process opened it."""

    writers_waiting: int = 0
    """Transactions that wait for their turn now."""
    write_waits: Distribution = field(default_factory=Distribution)
    """Seconds from asking for a transaction to its beginning."""
    writes: Distribution = field(default_factory=Distribution)
    """Seconds from a transaction's beginning to its end, commit included."""
    deliveries: Counter[str] = field(default_factory=Counter)
    """Messages that were taken for delivery, by what became of each recipient: a few fixed words, never an address."""
    blob_bytes_read: Total = field(default_factory=Total)
    blob_bytes_written: Total = field(default_factory=Total)
