"""HEVC streams as a list of NAL units, without what a decoder can do without (ITU-T H.265, 7.4.2.2 and annex B)."""

START_CODE = b"\0\0\0\1"

_FIRST_PARAMETER_SET, _LAST_PARAMETER_SET = 32, 34
_ACCESS_UNIT_DELIMITER, _PREFIX_SEI, SUFFIX_SEI = 35, 39, 40


def unit_type(unit: bytes) -> int:
    """The type of a NAL unit: below 32 a coded picture."""
    return unit[0] >> 1


def split(stream: bytes) -> list[bytes]:
    """The NAL units of an annex B stream, without start codes.

    Example:
        >>> split(b"\\0\\0\\0\\1\\x40ab\\0\\0\\1\\x42c")
        [b'@ab', b'Bc']
    """
    units = (unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1"))
    return [unit for unit in units if unit]


def needed(units: list[bytes]) -> list[bytes]:
    """The units without delimiters, supplemental messages and repeated parameter sets."""
    kept: list[bytes] = []
    seen: set[bytes] = set()
    for unit in units:
        kind = unit_type(unit)
        if kind in (_ACCESS_UNIT_DELIMITER, _PREFIX_SEI, SUFFIX_SEI):
            continue
        if _FIRST_PARAMETER_SET <= kind <= _LAST_PARAMETER_SET:
            if unit in seen:
                continue
            seen.add(unit)
        kept.append(unit)
    return kept


def access_units(units: list[bytes]) -> list[bytes]:
    """Annex B packets of one picture each: parameter sets go with the picture after them, suffixes with the one before.

    The encoder writes one slice per picture. Units behind the last picture are dropped.
    """
    packets: list[bytes] = []
    waiting = b""
    for unit in units:
        if packets and unit_type(unit) == SUFFIX_SEI:
            packets[-1] += START_CODE + unit
            continue
        waiting += START_CODE + unit
        if unit_type(unit) < _FIRST_PARAMETER_SET:
            packets.append(waiting)
            waiting = b""
    return packets
