"""Bytes and values: the wire formats of the MAPI protocols, declared once, without I/O."""
