"""Writes docs/coverage.md: ROPs and request types with the tests that name them, and what tests prove of requirements.

Usage: python -m tools.coverage_table FILE
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from mapigw.emsmdb.endpoint import EmsmdbEndpoint
from mapigw.emsmdb.registry import HANDLERS, load_handlers
from mapigw.wire.rops import ROPS, Rop
from nspi.handlers import HANDLERS as NSPI_HANDLERS
from nspi.handlers.changes import CHANGES
from nspi.wire import REQUESTS as NSPI_REQUESTS
from tools import requirements

# What a server answers with besides responses.
_SERVERS_OWN = "sent by the server"

_NAME = re.compile(r"""["'](\w+)["']|\bRop(\w+)|\brops\.(\w+)\(""")

_HEAD = """# What is implemented

Made by `make coverage-doc` from the registries of the code and the text of the tests; do not edit.

"Error only" means that the request is understood and answered with the error that its specification provides. The last
column names the test modules that use the operation by its name.
"""

_REQUIREMENTS = """
## Requirements

The normative requirements on a server whose behaviour a test can show. Those on the layout of structures are not
counted: the wire definitions and their tests on published bytes prove them wholesale. The requirements that do not
apply, or are about what is not built yet, stand in [requirements](requirements), each with the reason; the last column
leaves them out.
"""


def table() -> str:
    """The whole document."""
    load_handlers()
    tests = {
        path.relative_to(requirements.ROOT / "tests").with_suffix("").as_posix(): _names(
            path.read_text(encoding="utf-8")
        )
        for path in sorted((requirements.ROOT / "tests").rglob("*.py"))
    }
    of_nspi = {module: names for module, names in tests.items() if "emsmdb" not in module and "rop" not in module}
    of_emsmdb = {module: names for module, names in tests.items() if "nspi" not in module}
    rops = [
        (f"0x{rop_id:02X}", f"Rop{rop.name}", rop.section, _state_of_rop(rop), _named_in(of_emsmdb, rop.name))
        for rop_id, rop in sorted(ROPS.items())
    ]
    emsmdb = sorted({EmsmdbEndpoint.connect_type, *EmsmdbEndpoint.request_types, "PING"})
    nspi = sorted({*NSPI_REQUESTS, "PING"})
    implemented = sum(row[3] == "implemented" for row in rops)
    return "\n".join(
        (
            _HEAD,
            "## Mailbox endpoint, /mapi/emsmdb\n",
            *_markdown(
                ("Request type", "State", "Tests"),
                ((name, "implemented", _named_in(of_emsmdb, name)) for name in emsmdb),
            ),
            "\n## Address book endpoint, /mapi/nspi\n",
            *_markdown(
                ("Request type", "State", "Tests"),
                ((name, _state_of_request(name), _named_in(of_nspi, name)) for name in nspi),
            ),
            "\n## Remote operations\n",
            f"{implemented} of {sum(rop.request is not None for rop in ROPS.values())} are implemented.\n",
            *_markdown(("RopId", "Name", "MS-OXCROPS", "State", "Tests"), rops),
            _REQUIREMENTS,
            *requirements.table(),
        )
    )


def _state_of_rop(rop: Rop) -> str:
    if rop.request is None:
        return _SERVERS_OWN
    # RopRelease is not answered and has no handler: the dispatcher does it.
    return "implemented" if rop.name in HANDLERS or rop.response is None else "error only"


def _state_of_request(name: str) -> str:
    return "implemented" if name in {*NSPI_HANDLERS, *CHANGES, "Bind", "PING"} else "error only"


def _names(text: str) -> frozenset[str]:
    """What a module names: a string, RopName, or the function that builds a ROP in snake case."""
    return frozenset(quoted or rop or f"{built}()" for quoted, rop, built in _NAME.findall(text))


def _named_in(tests: dict[str, frozenset[str]], name: str) -> str:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return ", ".join(module for module, names in tests.items() if name in names or f"{snake}()" in names)


def _markdown(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterable[str]:
    heads = tuple(heads)
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |".replace("|  |", "| |")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(table(), encoding="utf-8")
