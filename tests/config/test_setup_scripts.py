"""The scripts of deploy/: secrets are made once, and a refusal is one sentence."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ml.signing import public_keys, signing_key

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "DJANGO_SECRET_KEY",
    "PATIENT_ID_KEY",
    "ASSIGNMENT_KEY",
    "INTAKE_KEYS",
    "MODEL_SIGNING_KEY",
}


def run_dev_env(*arguments: str, root: Path = ROOT) -> None:
    """Run the generator of secrets of a clone."""
    subprocess.run([sys.executable, root / "deploy" / "dev_env.py", *arguments], check=True)


def run_script(
    name: str, *arguments: str, root: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as from a terminal and keep what it says."""
    return subprocess.run(
        [root / "deploy" / name, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone that holds nothing but the scripts."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    return tmp_path


def dev_env_of(clone: Path) -> dict[str, str]:
    """Return the variables of the development file."""
    lines = (clone / "var" / "dev.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


class TestDevelopmentSecrets:
    def test_it_works(self, clone: Path) -> None:
        run_dev_env(root=clone)

        values = dev_env_of(clone)
        assert set(values) == SECRETS | {"DJANGO_DEBUG", "SECURE_SSL_REDIRECT"}
        assert len({values[name] for name in SECRETS}) == len(SECRETS)
        assert all(len(values[name]) >= 32 for name in SECRETS)
        Fernet(values["INTAKE_KEYS"])
        signing_key(values["MODEL_SIGNING_KEY"])

    def test_only_its_owner_can_read_it(self, clone: Path) -> None:
        run_dev_env(root=clone)

        assert (clone / "var" / "dev.env").stat().st_mode & 0o777 == 0o600

    def test_a_second_run_changes_nothing(self, clone: Path) -> None:
        run_dev_env(root=clone)
        before = (clone / "var" / "dev.env").read_bytes()

        run_dev_env(root=clone)

        assert (clone / "var" / "dev.env").read_bytes() == before

    def test_what_is_missing_is_added_and_what_is_there_stays(self, clone: Path) -> None:
        (clone / "var").mkdir()
        (clone / "var" / "dev.env").write_text("DJANGO_DEBUG=false\nPATIENT_ID_KEY=mine")

        run_dev_env(root=clone)

        values = dev_env_of(clone)
        assert values["DJANGO_DEBUG"] == "false"
        assert values["PATIENT_ID_KEY"] == "mine"
        assert set(values) >= SECRETS


class TestSecretFiles:
    def test_a_second_run_changes_nothing(self, tmp_path: Path) -> None:
        run_dev_env("--files", str(tmp_path / "secrets"))
        before = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}

        run_dev_env("--files", str(tmp_path / "secrets"))

        after = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
        assert after == before

    def test_the_database_and_the_owner_of_its_tables_share_a_password(
        self, tmp_path: Path
    ) -> None:
        run_dev_env("--files", str(tmp_path / "secrets"))

        password = (tmp_path / "secrets" / "postgres_password").read_text().strip()
        assert f":{password}@" in (tmp_path / "secrets" / "database_owner_url").read_text()
        assert password not in (tmp_path / "secrets" / "database_url").read_text()

    def test_the_address_of_an_owner_becomes_two(self, tmp_path: Path) -> None:
        run_dev_env("--files", str(tmp_path))
        before = (tmp_path / "database_owner_url").read_bytes()
        (tmp_path / "database_owner_url").replace(tmp_path / "database_url")

        # As docs/deploy.md tells an installation that has had one role for everything.
        (tmp_path / "database_url").replace(tmp_path / "database_owner_url")
        run_dev_env("--files", str(tmp_path))

        assert (tmp_path / "database_owner_url").read_bytes() == before
        assert "//triage_app:" in (tmp_path / "database_url").read_text()

    def test_a_lost_address_of_the_owner_is_made_of_its_password_again(
        self, tmp_path: Path
    ) -> None:
        run_dev_env("--files", str(tmp_path))
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        (tmp_path / "database_owner_url").unlink()

        run_dev_env("--files", str(tmp_path))

        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_the_folder_is_closed_to_others(self, tmp_path: Path) -> None:
        run_dev_env("--files", str(tmp_path / "secrets"))

        assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700

    def test_one_key_signs_and_the_other_verifies(self, tmp_path: Path) -> None:
        run_dev_env("--files", str(tmp_path))

        private = signing_key((tmp_path / "model_signing_key").read_text())
        (public,) = public_keys((tmp_path / "model_public_keys").read_text())
        public.verify(private.sign(b"manifest"), b"manifest")

    def test_a_signing_key_that_is_kept_elsewhere_is_not_made_here(self, tmp_path: Path) -> None:
        run_dev_env("--files", str(tmp_path))
        (tmp_path / "model_signing_key").unlink()

        run_dev_env("--files", str(tmp_path))

        assert not (tmp_path / "model_signing_key").exists()

    def test_a_public_key_that_was_lost_is_made_of_the_other_again(self, tmp_path: Path) -> None:
        run_dev_env("--files", str(tmp_path))
        before = (tmp_path / "model_public_keys").read_bytes()
        (tmp_path / "model_public_keys").unlink()

        run_dev_env("--files", str(tmp_path))

        assert (tmp_path / "model_public_keys").read_bytes() == before

    def test_without_openssl_it_says_so_in_one_sentence(self, tmp_path: Path) -> None:
        command = [sys.executable, ROOT / "deploy" / "dev_env.py", "--files", tmp_path / "secrets"]

        result = subprocess.run(
            command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
        )

        assert result.returncode == 1
        assert result.stderr.startswith("The keys of model versions are made by openssl, which")
        assert result.stderr.count("\n") == 1

    def test_a_key_that_openssl_cannot_read_is_said_in_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "model_signing_key").write_text("not a key")
        command = [sys.executable, ROOT / "deploy" / "dev_env.py", "--files", tmp_path]

        result = subprocess.run(command, capture_output=True, text=True, check=False)

        assert result.returncode == 1
        assert result.stderr.startswith("openssl cannot make the keys of model versions (")
        assert result.stderr.count("\n") == 1
        assert "not a key" not in result.stderr


class TestRun:
    def test_a_taken_port_is_said_before_anything_starts(self, clone: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]

            result = run_script("run.sh", str(port), root=clone)

        assert result.returncode == 1
        assert result.stderr.startswith(f"Port {port} cannot be used (Address already in use)")
        assert result.stdout == ""
        assert not (clone / ".venv").exists()

    @pytest.mark.parametrize("port", ["0", "65536", "http", "80 80", "-1"])
    def test_a_port_that_is_none_is_refused(self, clone: Path, port: str) -> None:
        result = run_script("run.sh", port, root=clone)

        assert result.returncode == 1
        assert result.stderr == "PORT must be a number from 1 to 65535, such as PORT=8001.\n"


class TestSetup:
    def test_without_a_python_it_says_so_in_one_sentence(self, clone: Path) -> None:
        tools = clone / "bin"
        tools.mkdir()
        for name in ("bash", "dirname", "mkdir", "env"):
            (tools / name).symlink_to(str(shutil.which(name)))

        result = run_script("setup.sh", root=clone, PATH=str(tools))

        assert result.returncode == 1
        assert result.stderr.startswith("Python 3.11 or newer with its venv module is needed")
        assert result.stderr.count("\n") == 1

    def test_a_failed_step_is_named_with_its_reason_and_its_log(self, clone: Path) -> None:
        (clone / "requirements.txt").write_text("./no-such-package\n")

        result = run_script("setup.sh", root=clone)

        assert result.returncode == 1
        assert "Stopped at step 2, Installing packages: " in result.stderr
        assert "no-such-package" in result.stderr
        assert "var/log/setup.log" in result.stderr
        assert not (clone / ".venv" / ".installed-service").exists()
