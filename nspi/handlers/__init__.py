"""The methods of MS-OXNSPI 3.1.4.1; importing the package registers them all."""

from nspi.handlers import hierarchy, names, objects, service, tables
from nspi.handlers.registry import HANDLERS, Call

__all__ = ["HANDLERS", "Call", "hierarchy", "names", "objects", "service", "tables"]
