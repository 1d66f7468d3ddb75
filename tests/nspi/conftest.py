from collections.abc import AsyncIterator

import pytest

from nspi.endpoint import NspiEndpoint
from nspi.stat import Stat
from oab.dialogs import dialog_template
from tests.nspi.client import Client, FakeDirectory

BASE_URL = "https://mail.bm.lan"


@pytest.fixture
def directory() -> FakeDirectory:
    return FakeDirectory()


@pytest.fixture
def endpoint(directory: FakeDirectory) -> NspiEndpoint:
    return NspiEndpoint(directory, BASE_URL, dialog_template)


@pytest.fixture
async def client(endpoint: NspiEndpoint) -> AsyncIterator[Client]:
    client = Client(endpoint)
    assert (await client.bind(Stat(code_page=1252))).error_code == 0
    yield client
    assert client.session is not None
    await client.session.close()
