"""Who a request's credentials belong to.

Every request of every protocol carries them, so the answer is usually remembered; only what is not costs a hash and may
be made to wait. To somebody without the password all refusals are one: an unknown address, a wrong password and a
disabled user take the same way, with one verification each, and their failures are counted alike.
"""

import asyncio
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b

from mapigw.directory.addresses import lookup_key
from mapigw.directory.backends import Backend, BackendUnavailable, LocalBackend
from mapigw.directory.directory import Directory
from mapigw.directory.model import Account, MailboxKind, User
from mapigw.directory.throttle import Refused, Throttle

REMEMBERED_SECONDS = 600.0
REMEMBERED_LIMIT = 20_000  # users
_DIGEST_SIZE = 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A success: of which credentials, of which password, until when."""

    digest: bytes
    password_mark: int
    until: float


class Authenticator:
    """Checks credentials against a directory. One for the process: it remembers and it counts."""

    def __init__(
        self,
        directory: Directory,
        *,
        backend: Backend | None = None,
        throttle: Throttle | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._directory = directory
        self._backend = backend or LocalBackend(directory.passwords)
        self._throttle = throttle or Throttle(clock=clock, sleep=sleep)
        self._clock = clock
        self._sleep = sleep
        self._key = secrets.token_bytes(_DIGEST_SIZE)
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()  # by primary address, latest last
        # By the digest of the text that carried them: the address that was given, and the success.
        self._recalled: OrderedDict[bytes, tuple[str, _Remembered]] = OrderedDict()
        self._verifying: dict[tuple[bytes, str], asyncio.Task[User | Refused | BackendUnavailable | None]] = {}

    @property
    def remembered(self) -> int:
        """How many users' credentials are known without verification."""
        return len(self._remembered)

    def recall(self, text: str) -> User | None:
        """The user of a remembered success whose `authenticate` was told of this ``text``.

        None says nothing about the credentials: they must be authenticated.
        """
        found = self._recalled.get(self._digest("", text))
        if found is None:
            return None
        address, success = found
        user = self._directory.at_hand(address)
        if user is None or self._remembered.get(user.address) is not success:
            return None
        return user if self._holds(success, user) else None

    async def authenticate(self, address: str, password: str, client_address: str, *, text: str = "") -> User | None:
        """The user whose primary address or alias and password these are, or None, for whatever reason.

        A remembered success is answered at once (a few µs), whatever others get wrong meanwhile. Else the answer may
        wait for seconds, asleep, where the account or the client has failed before.

        ``text`` is what the credentials were read from; with it `recall` knows them without reading them again.

        Raises `BackendUnavailable`: nobody can say now whether the password is right.
        """
        user = await self._directory.by_address(address)
        digest = self._digest(user.address if user else address, password)
        if user is not None and (success := self._remembers(user, digest)):
            if text:
                self._keep(text, address, success)
            return user
        # A client opens several connections at once, each with the same credentials: one verification serves them all.
        # It is a task of its own, so that a client that hangs up neither takes the others' answer along nor is spared
        # the count of its failure.
        key = (digest, client_address)
        task = self._verifying.get(key)
        if task is None:
            task = asyncio.create_task(self._verify(address, password, client_address))
            self._verifying[key] = task
            task.add_done_callback(lambda _: self._verifying.pop(key, None))
        outcome = await asyncio.shield(task)
        if isinstance(outcome, Refused):
            await self._sleep(outcome.pause)  # here, not in the task: who hangs up leaves nothing behind
            return None
        if isinstance(outcome, BackendUnavailable):
            raise outcome
        return outcome

    async def _verify(
        self, address: str, password: str, client_address: str
    ) -> User | Refused | BackendUnavailable | None:
        # Failures are counted under the address as it was given, whoever has it: if those of an alias slowed down the
        # primary address as well, the delay would tell which addresses exist and belong together.
        name = lookup_key(address) or address
        try:
            async with self._throttle.attempt(name, client_address) as attempt:
                account = await self._directory.account(address)  # as it is after the wait
                usable = account is not None and account.user.enabled and account.user.kind is MailboxKind.USER
                try:
                    matches = await self._backend.verify(account, address, password)
                except BackendUnavailable as error:
                    attempt.undecided = True
                    _log.error("whether a password is right cannot be asked: %s", error)
                    return error
                attempt.succeeded = usable and matches
        except Refused as refusal:
            return refusal
        if account is None or not attempt.succeeded:
            return None
        account = await self._with_current_hash(account, password)
        self._remember(account.user, self._digest(account.user.address, password))
        return account.user

    async def _with_current_hash(self, account: Account, password: str) -> Account:
        """Store a hash with today's parameters where an older one stands."""
        passwords = self._directory.passwords
        if not isinstance(self._backend, LocalBackend) or not passwords.needs_rehash(account.password_hash):
            return account
        password_hash = await passwords.hash(password)
        if not await self._directory.replace_password_hash(account, password_hash):
            return account
        _log.info("the password hash of %s has been renewed", account.user.address)
        user = await self._directory.by_address(account.user.address)  # with the mark of that hash
        return account if user is None else Account(user, password_hash)

    def _digest(self, address: str, password: str) -> bytes:
        # The length keeps "a" + "bc" and "ab" + "c" apart.
        given = address.encode("utf-8", "surrogatepass")
        text = len(given).to_bytes(4, "big") + given + password.encode("utf-8", "surrogatepass")
        return blake2b(text, key=self._key, digest_size=_DIGEST_SIZE).digest()

    def _remembers(self, user: User, digest: bytes) -> _Remembered | None:
        found = self._remembered.get(user.address)
        if found is None or not hmac.compare_digest(found.digest, digest):
            return None
        return found if self._holds(found, user) else None

    def _holds(self, success: _Remembered, user: User) -> bool:
        """Whether the success is one of the user as it is now."""
        return user.enabled and success.password_mark == user.password_mark and self._clock() < success.until

    def _remember(self, user: User, digest: bytes) -> None:
        address = user.address
        self._remembered[address] = _Remembered(digest, user.password_mark, self._clock() + REMEMBERED_SECONDS)
        self._remembered.move_to_end(address)
        if len(self._remembered) > REMEMBERED_LIMIT:
            self._remembered.popitem(last=False)

    def _keep(self, text: str, address: str, success: _Remembered) -> None:
        key = self._digest("", text)
        self._recalled[key] = (address, success)
        self._recalled.move_to_end(key)
        if len(self._recalled) > REMEMBERED_LIMIT:
            self._recalled.popitem(last=False)
