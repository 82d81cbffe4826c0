"""What the processes show of themselves, and what dashboard and alerts make of it in a real Prometheus."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import requests
import yaml

from tests.acceptance.monitored import MONITORING, Monitored, Prometheus, panel_queries, program
from tests.process import ProcessError, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = re.compile(r"\bstockrelay_[a-z_]+")
NO_PROMETHEUS = "Prometheus is not installed (Debian's package prometheus)"


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    with Monitored(tmp_path_factory.mktemp("monitored")) as running:
        running.bound_memory()
        running.play()
        yield running


def rules() -> dict[str, str]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


@pytest.mark.slow
def test_every_process_shows_what_it_did(monitored: Monitored) -> None:
    worker, hooks, files = (monitored.numbers(name) for name in ("partsbox", "webhooks", "files"))

    assert worker["stockrelay_commands_ended_total stock.add applied partsbox"] == 3
    assert worker["stockrelay_commands_ended_total stock.add rejected partsbox"] == 1
    assert worker["stockrelay_lookups_total partsbox landed"] == 1
    assert worker["stockrelay_vendor_requests_total POST none partsbox"] == 1
    assert worker["stockrelay_settle_seconds partsbox"] == 2
    assert hooks["stockrelay_commands_accepted_total false stock.add"] == 3
    assert files["stockrelay_files_ended_total goods-in done"] == 1
    assert files["stockrelay_outbox_entries files sent"] == 1


@pytest.mark.slow
def test_the_ledger_and_the_limits_are_shown_by_one_process(monitored: Monitored) -> None:
    wait_until(lambda: monitored.numbers("metrics")["stockrelay_commands applied partsbox"] == 3, "all is seen")
    found = monitored.numbers("metrics")

    assert found["stockrelay_redis_up"] == found["stockrelay_redis_durable"] == 1
    assert found["stockrelay_dead_letters partsbox"] == 1
    assert found["stockrelay_limit_granted_total partsbox"] > 4
    assert found["stockrelay_limit_rate partsbox"] == 2
    assert found["stockrelay_processes worker partsbox false"] == 1
    assert found["stockrelay_redis_max_memory_bytes"] == 1024**3


@pytest.mark.slow
def test_no_secret_is_in_any_number(monitored: Monitored) -> None:
    environment = monitored.system.environment
    secrets = [environment["STOCKRELAY_PARTSBOX_API_KEY"], monitored.system.api_token]
    texts = [requests.get(monitored.url(name), timeout=30).text for name in monitored.ports]
    assert [secret for secret in secrets for text in texts if secret in text] == []


@pytest.mark.slow
def test_alerts_and_panels_ask_for_numbers_that_there_are(monitored: Monitored) -> None:
    asked = {
        name for query in (*rules().values(), *(query for _, query in panel_queries())) for name in _NAME.findall(query)
    }
    assert asked - monitored.names() == set()


@pytest.mark.slow
def test_a_redis_that_goes_away_and_comes_back_is_seen(tmp_path: Path) -> None:
    with Monitored(tmp_path) as own:
        wait_until(lambda: own.numbers("metrics")["stockrelay_redis_up"] == 1, "Redis is seen")
        own.system.valkey.kill()
        wait_until(lambda: own.numbers("metrics") == {"stockrelay_redis_up": 0}, "Redis is missed")
        own.system.restart_valkey()
        wait_until(lambda: own.numbers("metrics")["stockrelay_redis_up"] == 1, "Redis is seen again")
        assert own.metrics.stop() == 0
        assert own.worker.stop() == 0


@pytest.mark.slow
def test_a_worker_whose_port_for_numbers_is_taken_says_so_and_does_not_start(monitored: Monitored) -> None:
    with pytest.raises(ProcessError, match=r"STOCKRELAY_METRICS_PORT: .* cannot be opened"):
        monitored.system.start_worker({"STOCKRELAY_METRICS_PORT": str(monitored.ports["partsbox"])})


@pytest.mark.slow
@pytest.mark.skipif(program("prometheus") is None, reason=NO_PROMETHEUS)
def test_prometheus_scrapes_all_and_every_panel_shows_something(monitored: Monitored, tmp_path: Path) -> None:
    with Prometheus(tmp_path, monitored) as prometheus:
        wait_until(
            lambda: len(prometheus.ask("query", query="up == 1")["result"]) == len(monitored.ports) + 1, "all up"
        )

        def empty() -> list[str]:
            queries = list(panel_queries())
            return [title for title, query in queries if not prometheus.ask("query", query=query)["result"]]

        wait_until(lambda: empty() == [], "every panel shows something")
        evaluated = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        assert {rule["name"]: rule.get("lastError", "") for rule in evaluated} == dict.fromkeys(rules(), "")
        firing = {
            alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"
        }
        assert firing <= {"StockrelayDeadLetters"}


@pytest.mark.skipif(program("promtool") is None, reason=NO_PROMETHEUS)
def test_every_alert_fires_when_it_should_and_only_then() -> None:
    done = subprocess.run(
        [str(program("promtool")), "test", "rules", "alerts_test.yml"],
        cwd=MONITORING,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    cases = [
        case
        for one in yaml.safe_load((MONITORING / "alerts_test.yml").read_text())["tests"]
        for case in one["alert_rule_test"]
    ]
    told = {(case["alertname"], bool(case["exp_alerts"])) for case in cases}
    assert told == {(name, fires) for name in rules() for fires in (True, False)}
