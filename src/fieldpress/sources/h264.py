"""Where an H.264 stream may begin: a key picture that forgets what came before, or one that does not.

After a key picture of the second sort (an "open group", usual in broadcasts) the pictures that follow still manage
references to earlier ones. In a clip cut out at such a place these are missing, which is no damage.
"""

from collections.abc import Iterator

_IDR = 5  # "instantaneous decoding refresh", the unit type of slices that forget
_START_CODE = b"\x00\x00\x01"


def forgets_the_past(packet: bytes, extradata: bytes | None) -> bool:
    """Whether a key packet holds an IDR picture.

    Source: ITU-T H.264, 7.4.1 (unit types) and annex B (start codes); ISO/IEC 14496-15, 5.3.3 (length prefixes).

    Args:
        packet: One coded picture.
        extradata: The stream's; if it begins with 1, units have length prefixes, else start codes.

    Example:
        >>> forgets_the_past(bytes.fromhex("00000001 65 88"), None)
        True
    """
    if extradata and extradata[0] == 1 and len(extradata) > 4:
        return _IDR in _prefixed(packet, (extradata[4] & 3) + 1)
    return _IDR in _after_start_codes(packet)


def _prefixed(packet: bytes, width: int) -> Iterator[int]:
    position = 0
    while position + width < len(packet):
        yield packet[position + width] & 31
        position += width + int.from_bytes(packet[position : position + width], "big")


def _after_start_codes(packet: bytes) -> Iterator[int]:
    position = packet.find(_START_CODE)
    while 0 <= position < len(packet) - 3:
        yield packet[position + 3] & 31
        position = packet.find(_START_CODE, position + 3)
