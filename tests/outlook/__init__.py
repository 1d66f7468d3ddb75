"""A simulated Outlook in cached mode.

It shares no code with the server: it has its own byte structures, its own FastTransfer stream parser and its own set
decoder, written from the specifications, so that a mistake in a shared definition cannot hide.
"""
