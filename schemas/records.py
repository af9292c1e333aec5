"""A Kafka record as consumers of the hot paths give it."""

from typing import Any

import msgspec
from aiokafka.consumer import fetcher
from aiokafka.structs import TopicPartition


class FetchedRecord(msgspec.Struct, frozen=True, gc=False):
    """What we read of a record; aiokafka's own class costs four times as much to build."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc] # aiokafka has no types
    def _consumer_record(self, tp: TopicPartition, record: Any) -> FetchedRecord:
        return FetchedRecord(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp,
            record.timestamp_type,
            record.key,
            record.value,
            record.headers,
        )


def fetch_lean() -> None:
    """From now on aiokafka's consumers in this process give `FetchedRecord`s, without deserializers.

    aiokafka has no setting for it; tests of processor and sink hold that it works.
    """
    fetcher.PartitionRecords = _PartitionRecords
