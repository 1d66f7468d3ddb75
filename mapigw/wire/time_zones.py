"""Time zones of calendar items (MS-OXOCAL 2.2.1.39, 2.2.1.41 to 2.2.1.43)."""

from enum import IntFlag
from typing import Final

from construct import Rebuild, len_

from mapigw.wire.definition import Definition
from mapigw.wire.primitives import Byte, Bytes, Counted, Int16ul, Int32sl, Rest, Struct, this


class TzRuleFlags(IntFlag):
    """2.2.1.41.1."""

    RECUR_CURRENT_TZREG = 0x0001
    EFFECTIVE_TZREG = 0x0002


SYSTEM_TIME: Final = Struct(
    "year" / Int16ul,
    "month" / Int16ul,
    "day_of_week" / Int16ul,
    "day" / Int16ul,
    "hour" / Int16ul,
    "minute" / Int16ul,
    "second" / Int16ul,
    "milliseconds" / Int16ul,
)
"""SYSTEMTIME (MS-DTYP 2.3.13). With year 0: the ``day``-th (5: last) ``day_of_week`` (0: Sunday) of the month."""

_BIASES: Final = ("bias" / Int32sl, "standard_bias" / Int32sl, "daylight_bias" / Int32sl)

TIME_ZONE_STRUCT: Final = Definition(
    Struct(
        *_BIASES,
        "standard_year" / Int16ul,
        "standard_date" / SYSTEM_TIME,
        "daylight_year" / Int16ul,
        "daylight_date" / SYSTEM_TIME,
    )
)
"""PidLidTimeZoneStruct (2.2.1.39)."""

_TZ_RULE: Final = Struct(
    "major_version" / Byte,
    "minor_version" / Byte,
    "reserved" / Int16ul,
    "tz_rule_flags" / Int16ul,
    "year" / Int16ul,
    "x" / Bytes(14),
    *_BIASES,
    "standard_date" / SYSTEM_TIME,
    "daylight_date" / SYSTEM_TIME,
)
"""TZRule (2.2.1.41.1)."""

MAJOR_VERSION: Final = 2
MINOR_VERSION: Final = 1
RULE_RESERVED: Final = 0x003E
HEADER_RESERVED: Final = 0x0002


TIME_ZONE_DEFINITION: Final = Definition(
    Struct(
        "major_version" / Byte,
        "minor_version" / Byte,
        "header_size" / Rebuild(Int16ul, len_(this.key_name) + 6),
        "reserved" / Int16ul,
        "key_name_length" / Rebuild(Int16ul, len_(this.key_name) // 2),
        "key_name" / Bytes(this.key_name_length * 2),
        "rules" / Counted(Int16ul, _TZ_RULE),
        "leftover" / Rest,
    )
)
"""PidLidAppointmentTimeZoneDefinitionRecur, …StartDisplay and …EndDisplay (2.2.1.41 to 2.2.1.43).

``key_name`` is the name in the Windows registry, in UTF-16LE; ``leftover`` what a client left behind the rules.
"""
