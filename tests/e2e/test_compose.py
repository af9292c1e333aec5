"""docker-compose.yml as a newcomer starts it, where a container engine exists."""

import json
import time
from pathlib import Path
from typing import Final

import pytest
from testcontainers.compose import DockerCompose

from tests.contract.conftest import skip_without_engine

ROOT: Final = Path(__file__).parents[2]
COUNTED_S_MAX: Final = 60.0


@pytest.mark.timeout(1200)  # images are fetched and one is built
def test_an_event_is_counted_and_stored() -> None:
    skip_without_engine()
    with DockerCompose(ROOT, build=True, wait=True) as compose:
        sample = json.dumps(json.loads((ROOT / "schemas/samples/accepted.v1.json").read_text()))
        send = f"echo '{sample}' | hoso send -"
        out, err, code = compose.exec_in_container(["sh", "-c", send], "gateway")
        assert code == 0, out + err
        question = ["hoso", "sql", "SELECT count() FROM mart.dossiers", "--csv"]
        give_up_at = time.monotonic() + COUNTED_S_MAX
        while "1" not in (answer := compose.exec_in_container(question, "sink")[0]).splitlines():
            assert time.monotonic() < give_up_at, answer
