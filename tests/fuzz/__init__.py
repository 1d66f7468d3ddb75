"""A mutation run over the wire parsers; see ``python -m tests.fuzz --help``."""
