"""Demonstration users: made once, kept as they are, and only on a development machine."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone
from knox.models import AuthToken

from api.client import ServiceError
from api.demo import (
    EXAMPLE_REQUEST,
    PEOPLE,
    DemoError,
    curl_line,
    demo_setup,
    first_decision,
)
from api.serializers import TriageRequestSerializer
from monitoring.roles import Role, permissions_of


@pytest.fixture
def folder(settings: Any, tmp_path: Path, db: None) -> Path:
    """A folder for secrets on a development machine."""
    settings.DEBUG = True
    settings.VAR_DIR = tmp_path
    return tmp_path


def passwords(folder: Path) -> dict[str, str]:
    return dict(line.split(" ") for line in (folder / "dev-passwords").read_text().splitlines())


def state(folder: Path) -> tuple[Any, ...]:
    """Everything that a second run could change."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return files, list(User.objects.values_list("username", "password")), AuthToken.objects.count()


def test_it_works(folder: Path) -> None:
    call_command("setup_demo")

    admin, reviewer, frontend = (
        User.objects.get(username=name) for name in ("admin", "reviewer", "frontend")
    )
    assert admin.is_superuser
    assert admin.check_password(passwords(folder)["admin"])
    assert reviewer.is_staff
    assert not reviewer.is_superuser
    assert reviewer.check_password(passwords(folder)["reviewer"])
    assert not frontend.is_staff
    assert not frontend.has_usable_password()


def test_there_is_somebody_of_each_role_who_may_exactly_that(folder: Path) -> None:
    demo_setup(folder)

    assert {*PEOPLE.values(), Role.FRONTEND} == set(Role)
    for name, role in PEOPLE.items():
        person = User.objects.get(username=name)
        assert person.get_all_permissions() == permissions_of(role)
        assert person.check_password(passwords(folder)[name])
        assert (person.is_staff, person.is_superuser) == (True, False)


def test_the_token_shows_the_summary_and_no_more(folder: Path) -> None:
    demo_setup(folder)

    frontend = User.objects.get(username="frontend")
    summary = {"monitoring.view_monitoringrun"}
    assert frontend.get_all_permissions() == permissions_of(Role.FRONTEND) | summary


def test_only_their_owner_can_read_the_secrets(folder: Path) -> None:
    demo_setup(folder)

    assert {path.name for path in folder.iterdir()} == {"dev-passwords", "dev-token"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())


def test_a_second_run_changes_nothing(folder: Path) -> None:
    demo_setup(folder)
    before = state(folder)

    demo_setup(folder)

    assert state(folder) == before


def test_a_password_that_was_changed_by_hand_stays(folder: Path) -> None:
    demo_setup(folder)
    admin = User.objects.get(username="admin")
    admin.set_password("my own words")
    admin.save()

    demo_setup(folder)

    assert User.objects.get(username="admin").check_password("my own words")


def test_a_lost_password_file_is_not_filled_with_passwords_that_fail(folder: Path) -> None:
    demo_setup(folder)
    (folder / "dev-passwords").unlink()

    demo_setup(folder)

    assert not (folder / "dev-passwords").exists()


def test_a_new_database_gets_the_known_passwords(folder: Path) -> None:
    demo_setup(folder)
    known = passwords(folder)
    User.objects.all().delete()

    demo_setup(folder)

    assert passwords(folder) == known
    assert User.objects.get(username="admin").check_password(known["admin"])


@pytest.mark.parametrize("breakage", ["file lost", "expired", "revoked", "nonsense"])
def test_a_token_that_no_longer_works_is_minted_anew(folder: Path, breakage: str) -> None:
    demo_setup(folder)
    file = folder / "dev-token"
    old = file.read_text()
    break_token(breakage, file)

    demo_setup(folder)

    assert file.read_text() != old
    assert len(file.read_text().strip()) == 64


def break_token(breakage: str, file: Path) -> None:
    match breakage:
        case "file lost":
            file.unlink()
        case "expired":
            AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
        case "revoked":
            AuthToken.objects.all().delete()
        case "nonsense":
            file.write_text("ü not a token\n")


def test_it_refuses_outside_development(folder: Path, settings: Any) -> None:
    settings.DEBUG = False

    with pytest.raises(CommandError, match="only where DJANGO_DEBUG is true"):
        call_command("setup_demo")

    assert User.objects.count() == 0
    assert list(folder.iterdir()) == []


def test_the_made_up_patient_is_a_valid_request() -> None:
    serializer = TriageRequestSerializer(data=json.loads(json.dumps(EXAMPLE_REQUEST)))

    assert serializer.is_valid(), serializer.errors


class TestFirstDecision:
    @pytest.fixture
    def server(self) -> Any:
        """A server that answers what it was sent."""
        server = HTTPServer(("127.0.0.1", 0), Echo)
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()

    def test_the_printed_line_asks_the_same_again(self, server: str, tmp_path: Path) -> None:
        (tmp_path / "dev-token").write_text("secret\n")

        result = first_decision(url=server, folder=tmp_path)
        repeated = subprocess.run(result.curl, shell=True, capture_output=True, check=True)  # noqa: S602

        assert result.answer["token"] == "Token secret"
        assert json.loads(repeated.stdout) == result.answer

    def test_without_a_token_it_says_how_to_get_one(self, tmp_path: Path) -> None:
        with pytest.raises(DemoError, match="setup_demo makes it"):
            first_decision(url="http://127.0.0.1:9", folder=tmp_path)

    def test_without_a_server_it_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "dev-token").write_text("secret\n")

        with pytest.raises(ServiceError, match="did not answer"):
            first_decision(url="http://127.0.0.1:9", folder=tmp_path)


class Echo(BaseHTTPRequestHandler):
    """Answers the token and the body that came."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        answer = {"token": self.headers["Authorization"], "body": body}
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *arguments: Any) -> None:
        """Keep the test's output clean."""


def test_the_line_is_safe_for_a_shell() -> None:
    line = curl_line("http://x/", body='{"a": "it\'s $HOME `id`"}', headers={"X": "y z"})

    assert shlex.split(line)[-3:] == ["-d", '{"a": "it\'s $HOME `id`"}', "http://x/"]
    assert "\n" not in line
