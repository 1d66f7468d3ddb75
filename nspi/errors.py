"""The one exception of the address book's handlers."""

from mapigw.wire.codes import ErrorCode


class NspiError(Exception):
    """A request is refused with ``code`` (MS-OXNSPI 2.2.1.2); its response then carries nothing else."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code.name)
        self.code = code
