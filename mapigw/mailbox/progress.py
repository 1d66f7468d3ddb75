"""How far an operation on many objects is, and whether it is still wanted."""

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """How far an operation is, in tasks (messages, say): ``completed`` of ``total``, which may still grow."""

    completed: int = 0
    total: int = 0
    aborted: bool = False
    """The client, or its session, no longer wants the rest: looked at between two transactions."""
