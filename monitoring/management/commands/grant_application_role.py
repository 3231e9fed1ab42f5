"""``manage.py grant_application_role``: a role for the service that cannot rewrite history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from monitoring.grants import GrantError, first_line, role_grant, role_log_in, role_statements


class Command(BaseCommand):
    """Give a role what the service needs and take everything else from it."""

    help = (
        "Give a role of PostgreSQL what the service needs, and nothing more. Run it as the owner "
        "of the tables, after migrate."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the role; a password on the command line would stand in every list of processes."""
        parser.add_argument(
            "name",
            nargs="?",
            metavar="NAME",
            help="the role (default: that of APPLICATION_DATABASE_URL, made where it is missing)",
        )
        parser.add_argument("--print", action="store_true", help="print the SQL, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the statements or run them."""
        if connection.vendor != "postgresql":
            raise CommandError("DATABASE_URL is not of PostgreSQL, and only there are roles.")
        try:
            self._grant(options["name"], only_print=options["print"])
        except GrantError as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"PostgreSQL refuses: {first_line(error)}") from None

    def _grant(self, name: str | None, *, only_print: bool) -> None:
        address = {} if name else _application()
        role = name or address["USER"]
        if only_print:
            self.stdout.write("".join(f"{one};\n" for one in role_statements(role)), ending="")
            return
        is_new = role_grant(role, password=address.get("PASSWORD"))
        if address:
            role_log_in(address)
        self.stdout.write(
            f"The role {role} {'was made and ' * is_new}has the rights of the service."
        )


def _application() -> Mapping[str, Any]:
    address: Mapping[str, Any] = settings.APPLICATION_DATABASE
    if not address.get("USER"):
        raise CommandError("Name a role, or set APPLICATION_DATABASE_URL to an address with one.")
    return address
