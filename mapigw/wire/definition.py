"""Construct definitions as the project uses them: compiled, with one exception type.

A `Definition` wraps a Construct. It parses with the compiled form; only when that fails is the interpreted form run
again, because it alone knows the name of the field at which parsing stopped.

The compiled forms of Construct's own ``Bytes`` and ``Prefixed`` do not notice that the buffer ended early: definitions
use those of ``primitives.py``.
"""

import io
import struct
from functools import cached_property
from typing import Any

from construct import Construct, ConstructError, StreamError

from mapigw.wire.errors import WireError
from mapigw.wire.flat import Flat

type_errors = (ConstructError, UnicodeError, OverflowError, ValueError, IndexError, struct.error)


class _Sink:
    """What Construct writes to: large payloads are gathered, not copied through a growing buffer."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.parts.append(data)
        return len(data)


class Definition:
    """One wire structure: ``parse`` bytes to a Container, ``build`` bytes from a mapping or Container.

    Keyword arguments of either are the parameters (``this._params.…``) that the structure needs from outside, such
    as the columns of a row.
    """

    def __init__(self, construct: Construct) -> None:
        self.construct = construct

    @cached_property
    def _flat(self) -> Flat | None:
        return Flat.of(self.construct)

    @cached_property
    def _compiled(self) -> Construct:
        return self.construct.compile()

    def parse(self, data: bytes, *, exact: bool = True, **parameters: Any) -> Any:
        """Parse ``data``; with ``exact`` bytes left over are an error. Raises `WireError`."""
        if self._flat is not None:
            try:
                value, end = self._flat.parse(data, 0)
            except struct.error:
                pass  # `parse_stream` names the field
            else:
                if exact and end != len(data):
                    raise _left_over(data, end)
                return value
        stream = io.BytesIO(data)
        value = self.parse_stream(stream, **parameters)
        if exact and stream.tell() != len(data):
            raise _left_over(data, stream.tell())
        return value

    def parse_stream(self, stream: io.BytesIO, **parameters: Any) -> Any:
        """Parse from the stream's position and leave it behind the structure. Raises `WireError`."""
        start = stream.tell()
        if self._flat is not None:
            try:
                value, end = self._flat.parse(stream.getvalue(), start)  # shares the bytes
            except struct.error:
                pass  # the interpreted form, below, names the field
            else:
                stream.seek(end)
                return value
        try:
            return self._compiled.parse_stream(stream, **parameters)
        except WireError:
            raise
        except type_errors:
            pass
        stream.seek(start)
        try:
            return self.construct.parse_stream(stream, **parameters)
        except WireError:
            raise
        except type_errors as error:
            path = getattr(error, "path", None) or ""
            field = ".".join(part.strip() for part in path.removeprefix("(parsing)").split("->") if part.strip())
            reason = "data ends early" if isinstance(error, StreamError) else str(error).splitlines()[0]
            raise WireError(reason, offset=stream.tell(), field=field) from error

    def build(self, value: Any, **parameters: Any) -> bytes:
        """Bytes of ``value``. A value that does not fit is a defect of the caller: Construct's errors pass."""
        if self._flat is not None:
            return self._flat.build(value)
        sink = _Sink()
        self._compiled.build_stream(value, sink, **parameters)
        return b"".join(sink.parts)


def _left_over(data: bytes, end: int) -> WireError:
    return WireError(f"{len(data) - end} bytes left over", offset=end)
