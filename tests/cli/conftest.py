from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mapigw.cli import main
from mapigw.directory import passwords
from mapigw.directory.passwords import Argon2Parameters

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``mapigw ARGUMENTS --data DIR`` with an empty store, and hashes that cost nothing."""
    monkeypatch.setattr(passwords, "Argon2Parameters", lambda: Argon2Parameters(1, 8, 1))

    def run(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(main, [*arguments, "--data", str(tmp_path / "data")], input=text)

    return run
