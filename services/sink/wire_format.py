"""Dresses an answer the way two kinds of driver insist on, which the embedded engine cannot do itself.

clickhouse-go reads Native over HTTP only with a header per block and a byte per column (revision 54454); the engine
writes it as for revision 0. The JDBC driver asks for `compress=1`: ClickHouse's own frames of LZ4, each under a
CityHash128 of the version that ClickHouse froze (1.0.2), which no installed library computes.
"""

from collections.abc import Iterator
from typing import Final

import lz4.block  # type: ignore[import-untyped]
from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.datatypes.container import Array, Map, Tuple
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.datatypes.string import String

REVISION: Final = 54454

BLOCK_HEADER: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Field 1: no overflow row; field 2: bucket -1; end of header."""

ORDINARY: Final = b"\x00"
"""The byte of a column without custom serialization."""

FRAME_BYTES: Final = 1 << 20
LZ4: Final = 0x82


def with_headers(native: bytes) -> bytes:
    """The same Native blocks with their headers. `ValueError` names a type whose columns have no findable end."""
    pieces = []
    at = 0
    while at < len(native):
        start = at
        columns, at = _varint(native, at)
        rows, at = _varint(native, at)
        pieces += [BLOCK_HEADER, native[start:at]]
        for _ in range(columns):
            start = at
            at = _after_string(native, at)
            length, at = _varint(native, at)
            kind = get_from_name(native[at : at + length].decode())
            pieces += [native[start : at + length], ORDINARY]
            start = at + length
            at = _after(kind, native, start + _prefix_bytes(kind), rows) if rows else start
            pieces.append(native[start:at])
    return b"".join(pieces)


def _after(kind: ClickHouseType, data: bytes, at: int, rows: int) -> int:
    """Where the column's values end, its prefix being behind us."""
    if not kind.low_card:
        return _after_values(kind, data, at + rows if kind.nullable else at, rows)
    if not rows:
        return at
    width = 1 << data[at]  # of an index: 1, 2, 4 or 8 bytes
    at = _after_values(kind, data, at + 16, _u64(data, at + 8))  # the dictionary; NULL is its first value
    return at + 8 + width * rows


def _after_values(kind: ClickHouseType, data: bytes, at: int, rows: int) -> int:
    if isinstance(kind, Array):
        return _after(kind.element_type, data, at + 8 * rows, _last_offset(data, at, rows))
    if isinstance(kind, Map):
        inner = _last_offset(data, at, rows)
        at = _after(kind.key_type, data, at + 8 * rows, inner)
        return _after(kind.value_type, data, at, inner)
    if isinstance(kind, Tuple):
        for part in kind.element_types:
            at = _after(part, data, at, rows)
        return at
    if type(kind) is String:
        for _ in range(rows):
            at = _after_string(data, at)
        return at
    if not kind.byte_size:
        raise ValueError(f"columns of type {kind.name} cannot be sent to this driver")
    return at + kind.byte_size * rows


def _prefix_bytes(kind: ClickHouseType) -> int:
    """A dictionary's version, before everything else, for each LowCardinality inside."""
    if isinstance(kind, Array):
        return _prefix_bytes(kind.element_type)
    if isinstance(kind, Map):
        return _prefix_bytes(kind.key_type) + _prefix_bytes(kind.value_type)
    if isinstance(kind, Tuple):
        return sum(map(_prefix_bytes, kind.element_types))
    return 8 if kind.low_card else 0


def _last_offset(data: bytes, at: int, rows: int) -> int:
    return _u64(data, at + 8 * (rows - 1)) if rows else 0


def _after_string(data: bytes, at: int) -> int:
    length, at = _varint(data, at)
    return at + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def compressed(body: bytes) -> bytes:
    """The body as ClickHouse's compressed frames: hash, method, both sizes, LZ4."""
    return b"".join(_frames(body))


def _frames(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), FRAME_BYTES):
        plain = body[start : start + FRAME_BYTES]
        packed = lz4.block.compress(plain, store_size=False)
        frame = bytes([LZ4]) + (len(packed) + 9).to_bytes(4, "little") + len(plain).to_bytes(4, "little") + packed
        yield city_hash_128(frame) + frame


K0: Final = 0xC3A5C85C97CB3127
K1: Final = 0xB492B66FBE98F273
K2: Final = 0x9AE16A3B2F90404F
K3: Final = 0xC949D7C7509E6557
MUL: Final = 0x9DDFEA08EB382D69
U64: Final = (1 << 64) - 1


def city_hash_128(s: bytes) -> bytes:
    """CityHash128 1.0.2, little-endian, of 8 bytes or more: no frame is shorter."""
    if len(s) < 16:
        low, high = _city_murmur(b"", _u64(s, 0) ^ (len(s) * K0 & U64), _u64(s, len(s) - 8) ^ K1)
    elif len(s) < 144:
        low, high = _city_murmur(s[16:], _u64(s, 0) ^ K3, _u64(s, 8))
    else:
        low, high = _city_long(s[16:], _u64(s, 0) ^ K3, _u64(s, 8))
    return low.to_bytes(8, "little") + high.to_bytes(8, "little")


def _city_murmur(s: bytes, a: int, b: int) -> tuple[int, int]:
    length = len(s)
    if length <= 16:
        a = _mix(a * K1) * K1 & U64
        c = (b * K1 + _hash_0_to_16(s)) & U64
        d = _mix(a + (_u64(s, 0) if length >= 8 else c))
    else:
        c = _hash_16(_u64(s, length - 8) + K1, a)
        d = _hash_16(b + length, c + _u64(s, length - 16))
        a = (a + d) & U64
        for at in range(0, length - 16, 16):
            a = (a ^ _mix(_u64(s, at) * K1) * K1) * K1 & U64
            b ^= a
            c = (c ^ _mix(_u64(s, at + 8) * K1) * K1) * K1 & U64
            d ^= c
    a, b = _hash_16(a, c), _hash_16(d, b)
    return a ^ b, _hash_16(b, a)


def _city_long(s: bytes, x: int, y: int) -> tuple[int, int]:
    length = len(s)
    z = length * K1 & U64
    v0 = (_rot(y ^ K1, 49) * K1 + _u64(s, 0)) & U64
    v1 = (_rot(v0, 42) * K1 + _u64(s, 8)) & U64
    w0 = (_rot(y + z, 35) * K1 + x) & U64
    w1 = _rot(x + _u64(s, 88), 53) * K1 & U64
    for at in range(0, length // 128 * 128, 64):
        x = (_rot(x + y + v0 + _u64(s, at + 16), 37) * K1 & U64) ^ w1
        y = (_rot(y + v1 + _u64(s, at + 48), 42) * K1 & U64) ^ v0
        z = _rot(z ^ w0, 33)
        v0, v1 = _weak(s, at, v1 * K1, x + w0)
        w0, w1 = _weak(s, at + 32, z + w1, y)
        z, x = x, z
    y = (y + _rot(w0, 37) * K0 + z) & U64
    x = (x + _rot(v0 + z, 49) * K0) & U64
    for back in range(32, length % 128 + 32, 32):
        y = (_rot(y - x, 42) * K0 + v1) & U64
        w0 = (w0 + _u64(s, length - back + 16)) & U64
        x = (_rot(x, 49) * K0 + w0) & U64
        w0 = (w0 + v0) & U64
        v0, v1 = _weak(s, length - back, v0, v1)
    x, y = _hash_16(x, v0), _hash_16(y, w0)
    return (_hash_16(x + v1, w1) + y) & U64, _hash_16(x + w1, y + v1)


def _weak(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_u64(s, at), _u64(s, at + 8), _u64(s, at + 16), _u64(s, at + 24))
    a = (a + w) & U64
    b = _rot(b + a + z, 21)
    c = a
    a = (a + x + y) & U64
    return (a + z) & U64, (b + _rot(a, 44) + c) & U64


def _hash_0_to_16(s: bytes) -> int:
    length = len(s)
    if length > 8:
        a, b = _u64(s, 0), _u64(s, length - 8)
        return _hash_16(a, _rot(b + length, length)) ^ b
    if length >= 4:
        return _hash_16(length + (int.from_bytes(s[:4], "little") << 3), int.from_bytes(s[-4:], "little"))
    if length:
        y, z = s[0] + (s[length >> 1] << 8), length + (s[-1] << 2)
        return _mix(y * K2 ^ z * K3) * K2 & U64
    return K2


def _hash_16(u: int, v: int) -> int:
    v &= U64
    a = ((u & U64) ^ v) * MUL & U64
    b = (v ^ a ^ (a >> 47)) * MUL & U64
    return (b ^ (b >> 47)) * MUL & U64


def _mix(value: int) -> int:
    value &= U64
    return value ^ (value >> 47)


def _rot(value: int, by: int) -> int:
    value &= U64
    return (value >> by | value << (64 - by)) & U64


def _u64(s: bytes, at: int) -> int:
    return int.from_bytes(s[at : at + 8], "little")
