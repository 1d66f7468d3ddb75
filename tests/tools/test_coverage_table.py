from tools.coverage_table import table
from tools.requirements import ROOT


def test_the_committed_table_is_current() -> None:
    """After a change of handlers or tests: ``make coverage-doc``."""
    assert (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8") == table()


def test_it_tells_what_is_implemented() -> None:
    lines = table().splitlines()
    assert any(line.startswith("| 0xFE | RopLogon | 2.2.3.1 | implemented | ") for line in lines)
    assert any(line.startswith("| ModProps | implemented | ") for line in lines)
    assert any(line.startswith("| 0x2A | RopNotify | 2.2.14.2 | sent by the server |") for line in lines)
