"""What the worker changes of Faust."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from faust.types import TP

from schemas.settings import read_settings
from streams.app import create_app


@pytest.mark.asyncio
async def test_a_full_queue_leaves_no_partition_out_of_the_next_fetch(tmp_path: Path) -> None:
    app = create_app(read_settings({"HOSO_VAR": str(tmp_path)}), now=lambda: datetime.now(UTC))
    partition = TP("dossier-events", 0)
    app.consumer.resume_partitions([partition])
    app.consumer.on_buffer_full(partition)
    assert app.consumer._get_active_partitions() == {partition}
