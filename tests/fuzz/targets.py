"""The parsers that meet a client's bytes, each as a function of bytes."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, Final

import mapigw.wire
import nspi.wire
from mapigw.mailbox.bodies.html_text import html_to_text
from mapigw.mailbox.bodies.rtf_forms import rtf_to_html
from mapigw.mailbox.bodies.rtf_writer import html_to_rtf
from mapigw.wire import (
    auxiliary,
    compression,
    fasttransfer,
    mapihttp,
    properties,
    restrictions,
    rop_buffer,
    rpc_header,
    rtf_compression,
)
from mapigw.wire.cursor import Cursor
from mapigw.wire.definition import Definition
from mapigw.wire.fasttransfer_stream import StreamReader
from mapigw.wire.globset import pull_globset
from mapigw.wire.rops.rop import ROPS

Target = Callable[[bytes], Any]
# What definitions with parameters need from outside.
_PARAMETERS: Final[dict[str, Any]] = {"columns": (0x3001001F, 0x00000000, 0x0FFF0102), "is_public": False}


def _definition(definition: Definition) -> Target:
    return lambda data: definition.parse(data, exact=False, **_PARAMETERS)


def _cursor(pull: Callable[[Cursor], Any]) -> Target:
    return lambda data: pull(Cursor(data))


def _stream(data: bytes) -> None:
    reader = StreamReader()
    half = len(data) // 2
    for part in (data[:half], data[half:]):
        for _ in reader.feed(part):
            pass


def targets() -> dict[str, Target]:
    """By name."""
    found: dict[str, Target] = {
        "rop_buffer.parse_requests": rop_buffer.parse_requests,
        "rpc_header.split_payloads": rpc_header.split_payloads,
        "auxiliary.parse_auxiliary": auxiliary.parse_auxiliary,
        "compression.decompress": lambda data: compression.decompress(data, 0x7FFF),
        "rtf_compression.decompress": rtf_compression.decompress,
        "rtf_forms.rtf_to_html": lambda data: rtf_to_html(b"{\\rtf1" + data),
        "html_text.html_to_text": lambda data: html_to_text(data.decode("latin-1")),
        "rtf_writer.html_to_rtf": lambda data: html_to_rtf(data.decode("latin-1")),
        "mapihttp.split_response": mapihttp.split_response,
        "restrictions.pull_restriction": _cursor(restrictions.pull_restriction),
        "restrictions.pull_restriction, wide": _cursor(lambda cursor: restrictions.pull_restriction(cursor, True)),
        "restrictions.pull_rule_actions": _cursor(restrictions.pull_rule_actions),
        "globset.pull_globset": _cursor(pull_globset),
        "fasttransfer.decode_properties": fasttransfer.decode_properties,
        "fasttransfer_stream.StreamReader": _stream,
    }
    for kind in properties.PropertyType:
        found[f"properties.pull_value {kind.name}"] = _cursor(
            lambda cursor, kind=kind: properties.pull_value(cursor, kind)  # type: ignore[misc]
        )
    for rop in ROPS.values():
        if rop.request is not None:
            found[f"{rop.name} request"] = _definition(rop.request)
    modules = [nspi.wire]
    for info in pkgutil.iter_modules(mapigw.wire.__path__):
        if not info.ispkg:
            modules.append(importlib.import_module(f"mapigw.wire.{info.name}"))  # noqa: PERF401 - reads better
    for module in modules:
        for name, value in vars(module).items():
            for key, item in value.items() if isinstance(value, dict) else (("", value),):
                if isinstance(item, Definition):
                    found[f"{module.__name__}.{name} {key}".strip()] = _definition(item)
                elif isinstance(item, tuple) and item and isinstance(item[0], Definition):
                    found[f"{module.__name__}.{name} {key}".strip()] = _definition(item[0])
    return found
