"""Rows that are written once: history can be added to, not changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from django.db import models


class AppendOnlyError(TypeError):
    """Somebody tried to change history."""


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """A query set that can add rows and fill in what the model allows, nothing else."""

    def update(self, **values: Any) -> int:
        """Update the fields that the model names in ``may_change``."""
        frozen = values.keys() - self.model.may_change
        if frozen:
            raise AppendOnlyError(f"{self.model.__name__} keeps {', '.join(sorted(frozen))} as is")
        return super().update(**values)

    def bulk_create(  # type: ignore[override]
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        **options: Any,
    ) -> list[Any]:
        """Add rows; turning a conflict into an update is refused."""
        if update_conflicts:
            raise AppendOnlyError(f"{self.model.__name__} rows are not updated")
        return super().bulk_create(objs, batch_size, ignore_conflicts, **options)

    def delete(self) -> NoReturn:
        """Refuse: history stays."""
        raise AppendOnlyError(f"{self.model.__name__} rows are not deleted")

    def rewrite(self, **values: Any) -> int:
        """Blank or encrypt anew what the model names in ``may_be_rewritten``.

        For the end of a retention, for erasure and for a change of keys; nothing else may.
        """
        frozen = values.keys() - self.model.may_be_rewritten
        if frozen:
            raise AppendOnlyError(f"{self.model.__name__} keeps {', '.join(sorted(frozen))} as is")
        return super().update(**values)

    def prune(self) -> int:
        """Delete rows whose retention has ended, where the model says that they may go."""
        if not self.model.may_be_pruned:
            raise AppendOnlyError(f"{self.model.__name__} rows are not deleted")
        deleted, _ = super().delete()
        return deleted


class AppendOnlyModel(models.Model):
    """A row that is written once."""

    may_change: frozenset[str] = frozenset()
    may_be_rewritten: frozenset[str] = frozenset()
    may_be_pruned = False

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True
        # Django's own plain manager would let related objects rewrite history.
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a second save is refused, and so is one in the place of a row that is there."""
        if not self._state.adding or kwargs.get("force_update"):
            raise AppendOnlyError(f"{type(self).__name__} is written once")
        super().save(*args, **kwargs | {"force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: history stays."""
        raise AppendOnlyError(f"{type(self).__name__} rows are not deleted")
