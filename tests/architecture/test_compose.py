"""docker-compose.yml keeps to the schema, knows only real settings, and holds no secret."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import environ
import jsonschema
import pytest
import yaml

from tests.architecture.test_settings_documented import variables_documented
from tests.config.test_setup_scripts import run_dev_env

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN_SERVICES = ("setup", "web", "worker", "trainer", "beat")
# Read by the images and by PostgreSQL's client library rather than by our settings.
FOREIGN_VARIABLES = {
    "GF_ANALYTICS_CHECK_FOR_UPDATES",
    "GF_ANALYTICS_REPORTING_ENABLED",
    "GF_AUTH_ANONYMOUS_ENABLED",
    "GF_AUTH_BASIC_ENABLED",
    "GF_AUTH_DISABLE_LOGIN_FORM",
    "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION",
    "POSTGRES_DB",
    "POSTGRES_PASSWORD_FILE",
    "POSTGRES_USER",
}
SECRETS = {
    "ALERT_WEBHOOK_SECRET",
    "ASSIGNMENT_KEY",
    "DATABASE_URL",
    "DJANGO_SECRET_KEY",
    "INTAKE_KEYS",
    "MODEL_PUBLIC_KEYS",
    "PATIENT_ID_KEY",
    "PATIENT_ID_OLD_KEYS",
}
# What one service alone is told, from a file too.
SECRETS_OF_SOME = {"APPLICATION_DATABASE_URL", "METRICS_TOKENS", "MODEL_SIGNING_KEY"}
TRAINERS = {"setup", "trainer"}


def test_it_keeps_to_the_compose_schema() -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"

    jsonschema.validate(COMPOSE, json.loads(schema.read_text(encoding="utf-8")))


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_read_by_somebody(service: str) -> None:
    named = set(SERVICES[service].get("environment", {}))
    files = {f"{name}_FILE" for name in SECRETS | SECRETS_OF_SOME}
    known = variables_documented() | files | FOREIGN_VARIABLES

    assert named - known == set()


@pytest.mark.parametrize("service", OWN_SERVICES)
def test_every_secret_comes_from_a_file_that_is_mounted(service: str) -> None:
    environment = SERVICES[service]["environment"]
    mounted = {f"/run/secrets/{name}" for name in SERVICES[service]["secrets"]}

    assert not (SECRETS | SECRETS_OF_SOME) & set(environment)
    assert {f"{name}_FILE" for name in SECRETS} <= set(environment)
    assert {path for name, path in environment.items() if name.endswith("_FILE")} == mounted


def holders(secret: str) -> set[str]:
    """Return the services that are given a secret."""
    return {name for name, service in SERVICES.items() if secret in service.get("secrets", [])}


def test_only_the_setup_is_the_owner_of_the_tables() -> None:
    owners = {
        name
        for name in OWN_SERVICES
        if SERVICES[name]["environment"]["DATABASE_URL_FILE"] == "/run/secrets/database_owner_url"
    }

    assert owners == holders("database_owner_url") == {"setup"}
    assert (
        SERVICES["setup"]["environment"]["APPLICATION_DATABASE_URL_FILE"]
        == (SERVICES["web"]["environment"]["DATABASE_URL_FILE"])
    )


def test_only_the_server_and_who_asks_it_know_the_token_of_the_metrics() -> None:
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    (scrape,) = prometheus["scrape_configs"]
    shown = SERVICES["web"]["environment"]["METRICS_TOKENS_FILE"]

    assert holders("metrics_tokens") == {"web", "prometheus"}
    assert scrape["authorization"] == {"credentials_file": shown}


def test_only_a_trainer_holds_the_key_that_signs_model_versions() -> None:
    given = holders("model_signing_key")
    told = {
        name for name, s in SERVICES.items() if "MODEL_SIGNING_KEY" in str(s.get("environment"))
    }

    assert given == told == TRAINERS
    assert SERVICES["setup"]["environment"]["MODEL_SIGNING_KEY_FILE"] == (
        "/run/secrets/model_signing_key"
    )


def test_only_a_trainer_writes_to_the_model_store() -> None:
    writers = {name for name, s in SERVICES.items() if "models:/models" in s.get("volumes", [])}

    assert writers == TRAINERS


def test_every_secret_is_a_file_that_the_generator_writes(tmp_path: Path) -> None:
    run_dev_env("--files", str(tmp_path))

    assert {Path(s["file"]).name for s in COMPOSE["secrets"].values()} == {
        path.name for path in tmp_path.iterdir()
    }


def test_the_owner_logs_in_where_and_as_whom_the_database_knows_it(tmp_path: Path) -> None:
    run_dev_env("--files", str(tmp_path))

    address = environ.Env.db_url_config((tmp_path / "database_owner_url").read_text().strip())
    database = SERVICES["db"]["environment"]
    assert (address["HOST"], address["PASSWORD"]) == (
        "db",
        (tmp_path / "postgres_password").read_text().strip(),
    )
    assert (address["NAME"], address["USER"]) == (
        database["POSTGRES_DB"],
        database["POSTGRES_USER"],
    )


def test_the_service_logs_in_at_the_same_place_as_somebody_else(tmp_path: Path) -> None:
    run_dev_env("--files", str(tmp_path))

    owner, service = (
        environ.Env.db_url_config((tmp_path / name).read_text().strip())
        for name in ("database_owner_url", "database_url")
    )
    same = ("ENGINE", "HOST", "PORT", "NAME")
    assert [owner[key] for key in same] == [service[key] for key in same]
    assert all(owner[key] != service[key] for key in ("USER", "PASSWORD"))


def test_every_value_from_outside_is_explained_in_the_example() -> None:
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", TEXT))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")

    assert used == set(re.findall(r"^#?([A-Z_]+)=", example, flags=re.MULTILINE))


def test_exactly_one_beat() -> None:
    beats = [name for name, service in SERVICES.items() if "beat" in service.get("command", [])]

    assert beats == ["beat"]
    assert SERVICES["beat"]["deploy"]["replicas"] == 1


def test_nobody_decides_before_the_database_is_up_to_date() -> None:
    for name in ("web", "worker", "beat"):
        conditions = {k: v["condition"] for k, v in SERVICES[name]["depends_on"].items()}

        assert conditions["setup"] == "service_completed_successfully"
        assert conditions["db"] == conditions["redis"] == "service_healthy"


def test_what_is_published_is_reached_from_this_host_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert set(published) == {"web", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_figures_and_dashboards_are_started_only_when_asked_for() -> None:
    asked_for = {name for name, s in SERVICES.items() if "monitoring" in s.get("profiles", [])}

    assert asked_for == {"prometheus", "grafana"}
    assert [SERVICES[name].get("secrets") for name in sorted(asked_for)] == [
        None,
        ["metrics_tokens"],
    ]


def test_the_web_server_counts_in_memory() -> None:
    folder = SERVICES["web"]["environment"]["PROMETHEUS_MULTIPROC_DIR"]

    assert any(mount.startswith(f"{folder}:") for mount in SERVICES["web"]["tmpfs"])
