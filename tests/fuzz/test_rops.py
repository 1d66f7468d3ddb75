"""A short run of the fuzzer of ROPs; ``make fuzz`` runs it longer."""

from pathlib import Path

import pytest

from tests.fuzz.rops import run


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_rops_leave_the_store_as_it_must_be(tmp_path: Path, seed: int) -> None:
    assert await run(5.0, seed, tmp_path / "data") == 0
