"""A key goes to the partition that every other Kafka client would choose."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.partitioner import partition_hash


@given(key=st.binary(min_size=1, max_size=70), partitions=st.integers(1, 1024))
def test_it_equals_the_default_partitioner(key: bytes, partitions: int) -> None:
    numbers = list(range(partitions))
    assert numbers[partition_hash(key) % partitions] == DefaultPartitioner()(key, numbers, numbers)
