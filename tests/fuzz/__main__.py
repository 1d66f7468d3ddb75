"""python -m tests.fuzz: mutated real bytes through every wire parser; anything but WireError is a finding."""

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable

from mapigw.wire.errors import WireError
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import Target, targets

_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
_SLOW_SECONDS = 1.0


class Mutator:
    """Changes to a seed, reproducible by the random seed."""

    def __init__(self, source: random.Random, corpus: list[bytes]) -> None:
        self._source = source
        self._corpus = corpus

    def mutated(self, seed: bytes) -> bytes:
        data = bytearray(seed)
        changes: tuple[Callable[[bytearray], None], ...] = (
            self._flip,
            self._set,
            self._number,
            self._cut,
            self._insert,
            self._repeat,
            self._splice,
        )
        for _ in range(self._source.choice((1, 1, 1, 2, 3, 8))):
            if data:
                self._source.choice(changes)(data)
        return bytes(data[:20_000])

    def _place(self, data: bytearray) -> int:
        return self._source.randrange(len(data))

    def _flip(self, data: bytearray) -> None:
        data[self._place(data)] ^= 1 << self._source.randrange(8)

    def _set(self, data: bytearray) -> None:
        data[self._place(data)] = self._source.randrange(256)

    def _number(self, data: bytearray) -> None:
        size = self._source.choice((1, 2, 4))
        place = self._place(data)
        data[place : place + size] = (self._source.choice(_EXTREMES) & ((1 << 8 * size) - 1)).to_bytes(size, "little")

    def _cut(self, data: bytearray) -> None:
        del data[self._place(data) :]

    def _insert(self, data: bytearray) -> None:
        place = self._place(data)
        data[place:place] = self._source.randbytes(self._source.choice((1, 2, 4, 16)))

    def _repeat(self, data: bytearray) -> None:
        start = self._place(data)
        piece = bytes(data[start : start + self._source.choice((1, 4, 16))])
        data[start:start] = piece * self._source.choice((1, 2, 200))

    def _splice(self, data: bytearray) -> None:
        other = self._source.choice(self._corpus)
        place = self._place(data)
        data[place:] = other[self._source.randrange(len(other)) :]


def _try(target: Target, data: bytes) -> str | None:
    """What is wrong with the parser, or None."""
    started = time.perf_counter()
    try:
        target(data)
    except WireError:
        pass
    except Exception:
        return traceback.format_exc(limit=-4)
    seconds = time.perf_counter() - started
    return f"took {seconds:.1f} s" if seconds > _SLOW_SECONDS else None


def _place(problem: str) -> str:
    """Where it happened: the innermost frame and the kind of error."""
    lines = problem.strip().splitlines()
    frames = [line.strip() for line in lines if line.lstrip().startswith("File ")]
    return "".join(frames[-1:]) + lines[-1].split(":")[0]


def run(seconds: float, seed: int) -> int:
    """Number of findings, each printed once for each target and last line of its traceback."""
    source = random.Random(seed)
    corpus = seeds()
    mutator = Mutator(source, corpus)
    parsers = targets()
    starts: dict[str, list[bytes]] = {}
    known: set[tuple[str, str]] = set()

    def check(name: str, data: bytes) -> None:
        problem = _try(parsers[name], data)
        if problem is None:
            return
        key = name, _place(problem)
        if key not in known:
            known.add(key)
            sys.stdout.write(f"{name}\n  bytes {data[:200].hex()}{'…' if len(data) > 200 else ''}\n{problem}\n")

    for name, target in parsers.items():
        accepted = []
        for item in corpus:
            check(name, item)
            try:
                target(item)
            except Exception:
                continue
            accepted.append(item)
        starts[name] = accepted or corpus
    names = list(parsers)
    end = time.monotonic() + seconds
    runs = 0
    while time.monotonic() < end:
        for name in names:
            pool = starts[name] if source.random() < 0.8 else corpus
            check(name, mutator.mutated(source.choice(pool)))
        runs += len(names)
    sys.stdout.write(f"{len(names)} parsers, {len(corpus)} seeds, {runs} runs, {len(known)} findings (--seed {seed})\n")
    return len(known)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="repeat a run; else another one each time")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1 << 32)
    return 1 if run(arguments.seconds, seed) else 0


if __name__ == "__main__":
    sys.exit(main())
