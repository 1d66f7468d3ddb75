"""What the directory refuses. Each message is a sentence for the administrator who asked."""

from collections.abc import Sequence


class DirectoryError(Exception):
    """The change was not made."""


class InvalidAddress(DirectoryError):  # noqa: N818
    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address!r} is not a usable address: {reason}")


class InvalidDisplayName(DirectoryError):  # noqa: N818
    pass


class InvalidAttribute(DirectoryError):  # noqa: N818
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class InvalidPassword(DirectoryError):  # noqa: N818
    pass


class DuplicateAddress(DirectoryError):  # noqa: N818
    def __init__(self, address: str, owner: str) -> None:
        super().__init__(f"{address} is already an address of {owner}")


class UnknownUser(DirectoryError):  # noqa: N818
    def __init__(self, address: str) -> None:
        super().__init__(f"there is no user {address}")


class UnknownAlias(DirectoryError):  # noqa: N818
    def __init__(self, address: str, owner: str) -> None:
        super().__init__(f"{address} is not an alias of {owner}")


class UnknownGroup(DirectoryError):  # noqa: N818
    def __init__(self, address: str) -> None:
        super().__init__(f"there is no group {address}")


class UnknownContact(DirectoryError):  # noqa: N818
    def __init__(self, address: str, domains: Sequence[str] = ()) -> None:
        several = f"{address} is a contact in the lists of {', '.join(domains)}: name the domain"
        super().__init__(several if domains else f"there is no contact {address}")


class UnknownEntry(DirectoryError):  # noqa: N818
    def __init__(self, name: str) -> None:
        super().__init__(f"there is nobody called {name}")


class UnknownManager(DirectoryError):  # noqa: N818
    def __init__(self, address: str, group: str) -> None:
        super().__init__(f"{address} is not a manager of {group}")


class InvalidName(DirectoryError):  # noqa: N818
    pass


class NoPassword(DirectoryError):  # noqa: N818
    def __init__(self, address: str) -> None:
        super().__init__(f"{address} is not a user's mailbox: nobody logs in with it")


class UnknownMember(DirectoryError):  # noqa: N818
    def __init__(self, address: str, group: str) -> None:
        super().__init__(f"{address} is not a member of {group}")


class DuplicateMember(DirectoryError):  # noqa: N818
    def __init__(self, address: str, group: str) -> None:
        super().__init__(f"{address} is a member of {group} already")


class GroupCycle(DirectoryError):  # noqa: N818
    def __init__(self, address: str, group: str) -> None:
        super().__init__(f"{address} cannot be a member of {group}: the group would contain itself")


class InvalidGrantee(DirectoryError):  # noqa: N818
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} cannot have a right on it: only other users, and groups")


class NotGranted(DirectoryError):  # noqa: N818
    def __init__(self, name: str, mailbox: str) -> None:
        super().__init__(f"{name} has no right on {mailbox} that could be taken back")


class NotSubscribed(DirectoryError):  # noqa: N818
    def __init__(self, user: str, mailbox: str) -> None:
        super().__init__(f"{user} has not subscribed to {mailbox}")
