"""Accounts: made, given roles and closed by people who become nothing more by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import (
    AdminPasswordChangeForm,
    AdminUserCreationForm,
    UserChangeForm,
)
from django.contrib.auth.models import Group, User
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from ml.admin import ReadOnlyAdmin
from monitoring.roles import Role

log = structlog.get_logger(__name__)

# What nobody changes of their own account.
OF_OTHERS_ONLY = ("is_active", "is_staff", "groups")
ALONE = "An account of the frontend is a program's and has no other role."
NO_PAGES = "An account of the frontend is a program's and does not open these pages."
NO_PASSWORD = "An account of the frontend is a program's: it has a token and no password."  # noqa: S105


def _roles() -> QuerySet[Group]:
    return Group.objects.filter(name__in=[role.value for role in Role]).order_by("name")


def _is_program(groups: Iterable[Group]) -> bool:
    return any(group.name == Role.FRONTEND for group in groups)


class RolesForm(forms.ModelForm):
    """What holds of the roles of an account, new or not."""

    def clean(self) -> dict[str, Any]:
        """Keep programs and people apart."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        groups = list(data.get("groups", ()))
        if not _is_program(groups):
            return data
        if len(groups) > 1:
            self.add_error("groups", ALONE)
        if data.get("is_staff"):
            self.add_error("is_staff", NO_PAGES)
        if data.get("set_usable_password", self.instance.has_usable_password()):
            self.add_error(None, NO_PASSWORD)
        return data


class NewAccountForm(RolesForm, AdminUserCreationForm):
    """A new account, of a person or, without a password, of a program."""


class AccountForm(RolesForm, UserChangeForm):
    """An account that is there."""

    def clean_groups(self) -> QuerySet[Group]:
        """Give and take roles; a group that is no role stays as it is."""
        others = self.instance.groups.exclude(pk__in=_roles())
        return Group.objects.filter(Q(pk__in=self.cleaned_data["groups"]) | Q(pk__in=others))


class PasswordForm(AdminPasswordChangeForm):
    """A new password for somebody else."""

    def clean(self) -> dict[str, Any]:
        """Give none to a program."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data["set_usable_password"] and _is_program(self.user.groups.all()):
            self.add_error("password1", NO_PASSWORD)
        return data


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class AccountAdmin(UserAdmin):
    """Accounts with their roles. Nobody becomes a superuser here or gets a single permission.

    The record names accounts by their names, so none is deleted or renamed: it is closed.
    """

    form = AccountForm
    add_form = NewAccountForm
    change_password_form = PasswordForm
    list_display = ("username", "first_name", "last_name", "roles", "is_active", "is_staff")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ()
    filter_horizontal = ()
    readonly_fields = ("is_superuser", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("May", {"fields": ("is_active", "is_staff", "groups", "is_superuser")}),
        ("When", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2")}),
        ("May", {"fields": ("is_staff", "groups")}),
    )

    @admin.display(description="roles")
    def roles(self, account: User) -> str:
        """The roles by name."""
        return ", ".join(sorted(group.name for group in account.groups.all())) or "–"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Fetch the roles along."""
        return super().get_queryset(request).prefetch_related("groups")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the roles of the table and no other group."""
        if db_field.name == "groups":
            widget = forms.CheckboxSelectMultiple
            help_text = "What each role may do stands in docs/access.md."
            return super().formfield_for_manytomany(
                db_field, request, queryset=_roles(), widget=widget, help_text=help_text
            )
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Let nobody change their own roles, and nobody rename an account."""
        if obj is None:
            return ()
        is_own = obj.pk == request.user.pk
        return ("username", *self.readonly_fields, *(OF_OTHERS_ONLY if is_own else ()))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Let only superusers change a superuser, their password included."""
        may = super().has_change_permission(request, obj)
        return may and (obj is None or not obj.is_superuser or bool(request.user.is_superuser))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Close an account instead: a new one of its name would reach what it had asked for."""
        return False

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the roles, and log what the account now is."""
        super().save_related(request, form, formsets, change)
        log.info(
            "account_saved",
            account=form.instance.get_username(),
            by=request.user.get_username(),
            roles=sorted(form.instance.groups.values_list("name", flat=True)),
            active=form.instance.is_active,
        )


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin):
    """The roles and what Django calls their permissions; the table of roles makes them."""

    list_display = ("name",)
    fields = ("name", "held")
    readonly_fields = ("held",)

    @admin.display(description="permissions")
    def held(self, group: Group) -> str:
        """The permissions by name."""
        pairs = group.permissions.values_list("content_type__app_label", "codename")
        return ", ".join(sorted(f"{label}.{name}" for label, name in pairs)) or "–"
