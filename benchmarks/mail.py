"""Generated mail: multi-part messages whose texts differ, in an mbox file."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnrstv" for vowel in "aeio"]
_START = datetime(2024, 1, 1, 8, tzinfo=UTC)


class Generator:
    """The same seed makes the same messages."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._words = ["".join(self._random.choices(_SYLLABLES, k=self._random.randint(1, 4))) for _ in range(4000)]

    def text(self, size: int) -> str:
        """Words, ``size`` characters at most."""
        words = self._random.choices(self._words, k=size // 5)
        return " ".join(words)[:size]

    def word(self, number: int) -> str:
        return self._words[number]

    def _paragraphs(self, size: int) -> list[str]:
        return [self.text(min(400, size - done)) for done in range(0, size, 400)]

    def message(self, number: int, size: int, domain: str = "bm.lan") -> bytes:
        """About ``size`` bytes: one fifth plain text, the rest the same in HTML; below 4 KB plain text only."""
        sender = f"{self._words[number % 4000]}@{domain}"
        moment = _START + timedelta(minutes=7 * number)
        head = (
            f"Received: from mx.{domain} by mail.{domain}; {format_datetime(moment)}\r\n"
            f"From: {self.text(12).title()} <{sender}>\r\n"
            f"To: Tom <tom@{domain}>, {self.text(9).title()} <anna@{domain}>\r\n"
            f"Subject: {self.text(40)}\r\nDate: {format_datetime(moment)}\r\n"
            f"Message-ID: <{number}.{size}@{domain}>\r\n"
            "MIME-Version: 1.0\r\n"
        )
        if size < 4096:
            text = "\r\n".join(self._paragraphs(max(16, size - len(head) - 60)))
            return f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()
        boundary = f"=_{number:08x}"
        plain = self._paragraphs(size // 6)
        html = "\r\n".join(
            f'<p class="MsoNormal" style="margin:0cm;font-size:11.0pt"><span lang="EN">{text}</span></p>'
            for text in [*plain, *self._paragraphs(size * 2 // 5)]
        )
        text = "\r\n".join(plain)
        return (
            f'{head}Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'
            f"--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
            f"--{boundary}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>{html}</body></html>\r\n"
            f"--{boundary}--\r\n"
        ).encode()

    def messages(self, count: int, size: int) -> Iterator[bytes]:
        for number in range(count):
            yield self.message(number, size)


def write_mbox(path: Path, count: int, size: int, seed: int = 1) -> int:
    """Bytes of the messages that were written."""
    total = 0
    with path.open("wb") as file:
        for message in Generator(seed).messages(count, size):
            file.write(b"From bench@bm.lan Mon Jan  1 08:00:00 2024\n" + message.replace(b"\r\n", b"\n") + b"\n")
            total += len(message)
    return total
