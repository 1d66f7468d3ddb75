"""What the directory refuses. Each message is a sentence for the administrator who asked."""


class DirectoryError(Exception):
    """The change was not made."""


class InvalidAddress(DirectoryError):  # noqa: N818
    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address!r} is not a usable address: {reason}")


class InvalidDisplayName(DirectoryError):  # noqa: N818
    pass


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


class UnknownMember(DirectoryError):  # noqa: N818
    def __init__(self, address: str, group: str) -> None:
        super().__init__(f"{address} is not a member of {group}")


class DuplicateMember(DirectoryError):  # noqa: N818
    def __init__(self, address: str, group: str) -> None:
        super().__init__(f"{address} is a member of {group} already")


class GroupCycle(DirectoryError):  # noqa: N818
    def __init__(self, address: str, group: str) -> None:
        super().__init__(f"{address} cannot be a member of {group}: the group would contain itself")
