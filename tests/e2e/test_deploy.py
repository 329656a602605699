"""What ships in deploy/ fits the server: every metric that a rule or a panel names is served, and the unit is as tight as we say."""
import json
import pathlib
import re
import subprocess

import pytest
from server import ROOT, Server

DEPLOY = pathlib.Path(ROOT) / "deploy"
METRIC = re.compile(r"\bcareteam_[a-z_]+")


@pytest.fixture(scope="module")
def served():
    """The names of all metrics of a running server, as samples."""
    with Server() as server:
        server.start()
        text = server.admin("/metrics")[1]
    return {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}


@pytest.mark.parametrize("file", ["prometheus-alerts.yaml", "grafana-dashboard.json"])
def test_every_metric_that_is_named_is_served(served, file):
    named = set(METRIC.findall((DEPLOY / file).read_text()))
    assert named and named <= served, named - served


def test_every_metric_is_explained_and_has_a_place(served):
    """A metric that no panel and no rule shows is one that nobody looks at."""
    shown = set(METRIC.findall((DEPLOY / "prometheus-alerts.yaml").read_text() + (DEPLOY / "grafana-dashboard.json").read_text()))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in served if name.startswith("careteam_")}
    assert families <= {re.sub(r"_bucket$", "", name) for name in shown}, families - shown


def test_the_dashboard_is_json_with_panels_that_do_not_overlap():
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in board["panels"]]
    assert len(places) == len(set(places)) and all(one["targets"] for one in board["panels"])


@pytest.mark.parametrize("unit", ["careteam.service", "careteam-notifier.service"])
def test_a_unit_is_sandboxed(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", DEPLOY / unit], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


def words_of(unit):
    """{name: value} of a unit; of what is said twice the last."""
    return dict(line.split("=", 1) for line in (DEPLOY / unit).read_text().splitlines() if "=" in line and not line.startswith("#"))


def test_the_unit_leaves_the_time_and_the_descriptors_that_the_server_may_need():
    unit = words_of("careteam.service")
    settings = (DEPLOY / "configuration.md").read_text()
    longest_drain = int(re.search(r"`server.drain_ms` .* 0 to (\d+) milliseconds", settings)[1])
    connections = int(re.search(r"`server.max_connections` .* `(\d+)`", settings)[1])
    assert int(unit["TimeoutStopSec"].removesuffix("s")) * 1000 >= longest_drain + 1000
    assert int(unit["LimitNOFILE"]) >= connections + 100


def test_the_notifiers_unit_leaves_the_time_that_an_attempt_may_take():
    longest_attempt = int(re.search(r"`notifier.attempt_timeout_ms` .* to (\d+) milliseconds", (DEPLOY / "configuration.md").read_text())[1])
    assert int(words_of("careteam-notifier.service")["TimeoutStopSec"].removesuffix("s")) * 1000 >= longest_attempt + 1000
