"""``manage.py make_token``: a token for an account that has no password to log in with."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from api.authentication import token_create


class Command(BaseCommand):
    """Print a new token of an account; with it the oldest of more than two ends."""

    help = "Make a token for an account, such as the frontend's, and print it this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the name of the account."""
        parser.add_argument("name", metavar="NAME", help="the account")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, and write nothing else, so that the output can go into a file of secrets."""
        account = User.objects.filter(username=options["name"], is_active=True).first()
        if account is None:
            raise CommandError("There is no open account of this name.")
        _row, token = token_create(account)
        self.stdout.write(token)
