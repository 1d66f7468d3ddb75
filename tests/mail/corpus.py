"""The sample mail in fixtures/mail, message by message."""

import re
from pathlib import Path

FIXTURES = Path(__file__).parents[2] / "fixtures" / "mail"


def messages() -> list[tuple[str, bytes]]:
    """(name, bytes) of every message, those of the mbox archive among them."""
    found = [(str(path.relative_to(FIXTURES)), path.read_bytes()) for path in sorted(FIXTURES.rglob("*.eml"))]
    archive = re.split(rb"(?m)^From .*\n", (FIXTURES / "list-archive.mbox").read_bytes())[1:]
    return found + [(f"list-archive.mbox:{number}", raw) for number, raw in enumerate(archive)]
