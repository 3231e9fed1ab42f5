"""The groups of the table of roles, made and kept equal to it at every migration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from monitoring.roles import Role, permissions_of


def groups_make(*, using: str = "default", **_: Any) -> None:
    """Give each role its group with exactly the permissions of the table; others stay alone.

    Raises
    ------
    LookupError
        When the table names a permission that no model has; then no group has changed.
    """
    wanted = {role: permissions_of(role) for role in Role}
    known = _keys(frozenset().union(*wanted.values()), using=using)
    with transaction.atomic(using=using):
        for role, names in wanted.items():
            group, _created = Group.objects.using(using).get_or_create(name=role.value)
            group.permissions.set([known[name] for name in names])


def _keys(names: Iterable[str], *, using: str) -> dict[str, int]:
    """Return the primary key of each permission by its name."""
    for label in sorted({name.partition(".")[0] for name in names}):
        # Django makes them app by app, and this may run before the last of them.
        create_permissions(apps.get_app_config(label), verbosity=0, using=using)
    rows = Permission.objects.using(using).values_list("content_type__app_label", "codename", "pk")
    known = {f"{label}.{codename}": pk for label, codename, pk in rows}
    if missing := sorted(set(names) - known.keys()):
        raise LookupError(f"The table of roles names permissions nobody has: {', '.join(missing)}.")
    return known
