"""The property values of fixtures/captures/property-blobs: bytes, and what another reader made of them."""

import re
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "fixtures" / "captures" / "property-blobs"


def blob(name: str) -> bytes:
    """The value called ``name``, such as "PCL-1"."""
    return bytes.fromhex("".join((_FOLDER / "in" / f"{name}.dat").read_text("ascii").split()))


def decoded(name: str) -> str:
    """The decoding of ``blob(name)`` as text."""
    kind, number = name.rsplit("-", 1)
    return (_FOLDER / "decoded" / f"{kind}-out-{number}.dat").read_text("utf-8")


def field(text: str, name: str) -> list[str]:
    """The values of every line ``name = value`` of a decoding."""
    return re.findall(rf"^\s*{re.escape(name)} = (.*?)\s*$", text, re.MULTILINE)


def byte_strings(text: str) -> list[bytes]:
    """The values of every ``lpb: hex`` of a decoding."""
    return [bytes.fromhex(value) for value in re.findall(r"lpb: ([0-9A-F]+)", text)]
