"""A message as a value: properties, recipients, attachments (MS-OXCMSG 2.2).

What MIME parsing produces, what the store encodes, what a FastTransfer upload will carry. Property keys are tags or,
for named properties, `NamedTag`; strings are PtypString.
"""

from dataclasses import dataclass, field
from typing import Any

from mapigw.wire.properties import PropertyKey

Properties = dict[PropertyKey, Any]


@dataclass(slots=True)
class Attachment:
    """Attachment Object properties; ``embedded`` is the Embedded Message object of afEmbeddedMessage (method 5)."""

    properties: Properties = field(default_factory=dict)
    embedded: "Message | None" = None


@dataclass(slots=True)
class Message:
    """A Message object. Each item of ``recipients`` is the property set of one recipient, in order."""

    properties: Properties = field(default_factory=dict)
    recipients: list[Properties] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
