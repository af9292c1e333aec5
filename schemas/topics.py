"""Every Kafka topic, once: its key, its content, who writes and who reads it, and how long it keeps.

A deployment, and every test, may put a prefix before all names.
"""

from dataclasses import dataclass
from typing import Final, Literal

KEEP_FOREVER: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
# Compaction may run late, never early: a reader that pauses for an hour still sees deletes.
COMPACT: Final = {"cleanup.policy": "compact", "retention.ms": "-1", "min.cleanable.dirty.ratio": "0.3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One line of the list. `partitions` is fixed for topics that follow no setting."""

    name: str
    key: str
    content: str
    config: dict[str, str]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    partitions: Literal["setting"] | int = "setting"


EVENTS: Final = Topic(
    name="dossier-events",
    key="dossier",
    content="every fact, as sent: CloudEvents, structured or binary",
    config=KEEP_FOREVER,
    writers=("upstream", "gateway", "import"),
    readers=("processor", "sink"),
)
STATES: Final = Topic(
    name="dossier-states",
    key="dossier",
    content="the processor's changelog: state after the last slice, with history, offset and policy",
    config=COMPACT,
    writers=("processor",),
    readers=("processor", "sink"),
)
TALLIES: Final = Topic(
    name="unit-tallies",
    key="unit/partition[/day[/subset]], and /partition for a heartbeat; the unit decides the partition",
    content="absolute partial tallies",
    config=COMPACT,
    writers=("processor",),
    readers=("totals", "monitor", "sink"),
)
COUNTERS: Final = Topic(
    name="unit-counters",
    key="unit",
    content="totals per unit, for Kafka consumers",
    config=COMPACT,
    writers=("totals",),
    readers=("programs",),
)
DEAD_LETTERS: Final = Topic(
    name="dossier-events-dlq",
    key="as the original",
    content="bytes that are no event, with reason and address in headers",
    config=KEEP_FOREVER,
    writers=("processor",),
    readers=("operators",),
)
UNITS: Final = Topic(
    name="units",
    key="unit",
    content="reference data: names, hierarchy, validity, successors and rules",
    config=COMPACT,
    writers=("reference", "import"),
    readers=("gateway", "processor", "monitor", "sink"),
    partitions=1,
)
PROCEDURES: Final = Topic(
    name="procedures",
    key="procedure",
    content="reference data: the catalogue of procedures",
    config=COMPACT,
    writers=("reference",),
    readers=("monitor", "sink"),
    partitions=1,
)
CALENDARS: Final = Topic(
    name="calendars",
    key="calendar",
    content="reference data: working days and office hours",
    config=COMPACT,
    writers=("reference",),
    readers=("processor", "sink"),
    partitions=1,
)
POLICIES: Final = Topic(
    name="policies",
    key="policy",
    content="reference data: versioned rules",
    config=COMPACT,
    writers=("reference",),
    readers=("gateway", "processor", "sink"),
    partitions=1,
)
REFERENCE: Final = (UNITS, PROCEDURES, CALENDARS, POLICIES)
TOPICS: Final = (EVENTS, STATES, TALLIES, COUNTERS, DEAD_LETTERS, *REFERENCE)

# Headers of a dead letter.
DLQ_REASON: Final = "hoso-reason"
DLQ_DETAIL: Final = "hoso-detail"
DLQ_TOPIC: Final = "hoso-topic"
DLQ_PARTITION: Final = "hoso-partition"
DLQ_OFFSET: Final = "hoso-offset"


@dataclass(frozen=True, slots=True)
class TopicNames:
    """The names in use: every topic's name after the deployment's prefix."""

    prefix: str = ""

    def __getitem__(self, topic: Topic) -> str:
        return f"{self.prefix}{topic.name}"
