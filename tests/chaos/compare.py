"""What was acknowledged beside the log, and all that was derived from it by `hoso audit`: a line per difference."""

import json

from schemas import topics
from services.audit.run import audit
from services.sink.clickhouse import open_server
from tests.chaos.stand import Stand

DIFFERENCES_MAX = 20
WAIT_S = 30


async def differences(stand: Stand, acknowledged: set[str]) -> list[str]:
    """The first of what does not agree; `Unavailable` while a part is down."""
    settings = stand.settings
    log = set()
    for partition in range(settings.partitions):
        async for records in stand.log.read_to_end(settings.topics[topics.EVENTS], partition):
            log.update(json.loads(record.value)["id"] for record in records)
    door = open_server(host=settings.host, port=settings.sql_port, user="default", password="", secure=False)
    try:
        monitor = f"http://{settings.host}:{settings.monitor_port}"
        found = await audit(settings, warehouse=door, monitor=monitor, wait_s=WAIT_S, shown=DIFFERENCES_MAX)
    finally:
        door.close()
    lost = [f"acknowledged but not in the log: {id_}" for id_ in sorted(acknowledged - log)]
    return (lost + found.notes + [str(difference) for difference in found.differences])[:DIFFERENCES_MAX]
