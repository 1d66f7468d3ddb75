"""Execute requests and answers that others recorded (fixtures/captures)."""

import base64
import json
from pathlib import Path

from mapigw.wire.mapihttp import EXECUTE_RESPONSE, split_response
from mapigw.wire.rpc_header import split_payloads

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"


def exchange_request(name: str) -> bytes:
    """The body of an Execute request to an Exchange Server, by folder and number: "hierarchy/02"."""
    return (CAPTURES / "exchange-se" / f"{name}-execute.request.bin").read_bytes()


def exchange_answer(name: str) -> bytes:
    """The ROP payload of its answer."""
    body = (CAPTURES / "exchange-se" / f"{name}-execute.response.bin").read_bytes()
    (payload,) = split_payloads(EXECUTE_RESPONSE.parse(split_response(body).payload).rop_buffer)
    return payload


def outlook_boot(name: str) -> bytes:
    """The body of an Execute request that Outlook 16 sends while it makes a profile."""
    for line in (CAPTURES / "outlook-vectors" / "execute-ok.jsonl").read_text("utf-8").splitlines():
        item = json.loads(line)
        if item["id"].endswith(f"for_outlook_bootstrap {name}"):
            return base64.b64decode(item["request_body"])
    raise KeyError(name)
