"""Kafka's default partition of a key, faster than aiokafka's reading of it and equal to it (a test holds this)."""

import struct
from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF
_31_BITS: Final = 0x7FFFFFFF
KEYS_KEPT_MAX: Final = 100_000  # a dossier's events come close together; ~15 MB


@lru_cache(KEYS_KEPT_MAX)
def partition_hash(key: bytes) -> int:
    """Murmur2 of `key` as the Java client computes it: modulo the number of partitions, it is the partition.

    org.apache.kafka.common.utils.Utils.murmur2 and toPositive.
    """
    length = len(key)
    value = _SEED ^ length
    for word in struct.unpack_from(f"<{length >> 2}I", key):
        mixed = word * _M & _32_BITS
        value = value * _M & _32_BITS ^ ((mixed ^ mixed >> 24) * _M & _32_BITS)
    rest = length & 3
    if rest:
        value = (value ^ int.from_bytes(key[-rest:], "little")) * _M & _32_BITS
    value ^= value >> 13
    value = value * _M & _32_BITS
    return (value ^ value >> 15) & _31_BITS
