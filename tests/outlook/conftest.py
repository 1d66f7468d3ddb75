"""One server process with two users and the sample mail for the whole package, and their profiles."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outlook.profile import Profile
from tests.outlook.server import Server, add_user, import_mail
from tests.outlook.synchronization import Changes

MAIL = Path(__file__).parents[2] / "fixtures" / "mail"
ARCHIVE = MAIL / "list-archive.mbox"


def source_files() -> list[Path]:
    """Every .eml file of the sample mail; the mailbox holds them in this order."""
    return sorted(MAIL.rglob("*.eml"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("gateway")
    add_user(data, "tom@bm.lan", "secret", "Tom Bauer")
    add_user(data, "anna@bm.lan", "secret", "Anna Lind")
    import_mail(data, "tom@bm.lan", source_files())
    import_mail(data, "anna@bm.lan", [ARCHIVE], "List archive")
    with Server(data) as running:
        yield running
        assert not running.tracebacks(), "".join(running.output)


@pytest.fixture(scope="session")
def created(server: Server) -> tuple[Profile, Changes]:
    """Tom's profile, made once."""
    profile = Profile(server.web("tom@bm.lan"))
    return profile, profile.create()


@pytest.fixture(scope="session")
def tom(created: tuple[Profile, Changes]) -> Profile:
    return created[0]


@pytest.fixture(scope="session")
def anna(server: Server) -> Profile:
    profile = Profile(server.web("anna@bm.lan"), chain=True)
    profile.create()
    return profile
