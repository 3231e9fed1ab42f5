"""``manage.py setup_demo``: users and a token for a development machine."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from api.demo import PASSWORD_FILE, TOKEN_FILE, DemoError, demo_setup


class Command(BaseCommand):
    """Make the demonstration users once; harmless to repeat."""

    help = "Make the demonstration users and the frontend's token (development only)."

    def handle(self, *args: Any, **options: Any) -> None:
        """Call the service and say where the secrets lie."""
        try:
            demo_setup(settings.VAR_DIR)
        except DemoError as error:
            raise CommandError(f"{error}.") from error
        self.stdout.write("Users: admin, reviewer, frontend.")
        self.stdout.write(f"Passwords: {settings.VAR_DIR / PASSWORD_FILE}")
        self.stdout.write(f"Token of frontend: {settings.VAR_DIR / TOKEN_FILE}")
