"""The tokens in the admin: who holds which, until when, and how to end one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from knox.models import AuthToken

# knox's own pages make tokens too, which the login does, and show their digests.
admin.site.unregister(AuthToken)


@admin.register(AuthToken)
class TokenAdmin(admin.ModelAdmin):
    """Tokens can be looked at and ended. A token itself is stored nowhere, only how it begins."""

    list_display = ("user", "created", "expiry", "token_key")
    list_display_links = None
    list_select_related = ("user",)
    list_filter = ("expiry",)
    list_per_page = 50
    ordering = ("user__username", "-created")
    search_fields = ("user__username",)
    fields = list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A login makes them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody prolongs one, or hands it to somebody else."""
        return False

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, ...]:
        """Name what would be deleted in words; a digest tells nobody anything."""
        named = [f"token of {one.user.get_username()}, made {one.created:%Y-%m-%d}" for one in objs]
        _, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return named, counts, lacking, protected
