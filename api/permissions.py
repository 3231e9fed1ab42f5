"""Whether an account may do what a view does: asked of the table of roles, and nothing else."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from monitoring.roles import Action, Scope, scope_of


class RolePermission(BasePermission):
    """Let an account pass where the table allows the view's action; what no view names is denied.

    A view names its actions by method, ``{"GET": Action.READ_PREDICTION}``, and then finds by
    ``scope_asked`` which rows they reach.
    """

    message = "This account may not do that."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Ask the table."""
        if not request.user or not request.user.is_authenticated:
            return False
        if not _is_handled(request, view):
            # Nobody may, and the answer to that is 405.
            return True
        action = action_asked(request, view)
        scope = None if action is None else scope_of(request.user, action)
        request.scope = scope  # type: ignore[attr-defined]
        return scope is not None


def action_asked(request: Request, view: Any) -> Action | None:
    """Return what a request would do by the table of roles; None where the view names nothing."""
    method = "GET" if request.method == "HEAD" else request.method
    action: Action | None = getattr(view, "actions", {}).get(method)
    return action


def scope_asked(request: Request) -> Scope:
    """Return which rows a request reaches; the permission has found one."""
    scope: Scope = request.scope  # type: ignore[attr-defined]
    return scope


def _is_handled(request: Request, view: Any) -> bool:
    # The framework's own answer to OPTIONS is off; what a browser asks by it is answered before.
    return request.method != "OPTIONS" and hasattr(view, str(request.method).lower())
