"""A short run of `tests.faults`: no change is lost on clients whose connections and whose server go and come back."""

from pathlib import Path

from tests.faults import run

CHANGES = 200


def test_every_change_is_told_or_synchronized(tmp_path: Path) -> None:
    world = run(tmp_path / "data", CHANGES, seed=5)
    assert len(world.made) >= CHANGES
    assert world.restarts >= 1
    assert world.cuts
    assert world.told
