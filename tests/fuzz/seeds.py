"""Real bytes to begin from: everything of fixtures/captures."""

import base64
import json
import struct
from pathlib import Path

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"


def seeds() -> list[bytes]:
    """Bodies, and the parts of them that parsers see: RPC payloads, ROP buffers, responses."""
    found: list[bytes] = []
    for path in sorted((CAPTURES / "exchange-se").rglob("*.bin")):
        body = path.read_bytes()
        if body.startswith(b"PROCESSING"):
            body = body[body.index(b"\r\n\r\n") + 4 :]
        found += [path.read_bytes(), body, *_inside(body)]
    for line in (CAPTURES / "outlook-vectors" / "execute-ok.jsonl").read_text().splitlines():
        body = base64.b64decode(json.loads(line)["request_body"])
        found += [body, *_inside(body)]
    for line in (CAPTURES / "outlook-vectors" / "vectors.tsv").read_text().splitlines()[1:]:
        found.append(bytes.fromhex(line.split("\t")[-1]))
    for path in sorted((CAPTURES / "property-blobs" / "in").iterdir()):
        try:
            found.append(bytes.fromhex(path.read_text()))
        except ValueError:
            continue  # not all are plain hexadecimal
    return [seed for seed in dict.fromkeys(found) if seed]


def _inside(body: bytes) -> list[bytes]:
    """An Execute request's or response's RopBuffer, without its frames, and each of its ROPs' fields."""
    for start in (4, 12):
        if len(body) < start + 12:
            continue
        (size,) = struct.unpack_from("<I", body, start)
        buffer = body[start + 4 : start + 4 + size]
        if len(buffer) == size and size > 8 and buffer[:4] == b"\0\0\4\0":
            payload = buffer[8:]
            rops = payload[2 : int.from_bytes(payload[:2], "little")]
            return [buffer, payload, rops, rops[3:], rops[6:]]
    return []
