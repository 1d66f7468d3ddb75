"""What the application knows of a request by the time its handler gets it."""

from aiohttp.web import RequestKey

from mapigw.directory.model import User

USER = RequestKey("USER", User)
"""Who has authenticated; absent on what anybody may ask."""
CLIENT_ADDRESS = RequestKey("CLIENT_ADDRESS", str)
"""The client's network address as text, behind a trusted proxy the forwarded one."""
