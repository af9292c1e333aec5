"""The ids that Kafka gives to topics: a topic deleted and made anew keeps its name but not its id.

aiokafka asks for metadata in a version that does not carry them yet; this is the same request in version 12, which
brokers speak since 3.0.
"""

from collections.abc import Iterable
from io import BytesIO
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

from schemas.errors import Unavailable


class _Uuid(AbstractType):
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_BROKER = (("node_id", Int32), ("host", CompactString()), ("port", Int32), ("rack", CompactString()))
_PARTITION = (
    *(("error_code", Int16), ("partition", Int32), ("leader", Int32), ("leader_epoch", Int32)),
    *((name, CompactArray(Int32)) for name in ("replicas", "isr", "offline")),
)
_TOPIC = (
    *(("error_code", Int16), ("name", CompactString()), ("topic_id", _Uuid), ("is_internal", Boolean)),
    *(("partitions", CompactArray(*_PARTITION, ("tags", TaggedFields))), ("operations", Int32)),
)


class _MetadataResponse12(Response):
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_ms", Int32),
        ("brokers", CompactArray(*_BROKER, ("tags", TaggedFields))),
        ("cluster_id", CompactString()),
        ("controller", Int32),
        ("topics", CompactArray(*_TOPIC, ("tags", TaggedFields))),
        ("tags", TaggedFields),
    )


class _MetadataRequest12(RequestStruct):
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse12
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString()), ("tags", TaggedFields))),
        ("create", Boolean),
        ("operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicIdsRequest(Request[_MetadataRequest12]):
    API_KEY = 3

    def __init__(self, names: Iterable[str]) -> None:
        self._topics: list[tuple[UUID, str, dict[int, bytes]]] = [(UUID(int=0), name, {}) for name in names]

    def build(self, request_struct_class: type[_MetadataRequest12]) -> _MetadataRequest12:
        return request_struct_class(self._topics, False, False, {})


async def topic_ids(bootstrap: str, names: Iterable[str]) -> dict[str, UUID]:
    """The ids of these topics; `Unavailable` when the broker does not answer or a topic does not exist."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    try:
        await client.bootstrap()
        response = await client.send(client.get_random_node(), _TopicIdsRequest(names))
    except KafkaError as error:
        raise Unavailable(f"the broker at {bootstrap} does not answer; check HOSO_KAFKA") from error
    finally:
        await client.close()
    ids: dict[str, UUID] = {}
    for error_code, name, topic_id, *_ in response.topics:
        if error_code == UnknownTopicOrPartitionError.errno:
            raise Unavailable(f"the topic {name} does not exist: `hoso up` creates it; check HOSO_TOPIC_PREFIX")
        if error_code:
            raise Unavailable(f"the broker at {bootstrap} cannot describe the topic {name} now (error {error_code})")
        ids[name] = topic_id
    return ids
