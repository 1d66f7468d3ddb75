"""Whom the owner of a mailbox keeps among the contacts (MS-OXOCNTC 2.2.1.2)."""

from typing import Final

from mapigw.mailbox.batches import batches
from mapigw.mailbox.content import stored_value
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.wire.properties import PropertyName, PropertyType, property_tag
from mapigw.wire.property_sets import PSETID_Address

# PidLidEmail1EmailAddress and PidLidEmail1OriginalDisplayName, and those of the second and third address.
_NAMES: Final = tuple(PropertyName(PSETID_Address, lid=lid) for lid in (0x8083, 0x8084, 0x8093, 0x8094, 0x80A3, 0x80A4))


async def is_contact(mailbox: Mailbox, address: str) -> bool:
    """Whether an SMTP address is one of a contact in the Contacts folder."""
    ids = await mailbox.property_ids(_NAMES, create=False)
    wanted = [property_tag(ids[name], PropertyType.STRING) for name in _NAMES if name in ids]
    folder_id = (await mailbox.special_folder("contacts")).folder_id
    if not wanted:
        return False
    async for batch in batches(mailbox, await mailbox.message_ids(folder_id, associated=False)):
        for row in (await mailbox.messages(folder_id, batch)).values():
            values = (stored_value(row.properties, row.properties_index, tag) for tag in wanted)
            if any(isinstance(value, str) and value.lower() == address for value in values):
                return True
    return False
