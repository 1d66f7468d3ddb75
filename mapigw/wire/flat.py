"""A quick form of the structures that are nothing but integers and counted bytes.

Bodies and buffers of every request are such structures. What Construct compiles for them spends most of its time on
contexts that they have no use for.
"""

import struct
from collections.abc import Mapping
from typing import Any, Self

from construct import Construct, Container, FormatField, Renamed, Struct

from mapigw.wire.primitives import SizedBytes


class Flat:
    """Parses and builds what its Struct declares: runs of integers, each run but the last ended by counted bytes."""

    def __init__(self, runs: list[tuple[struct.Struct, list[str], str]]) -> None:
        self._runs = runs  # (integers, the count behind them included; their names; name of the counted bytes or "")

    @classmethod
    def of(cls, construct: Construct) -> Self | None:
        """The quick form, or None for a structure that has anything else in it."""
        if type(construct) is not Struct:
            return None
        runs: list[tuple[struct.Struct, list[str], str]] = []
        form, names = "<", []
        for member in construct.subcons:
            if type(member) is not Renamed or not member.name:
                return None
            field = member.subcon
            if (type(field) is FormatField and field.fmtstr[0] == "<") or _is_byte(field):
                form += field.fmtstr[1:]
                names.append(member.name)
            elif type(field) is SizedBytes:
                runs.append((struct.Struct(form + "BHI"[field.count.size // 2]), names, member.name))
                form, names = "<", []
            else:
                return None
        if names:
            runs.append((struct.Struct(form), names, ""))
        return cls(runs)

    def parse(self, data: bytes, position: int) -> tuple[Container, int]:
        """The values and where they end. Raises `struct.error` when the data ends early."""
        values = Container()
        for form, names, counted in self._runs:
            fields = form.unpack_from(data, position)
            position += form.size
            dict.update(values, zip(names, fields, strict=False))
            if counted:
                end = position + fields[-1]
                if end > len(data):
                    raise struct.error
                dict.__setitem__(values, counted, data[position:end])
                position = end
        return values, position

    def build(self, value: Mapping[str, Any]) -> bytes:
        """Raises `struct.error` for an integer or a length that does not fit its field."""
        parts: list[bytes] = []
        for form, names, counted in self._runs:
            if counted:
                body = value[counted]
                parts.append(form.pack(*[value[name] for name in names], len(body)))
                parts.append(body)
            else:
                parts.append(form.pack(*[value[name] for name in names]))
        return b"".join(parts)


def _is_byte(field: Construct) -> bool:
    """A single byte has no byte order: Construct declares it big-endian."""
    return type(field) is FormatField and field.fmtstr in {">B", ">b"}
