"""The LZ77 compression with DIRECT2 encoding (MS-OXCRPC 3.1.4.1.1.2; MS-XCA 2.4 "Plain LZ77"), decoding only.

A 32-bit mask, highest bit first, tells for each following element whether it is a literal byte (0) or a match (1). A
match is 16 bits, distance minus one in the upper 13, length in the lower three, with the length continued in a nibble,
a byte and 16 bits as it grows. Answers are sent uncompressed, which the protocol allows, so there is no encoder.
"""

import struct

from mapigw.wire.errors import WireError

_MINIMUM_MATCH = 3
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")


def decompress(data: bytes, size: int) -> bytes:
    """Decode ``data`` to exactly ``size`` bytes (the SizeActual of the header).

    Raises `WireError` when the data end early, go on after ``size`` bytes, would produce more, or refer to bytes before
    the beginning. Never holds more than ``size`` bytes of output.
    """
    output = bytearray()
    position = 0
    mask = 0
    bits = 0
    nibble_at = 0  # where the upper nibble of a shared byte waits for the next long match; 0 when none does
    end = len(data)
    try:
        while len(output) < size:
            if not bits:
                mask = _U32.unpack_from(data, position)[0]
                position += 4
                bits = 32
            literals = min(32 - mask.bit_length() if mask else 32, bits, size - len(output))
            if literals:
                if literals > end - position:
                    raise WireError("data end early", offset=end)
                output += data[position : position + literals]
                position += literals
                mask = mask << literals & 0xFFFFFFFF
                bits -= literals
                continue
            mask = mask << 1 & 0xFFFFFFFF
            bits -= 1
            token = _U16.unpack_from(data, position)[0]
            position += 2
            distance = (token >> 3) + 1
            length = token & 7
            if length == 7:
                if nibble_at:
                    length = data[nibble_at] >> 4
                    nibble_at = 0
                else:
                    length = data[position] & 15
                    nibble_at = position
                    position += 1
                if length == 15:
                    length = data[position]
                    position += 1
                    if length == 255:
                        length = _U16.unpack_from(data, position)[0] - 15 - 7
                        position += 2
                        if length < 0:
                            raise WireError("match length out of range", offset=position - 2)
                    length += 15
                length += 7
            length += _MINIMUM_MATCH
            if distance > len(output):
                raise WireError("match before the beginning", offset=position)
            if length > size - len(output):
                raise WireError("more data than announced", offset=position)
            match = output[-distance:]
            if length > distance:
                match *= length // distance + 1
            output += match[:length]
    except (struct.error, IndexError):
        raise WireError("data end early", offset=end) from None
    # The bit after the last element is 1 and ends the data; it may need a mask of its own (3.1.4.1.1.2.2.1).
    if end - position not in ((0, 4) if not bits else (0,)):
        raise WireError("more data than announced", offset=position)
    return bytes(output)
