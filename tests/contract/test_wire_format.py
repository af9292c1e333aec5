"""Native with headers and compressed frames, against bytes that ClickHouse's own drivers read or wrote."""

import lz4.block
import pytest

from services.sink.wire_format import city_hash_128, compressed, with_headers

HASHES = {  # computed with go-faster/city 1.0.1, which clickhouse-go checks frames with
    8: "82861e4e98e8bfd011c67fcfa0415156",
    15: "10cfdd9fbb5688045fbb7767dd014d0c",
    16: "45f9c277e6adce17dcfec87506d69e57",
    40: "abdca2f867361920f3ed11ac71746928",
    143: "5b0d29c2f4db632d84b5ce1784cc125c",
    144: "fcd003c9eeecbda6bcc1126962796bc5",
    200: "fdb6239e697457279c28e7eb01ef8256",
    1000: "450f243c877c37445d221cca06d1a19d",
}


@pytest.mark.parametrize(("length", "expected"), HASHES.items())
def test_hash_is_clickhouses_city_hash(length: int, expected: str) -> None:
    assert city_hash_128(bytes(i % 251 for i in range(length))).hex() == expected


@pytest.mark.parametrize("body", [b"1\n", b"x" * 3_000_000, bytes(range(256)) * 5000])
def test_frames_unpack_to_the_body(body: bytes) -> None:
    framed, unpacked = compressed(body), b""
    while framed:
        size, plain = int.from_bytes(framed[17:21], "little"), int.from_bytes(framed[21:25], "little")
        assert framed[:16] == city_hash_128(framed[16 : 16 + size])
        unpacked += lz4.block.decompress(framed[25 : 16 + size], uncompressed_size=plain)
        framed = framed[16 + size :]
    assert unpacked == body


def test_no_body_is_no_frame() -> None:
    assert compressed(b"") == b""


def test_headers_go_before_each_block_and_each_column() -> None:
    native = b"\x02\x02\x01a\x05UInt8\x01\x02\x01b\x06String\x01x\x00"
    dressed = b"\x01\x00\x02\xff\xff\xff\xff\x00\x02\x02\x01a\x05UInt8\x00\x01\x02\x01b\x06String\x00\x01x\x00"
    assert with_headers(native + native) == dressed + dressed


def test_a_type_without_a_findable_end_is_named() -> None:
    with pytest.raises(ValueError, match="JSON"):
        with_headers(b"\x01\x01\x01a\x04JSON\x00")
