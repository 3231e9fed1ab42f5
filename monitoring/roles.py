"""Who may do what: the one table that groups, permission classes, docs and tests are made from.

What no line allows is denied. A line gives a role the rows it asked for itself, all rows without
the caller's own reference, or all rows; where an action is not about rows, all is all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What an account is for; a group of that name holds its permissions."""

    FRONTEND = "frontend"
    CLINICIAN = "clinician"
    REVIEWER = "reviewer"
    ML_ENGINEER = "ml_engineer"
    ADMIN = "admin"
    AUDITOR = "auditor"


class Scope(StrEnum):
    """Which rows an action reaches, from the widest."""

    ALL = "all"
    PSEUDONYMOUS = "pseudonymous"
    OWN = "own"


class Action(StrEnum):
    """What can be done."""

    TRIAGE = "triage"
    BATCH = "batch"
    READ_PREDICTION = "read_prediction"
    LIST_PREDICTIONS = "list_predictions"
    LABEL = "label"
    SETTLE_LABELS = "settle_labels"
    READ_INTAKE = "read_intake"
    READ_REPORTS = "read_reports"
    READ_METRICS = "read_metrics"
    READ_MODELS = "read_models"
    SEE_ALERTS = "see_alerts"
    ACKNOWLEDGE_ALERTS = "acknowledge_alerts"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    STOP_THE_MODEL = "stop_the_model"
    MANAGE_ACCOUNTS = "manage_accounts"
    READ_ACCESSES = "read_accesses"


class Account(Protocol):
    """Somebody known."""

    def has_perm(self, perm: str, /) -> bool:
        """Tell whether a permission of Django is held."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: what the action is, who may do it, and what Django calls the permission.

    ``permissions`` gives each scope its permission; ``together`` are those the admin pages ask for
    beside it.
    """

    says: str
    permissions: Mapping[Scope, str]
    allowed: Mapping[Role, Scope]
    together: tuple[str, ...] = ()


def _all(*roles: Role) -> dict[Role, Scope]:
    return dict.fromkeys(roles, Scope.ALL)


_F, _C, _R, _E, _A, _U = Role
_READ = {
    Scope.ALL: "monitoring.view_mlpredictionlog",
    Scope.OWN: "monitoring.view_own_mlpredictionlog",
}

TABLE: Mapping[Action, Rule] = {
    Action.TRIAGE: Rule(
        "ask for a decision, one or up to 1,000 in a call",
        {Scope.ALL: "monitoring.add_mlpredictionlog"},
        _all(_F, _C),
    ),
    Action.BATCH: Rule(
        "hand in a file of cases; see its progress and its result",
        {Scope.OWN: "monitoring.add_batchjob"},
        {_F: Scope.OWN, _R: Scope.OWN},
    ),
    Action.READ_PREDICTION: Rule("read one prediction", _READ, {_F: Scope.OWN, **_all(_C, _R, _U)}),
    Action.LIST_PREDICTIONS: Rule(
        "list and filter predictions",
        {**_READ, Scope.PSEUDONYMOUS: "monitoring.view_pseudonymous_mlpredictionlog"},
        {_F: Scope.OWN, _E: Scope.PSEUDONYMOUS, **_all(_C, _R, _U)},
    ),
    Action.LABEL: Rule(
        "say what would have been right",
        {
            Scope.ALL: "monitoring.add_groundtruth",
            Scope.OWN: "monitoring.add_own_groundtruth",
        },
        {_F: Scope.OWN, **_all(_C, _R)},
        together=("monitoring.view_groundtruth",),
    ),
    Action.SETTLE_LABELS: Rule(
        "review cases, settle what people differ about, label as an audit",
        {Scope.ALL: "monitoring.change_groundtruth"},
        _all(_R),
    ),
    Action.READ_INTAKE: Rule(
        "read what the patient said", {Scope.ALL: "monitoring.view_triageintake"}, _all(_C, _R)
    ),
    Action.READ_REPORTS: Rule(
        "read accuracy, drift and the comparison of the arms",
        {Scope.ALL: "monitoring.view_monitoringrun"},
        _all(_C, _R, _E, _A, _U),
        together=("monitoring.view_retrainingrun",),
    ),
    Action.READ_METRICS: Rule(
        "read /metrics", {Scope.ALL: "monitoring.view_metrics"}, _all(_E, _A, _U)
    ),
    Action.READ_MODELS: Rule(
        "read model versions and their cards",
        {Scope.ALL: "ml.view_modelversion"},
        _all(*Role),
        together=("ml.view_deployment", "ml.view_deploymentevent"),
    ),
    Action.SEE_ALERTS: Rule(
        "see alerts",
        {Scope.ALL: "monitoring.view_alert"},
        _all(_R, _E, _A, _U),
        together=("monitoring.view_alertdelivery",),
    ),
    Action.ACKNOWLEDGE_ALERTS: Rule(
        "acknowledge an alert", {Scope.ALL: "monitoring.change_alert"}, _all(_R, _E)
    ),
    Action.PROMOTE: Rule(
        "let a model version serve", {Scope.ALL: "ml.change_deployment"}, _all(_R, _E)
    ),
    Action.ROLL_BACK: Rule(
        "go back to the version that served before",
        {Scope.ALL: "ml.rollback_deployment"},
        _all(_R, _E, _A),
    ),
    Action.STOP_THE_MODEL: Rule(
        "let the rules alone decide",
        {Scope.ALL: "ml.change_experiment"},
        _all(_R, _E, _A),
        together=("ml.view_experiment", "ml.view_phase"),
    ),
    Action.MANAGE_ACCOUNTS: Rule(
        "make accounts, give them roles, end their tokens",
        {Scope.ALL: "auth.change_user"},
        _all(_A),
        together=(
            "auth.add_user",
            "auth.view_user",
            "auth.view_group",
            "knox.view_authtoken",
            "knox.delete_authtoken",
        ),
    ),
    Action.READ_ACCESSES: Rule(
        "read who saw what", {Scope.ALL: "monitoring.view_accessevent"}, _all(_U)
    ),
}


# What names a single patient's rows in its address; an id that was asked for in vain is on record.
BY_ID = frozenset(
    {Action.READ_PREDICTION, Action.LABEL, Action.SETTLE_LABELS, Action.READ_INTAKE, Action.BATCH}
)


def scope_of(account: Account, action: Action) -> Scope | None:
    """Return the widest rows an account may do an action with; None denies it."""
    permissions = TABLE[action].permissions
    known = (scope for scope in Scope if scope in permissions)
    return next((scope for scope in known if account.has_perm(permissions[scope])), None)


def reaches_all(account: Account, action: Action) -> bool:
    """Tell whether an account may do an action with the rows of everybody."""
    return scope_of(account, action) is Scope.ALL


def permissions_of(role: Role) -> frozenset[str]:
    """Return what Django calls the permissions of a role."""
    return frozenset(
        permission
        for rule in TABLE.values()
        if role in rule.allowed
        for permission in (rule.permissions[rule.allowed[role]], *rule.together)
    )
