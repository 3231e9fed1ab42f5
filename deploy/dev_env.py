"""Write the secrets that a start needs, once: ``var/dev.env`` or a folder of secret files.

``dev_env.py`` completes ``var/dev.env`` for development: a value that is there is never changed.
``dev_env.py --files FOLDER`` writes the files that docker-compose.yml hands to its services; the
pair of keys for model versions comes from the ``openssl`` command.
It runs before any package is installed, so it uses the standard library alone.
"""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import subprocess
import tempfile
from pathlib import Path

DEV_ENV = Path(__file__).resolve().parent.parent / "var" / "dev.env"
HEADER = (
    "# Development secrets of this clone, made by `make setup`. Never use them in production.\n"
)
OWNER_URL = "postgres://triage:{}@db:5432/triage\n"
APPLICATION_URL = "postgres://triage_app:{}@db:5432/triage\n"


def secret_values() -> dict[str, str]:
    """Return fresh secrets of the service by the name of their setting."""
    return {
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "PATIENT_ID_KEY": secrets.token_urlsafe(32),
        "ASSIGNMENT_KEY": secrets.token_urlsafe(32),
        # A Fernet key is 32 bytes in padded, URL-safe base 64.
        "INTAKE_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def development_values() -> dict[str, str]:
    """Return what development needs; the public key of the model follows from the signing key."""
    return {
        "DJANGO_DEBUG": "true",
        "SECURE_SSL_REDIRECT": "false",
        **secret_values(),
        # Any 32 bytes are an Ed25519 key.
        "MODEL_SIGNING_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def dev_env_complete(path: Path) -> None:
    """Add what the file lacks; what stands in it stays as it is."""
    text = path.read_text(encoding="utf-8") if path.exists() else HEADER
    present = {line.split("=", 1)[0].strip() for line in text.splitlines() if "=" in line}
    wanted = development_values().items()
    missing = [f"{name}={value}\n" for name, value in wanted if name not in present]
    if missing:
        separator = "" if text.endswith("\n") else "\n"
        write_whole(path, text + separator + "".join(missing), mode=0o600)


def secret_files_complete(folder: Path) -> None:
    """Write the secret files that are not there yet.

    The folder is closed to others. The files inside are readable, because a container's user is
    not the user of the host.
    """
    values = {
        **secret_values(),
        "ALERT_WEBHOOK_SECRET": secrets.token_urlsafe(32),
        "METRICS_TOKENS": secrets.token_urlsafe(32),
        # Filled by hand when PATIENT_ID_KEY changes.
        "PATIENT_ID_OLD_KEYS": "",
        # With the password that `setup` gives to the role it makes.
        "DATABASE_URL": APPLICATION_URL.format(secrets.token_urlsafe(32)).strip(),
    }
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, value in values.items():
        if not (folder / name.lower()).exists():
            write_whole(folder / name.lower(), value + "\n", mode=0o444)
    owner_complete(folder)
    model_keys_complete(folder)


def owner_complete(folder: Path) -> None:
    """Write the password of the tables' owner, and the address that holds it."""
    password, address = folder / "postgres_password", folder / "database_owner_url"
    if password.exists() and address.exists():
        return
    if not password.exists():
        write_whole(password, secrets.token_urlsafe(32) + "\n", mode=0o444)
    write_whole(address, OWNER_URL.format(password.read_text().strip()), mode=0o444)


def model_keys_complete(folder: Path) -> None:
    """Write the key that signs model versions and the one that verifies them.

    Where only the public one is, the other is kept elsewhere on purpose, and none is made.
    """
    signing, public = folder / "model_signing_key", folder / "model_public_keys"
    if public.exists():
        return
    if not signing.exists():
        write_whole(signing, openssl("genpkey", "-algorithm", "ed25519"), mode=0o444)
    write_whole(public, openssl("pkey", "-pubout", "-in", str(signing)), mode=0o444)


def openssl(*arguments: str) -> str:
    """Return what openssl prints; where it cannot, the script ends with one sentence."""
    try:
        # Whichever openssl the PATH has; the arguments are this script's own.
        done = subprocess.run(["openssl", *arguments], capture_output=True, check=True)  # noqa: S603, S607
    except FileNotFoundError:
        raise SystemExit(
            "The keys of model versions are made by openssl, which is not installed; install it "
            "(1.1.1 or newer) and run this again."
        ) from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise SystemExit(
            f"openssl cannot make the keys of model versions ({''.join(reason)}); it must be 1.1.1 "
            "or newer, and a model_signing_key that is there must be in PEM."
        ) from None
    return done.stdout.decode()


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
