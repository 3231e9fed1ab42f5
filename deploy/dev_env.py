"""Write the secrets that a start needs, once: ``var/dev.env`` or a folder of secret files.

``dev_env.py`` completes ``var/dev.env`` for development: a value that is there is never changed.
``dev_env.py --files FOLDER`` writes the files that docker-compose.yml hands to its services.
It runs before any package is installed, so it uses the standard library alone.
"""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import tempfile
from pathlib import Path

DEV_ENV = Path(__file__).resolve().parent.parent / "var" / "dev.env"
HEADER = (
    "# Development secrets of this clone, made by `make setup`. Never use them in production.\n"
)
COMPOSE_DATABASE_URL = "postgres://triage:{}@db:5432/triage\n"


def secret_values() -> dict[str, str]:
    """Return fresh secrets of the service by the name of their setting."""
    return {
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "PATIENT_ID_KEY": secrets.token_urlsafe(32),
        "ASSIGNMENT_KEY": secrets.token_urlsafe(32),
        # A Fernet key is 32 bytes in padded, URL-safe base 64.
        "INTAKE_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def dev_env_complete(path: Path) -> None:
    """Add what the file lacks; what stands in it stays as it is."""
    text = path.read_text(encoding="utf-8") if path.exists() else HEADER
    present = {line.split("=", 1)[0].strip() for line in text.splitlines() if "=" in line}
    wanted = {"DJANGO_DEBUG": "true", "SECURE_SSL_REDIRECT": "false", **secret_values()}
    missing = [f"{name}={value}\n" for name, value in wanted.items() if name not in present]
    if missing:
        separator = "" if text.endswith("\n") else "\n"
        write_whole(path, text + separator + "".join(missing), mode=0o600)


def secret_files_complete(folder: Path) -> None:
    """Write the secret files that are not there yet.

    The folder is closed to others. The files inside are readable, because a container's user is
    not the user of the host.
    """
    password = secrets.token_urlsafe(32)
    files = {name.lower(): value + "\n" for name, value in secret_values().items()}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    if not (folder / "postgres_password").exists():
        files |= {
            "database_url": COMPOSE_DATABASE_URL.format(password),
            "postgres_password": password + "\n",
        }
    for name, text in files.items():
        if name in {"database_url", "postgres_password"} or not (folder / name).exists():
            write_whole(folder / name, text, mode=0o444)


def write_whole(path: Path, text: str, *, mode: int) -> None:
    """Write a file with its mode, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
    Path(temporary).replace(path)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="write secret files there")
    folder = parser.parse_args().files
    if folder:
        secret_files_complete(folder)
    else:
        dev_env_complete(DEV_ENV)


if __name__ == "__main__":
    main()
