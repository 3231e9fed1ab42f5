"""Dashboards and rules ask only for what the service tells, and docs/metrics.md tells all of it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from api import instruments
from ml.experiments import experiment_ensure_default
from monitoring.models import Alert, AlertDelivery, MonitoringRun
from monitoring.roles import Role
from tests.conftest import account, client_of
from tests.monitoring.test_metrics import ACCURACY, DRIFT

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
SCRAPE = yaml.safe_load(
    (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
)
DOCS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]

# What Prometheus itself knows of a target, and adds to each of its samples.
OF_PROMETHEUS = {"up": {"job", "instance"}}
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right"}
FUNCTIONS = {
    "absent", "avg", "changes", "histogram_quantile", "increase", "max", "min", "rate", "sum",
    "time", "topk",
}  # fmt: skip
TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*")
    | (?P<range>\[[^\]]*\])
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<mark>=~|!~|!=|==|>=|<=|[-+*/(){},=<>])
    | (?P<space>\s+)""",
    re.VERBOSE,
)


def tokens(expression: str) -> list[tuple[str, str]]:
    """Return the kinds and texts of a PromQL expression; anything odd is an error."""
    found, at = [], 0
    while at < len(expression):
        match = TOKEN.match(expression, at)
        assert match, expression[at:]
        found.append((str(match.lastgroup), match.group()))
        at = match.end()
    return [token for token in found if token[0] != "space"]


def asked(expression: str) -> Iterator[tuple[str, set[tuple[str, str, str]]]]:
    """Return each metric of an expression with its label matchers: label, operator, value."""
    parts = tokens(expression)
    assert sum(text == "(" for _, text in parts) == sum(text == ")" for _, text in parts)
    at = 0
    while at < len(parts):
        kind, text = parts[at]
        following = parts[at + 1][1] if at + 1 < len(parts) else ""
        if text in {"by", "without", "on"}:
            at = next(n for n in range(at, len(parts)) if parts[n][1] == ")")
        elif kind == "name" and text not in WORDS and following == "(":
            assert text in FUNCTIONS, text
        elif kind == "name" and text not in WORDS | FUNCTIONS:
            end = at + 1
            if following == "{":
                end = next(n for n in range(at, len(parts)) if parts[n][1] == "}")
            inside = [token for token in parts[at + 2 : end] if token[1] != ","]
            matchers = zip(inside[::3], inside[1::3], inside[2::3], strict=True)
            yield (
                text,
                {(label, sign, value[1:-1]) for (_, label), (_, sign), (_, value) in matchers},
            )
            at = max(at, end - 1)
        at += 1


def grouped(expression: str) -> set[str]:
    """Return the labels that an expression groups by."""
    lists = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    return {label.strip() for each in lists for label in each.split(",") if label.strip()}


def expressions() -> list[tuple[str, str]]:
    """Return every expression with where it stands."""
    found = [(rule["alert"], rule["expr"]) for rule in ALERTS]
    for file in DASHBOARDS:
        board = json.loads(file.read_text(encoding="utf-8"))
        found += [
            (f"{file.stem}: {panel['title']}", target["expr"])
            for panel in board["panels"]
            for target in panel["targets"]
        ]
        found += [(f"{file.stem}: {n['name']}", n["expr"]) for n in board["annotations"]["list"]]
    return found


@pytest.fixture
def told(transactional_db: None, api: Any, sore_throat: dict[str, Any]) -> dict[str, Any]:
    """Return what a scrape tells: each family by its name, with something on record."""
    experiment_ensure_default()
    for job, result in (("accuracy", ACCURACY), ("drift", DRIFT)):
        MonitoringRun.objects.create(job=job, day=timezone.now().date(), status="ok", result=result)
    day = timezone.now().date() - timedelta(days=1)
    alert = Alert.objects.create(
        policy="drift", cause=str(uuid.uuid4()), day=day, last_day=day, severity="warning",
        message="m", provisional=False,
    )  # fmt: skip
    AlertDelivery.objects.create(alert=alert, channel="email", number=1)
    api.send(sore_throat)
    api.send(sore_throat | {"sex": "?"})
    engineer = client_of(account("engineer", Role.ML_ENGINEER))
    text = engineer.get("/metrics").content.decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples_of(told: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the samples of a scrape by their own names."""
    found: dict[str, list[Any]] = {}
    for family in told.values():
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def test_what_dashboards_and_rules_ask_for_is_told(told: dict[str, Any]) -> None:
    samples = samples_of(told)
    labels = {name: {key for s in some for key in s.labels} for name, some in samples.items()}
    labels |= OF_PROMETHEUS

    for where, expression in expressions():
        metrics = dict(asked(expression))
        assert metrics, where
        for name, matchers in metrics.items():
            assert name in labels, f"{where}: {name}"
            assert {label for label, _, _ in matchers} <= labels[name], f"{where}: {name}"
        known = set().union(*(labels[name] for name in metrics))
        assert grouped(expression) <= known, where


def test_the_words_they_look_for_are_words_of_the_service(told: dict[str, Any]) -> None:
    words = {
        value for some in samples_of(told).values() for s in some for value in s.labels.values()
    }
    words |= instruments.FALLBACK_REASONS | instruments.ARMS | instruments.LEVELS
    words |= {"rules_only", "degraded", "triage", "predict", "5.."}

    for where, expression in expressions():
        for _, matchers in asked(expression):
            for label, _, value in matchers:
                assert label in {"job"} or set(value.split("|")) <= words, f"{where}: {value}"


def test_the_tokenizer_finds_what_is_asked() -> None:
    found = dict(asked('sum by (le) (rate(a_bucket{x=~"b|c", y!="d"}[5m])) / max(e) > 0.5'))

    assert found == {"a_bucket": {("x", "=~", "b|c"), ("y", "!=", "d")}, "e": set()}
    with pytest.raises(AssertionError):
        tokens("sum(a) ; drop")


def test_the_docs_list_every_metric_with_its_type_and_labels(told: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `(triage_\w+)` \| (\w+) \|([^|]*)\|", DOCS, flags=re.MULTILINE)
    listed = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}

    def labels(family: Any) -> set[str]:
        return {key for sample in family.samples for key in sample.labels} - {"le"}

    def name(family: Any) -> str:
        return family.name + ("_total" if family.type == "counter" else "")

    assert listed == {name(f): (f.type, labels(f)) for f in told.values()}


def test_names_keep_to_the_conventions(told: dict[str, Any]) -> None:
    for family in told.values():
        assert re.fullmatch(r"triage_[a-z_]+", family.name)
        assert family.documentation
        assert not family.name.endswith(("_ms", "_percent", "_minutes", "_hours"))
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


@pytest.mark.parametrize("rule", ALERTS, ids=[rule["alert"] for rule in ALERTS])
def test_every_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    page, _, section = rule["annotations"]["runbook_url"].partition("#")

    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"].endswith(".")
    assert page == "docs/metrics.md"
    assert section == rule["alert"].lower()
    assert f"\n### {rule['alert']}\n" in DOCS


def test_every_section_of_the_docs_has_its_rule() -> None:
    assert set(re.findall(r"^### (\w+)$", DOCS, flags=re.MULTILINE)) == {
        rule["alert"] for rule in ALERTS
    }


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_panels_lie_side_by_side(file: Path) -> None:
    board = json.loads(file.read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()

    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_prometheus_finds_the_rules_and_the_service() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    target = SCRAPE["scrape_configs"][0]
    host = target["static_configs"][0]["targets"][0].partition(":")[0]

    assert SCRAPE["rule_files"] == ["rules.yml"]
    assert target["metrics_path"] == "/metrics"
    assert host in compose["services"]
    assert compose["services"]["web"]["environment"]["ALLOWED_HOSTS"].endswith(f",{host}")


def test_grafana_finds_the_dashboards_and_prometheus() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    source = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    provider = yaml.safe_load((folder / "dashboards" / "triage.yml").read_text())["providers"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    mounted = [volume.split(":")[1] for volume in compose["services"]["grafana"]["volumes"]]

    assert provider[0]["options"]["path"] in mounted
    assert source[0]["url"] == "http://prometheus:9090"
    for file in DASHBOARDS:
        assert set(re.findall(r'"uid": "(\w+)"', file.read_text())) == {source[0]["uid"]}
