"""python -m tests.outlook: make a profile over the network, then synchronize again."""

import argparse
import sys
import time
from pathlib import Path

from tests.outlook.emsmdb import ExecuteFailedError, RopFailedError
from tests.outlook.http import ResponseCodeError, Web
from tests.outlook.nspi import AddressBookError
from tests.outlook.profile import Profile
from tests.outlook.reader import ViolationError
from tests.outlook.synchronization import Changes


def _print(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _table(profile: Profile) -> None:
    _print(f"{'folder':40} {'messages':>9} {'associated':>10} {'bytes':>12} {'seconds':>8}")
    for folder in profile.all_folders():
        associated = sum(1 for message in folder.messages.values() if message.associated)
        normal = len(folder.messages) - associated
        _print(f"{folder.name[:40]:40} {normal:>9} {associated:>10} {folder.bytes:>12} {folder.seconds:>8.2f}")


def _changes(changes: Changes) -> str:
    return (
        f"{changes.folders} folders, {changes.messages} messages, {changes.deletions} deletions, "
        f"{changes.read_states} read states, {changes.bytes} bytes"
    )


def _run(arguments: argparse.Namespace) -> int:
    web = Web(arguments.url, arguments.address, arguments.password, arguments.insecure)
    stored = arguments.state is not None and arguments.state.exists()
    started = time.perf_counter()
    if stored:
        profile = Profile.load(arguments.state, web, chain=arguments.chain)
        _print(f"restart with {arguments.state}: {_changes(profile.restart())}")
    else:
        profile = Profile(web, arguments.chain)
        changes = profile.create()
        assert profile.account is not None
        _print(f"{profile.account.display_name} <{profile.account.address}>, {profile.account.legacy_dn}")
        _print(f"new profile: {_changes(changes)}")
    counters = web.counters
    _print(
        f"{time.perf_counter() - started:.2f} s, of which {counters.seconds:.2f} s waiting for {counters.requests} "
        f"answers of {counters.received} bytes"
    )
    _print()
    _table(profile)
    _print()
    again = profile.restart()
    if again:
        _print(f"the second synchronization transferred {_changes(again)}")
        return 1
    _print("the second synchronization transferred nothing")
    if arguments.state is not None:
        profile.save(arguments.state)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.outlook", description="A simulated cached-mode Outlook.")
    parser.add_argument("--url", required=True, help="where the server listens, e.g. https://127.0.0.1:8443")
    parser.add_argument("--address", required=True, help="the mailbox's address")
    parser.add_argument("--password", required=True)
    parser.add_argument("--insecure", action="store_true", help="accept any certificate")
    parser.add_argument("--state", type=Path, help="keep the profile in this file, and start from it when it exists")
    parser.add_argument("--chain", action="store_true", help="ask for several buffers in one answer")
    arguments = parser.parse_args()
    try:
        return _run(arguments)
    except (ViolationError, ResponseCodeError, RopFailedError, ExecuteFailedError, AddressBookError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    except OSError as error:
        sys.stderr.write(f"{arguments.url}: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
