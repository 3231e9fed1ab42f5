"""Which action of the table of roles each page of the admin is.

What does not stand here is a page of no role: to add to a table, or to delete from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from monitoring.roles import Action, reaches_all


def _table(name: str, action: Action, *others: str) -> dict[str, Action]:
    """Return the pages of a table that is only read, and of what else can be done with its rows."""
    pages = ("changelist", "change", "history", *others)
    return {f"admin:{name}_{page}": action for page in pages}


PAGES: Mapping[str, Action] = {
    "monitoring_overview": Action.READ_REPORTS,
    "label_import": Action.SETTLE_LABELS,
    "review_queue": Action.SETTLE_LABELS,
    "review_next": Action.SETTLE_LABELS,
    "review_case": Action.SETTLE_LABELS,
    **_table("monitoring_mlpredictionlog", Action.READ_PREDICTION, "find"),
    "admin:monitoring_mlpredictionlog_changelist": Action.LIST_PREDICTIONS,
    "admin:monitoring_mlpredictionlog_label": Action.SETTLE_LABELS,
    **_table("monitoring_monitoringrun", Action.READ_REPORTS),
    **_table("monitoring_retrainingrun", Action.READ_REPORTS),
    **_table("monitoring_alert", Action.SEE_ALERTS),
    "admin:monitoring_alert_acknowledge": Action.ACKNOWLEDGE_ALERTS,
    **_table("monitoring_accessevent", Action.READ_ACCESSES),
    **_table("ml_modelversion", Action.READ_MODELS),
    "admin:ml_modelversion_promote": Action.PROMOTE,
    "admin:ml_modelversion_rollback": Action.ROLL_BACK,
    **_table("ml_deploymentevent", Action.READ_MODELS),
    **_table("ml_experiment", Action.STOP_THE_MODEL),
    **_table("auth_user", Action.MANAGE_ACCOUNTS, "add", "password_change"),
    **_table("auth_group", Action.MANAGE_ACCOUNTS),
    **_table("knox_authtoken", Action.MANAGE_ACCOUNTS, "delete"),
}


def check_may(request: HttpRequest, *actions: Action) -> None:
    """Let a person pass who may do all of it with the rows of everybody.

    Raises
    ------
    PermissionDenied
        When one of the actions is not theirs.
    """
    if not all(reaches_all(request.user, action) for action in actions):
        raise PermissionDenied
