"""Passwords as argon2id hashes (RFC 9106), computed in worker threads, few at a time."""

import asyncio
import os
import secrets
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from mapigw.directory.errors import InvalidPassword

PASSWORD_LIMIT = 1024  # octets of UTF-8
_CONCURRENCY_LIMIT = 4

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """RFC 9106 section 4, the second recommended option: 64 MiB a computation."""

    time_cost: int = 3
    memory_cost: int = 65536  # KiB
    parallelism: int = 4
    hash_length: int = 32
    salt_length: int = 16


class Passwords:
    """Hashes and verifies. At most ``concurrency`` computations run at once, each holding its memory."""

    def __init__(self, parameters: Argon2Parameters | None = None, *, concurrency: int | None = None) -> None:
        parameters = parameters or Argon2Parameters()
        self._hasher = PasswordHasher(
            time_cost=parameters.time_cost,
            memory_cost=parameters.memory_cost,
            parallelism=parameters.parallelism,
            hash_len=parameters.hash_length,
            salt_len=parameters.salt_length,
            type=Type.ID,
        )
        self._slots = asyncio.Semaphore(concurrency or min(os.cpu_count() or 1, _CONCURRENCY_LIMIT))
        self._running: set[asyncio.Task[object]] = set()
        # No password has this hash: it costs what a real one costs, and nobody has computed it.
        salt, digest = (
            b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
            for length in (parameters.salt_length, parameters.hash_length)
        )
        self._nobodys = (
            f"$argon2id$v=19$m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
            f"${salt}${digest}"
        )

    async def hash(self, password: str) -> str:
        """The encoded hash to store. Raises `InvalidPassword` for an empty or overlong password."""
        if not password:
            raise InvalidPassword("the password is empty")
        if len(_octets(password)) > PASSWORD_LIMIT:
            raise InvalidPassword(f"the password is longer than {PASSWORD_LIMIT} bytes")
        return await self._compute(lambda: self._hasher.hash(_octets(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password has this hash. None (there is no such account) takes as long and is False."""
        return await self._compute(lambda: self._verify(password_hash or self._nobodys, password))

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _octets(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _compute(self, computation: Callable[[], _T]) -> _T:
        # A thread cannot be stopped: when the caller is cancelled (the client hung up), its slot stays taken until the
        # computation ends, or hanging up would be a way around the bound on memory.
        task = asyncio.ensure_future(self._in_slot(computation))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _in_slot(self, computation: Callable[[], _T]) -> _T:
        async with self._slots:
            return await asyncio.to_thread(computation)


def _octets(password: str) -> bytes:
    # NFC, as RFC 8265 4.2.2 has it: macOS and Windows type the same "ü" as different characters. Escaped surrogates
    # stand for octets that were no UTF-8; they take part like anything else.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
