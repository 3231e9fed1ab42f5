"""One table says who may do what: the groups are made from it, and every admin page obeys it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from knox.models import AuthToken

from ml.models import Deployment, DeploymentEvent, Experiment, ModelVersion
from monitoring import groups, roles
from monitoring.admin.pages import PAGES
from monitoring.models import AccessEvent, Alert, MonitoringRun, RetrainingRun
from monitoring.roles import (
    TABLE,
    Action,
    Role,
    Scope,
    permissions_of,
    reaches_all,
    scope_of,
)
from tests.conftest import account, browser_of
from tests.monitoring.conftest import NOON, prediction

pytestmark = pytest.mark.django_db

NO_ROLE, SUPERUSER = "no role", "superuser"
NO_ID = "01990000-0000-7000-8000-000000000000"
# What everybody of the staff finds, whatever their role.
OPEN = {
    "admin:index", "admin:login", "admin:logout", "admin:password_change",
    "admin:password_change_done", "admin:autocomplete", "admin:jsi18n", "admin:view_on_site",
    "admin:app_list", "admin:", "admin-login",
}  # fmt: skip


def held_by(group: Group) -> set[str]:
    pairs = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{label}.{name}" for label, name in pairs}


# --- the groups ----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_the_group_of_a_role_holds_what_the_table_says(role: Role) -> None:
    assert held_by(Group.objects.get(name=role)) == permissions_of(role) != set()


def test_an_edit_of_a_group_is_undone_by_the_next_migration() -> None:
    auditor = Group.objects.get(name=Role.AUDITOR)
    auditor.permissions.set(Permission.objects.filter(codename="change_deployment"))

    call_command("migrate", verbosity=0)

    assert held_by(auditor) == permissions_of(Role.AUDITOR)


def test_a_group_that_was_deleted_is_there_again() -> None:
    Group.objects.filter(name=Role.AUDITOR).delete()

    groups.groups_make()

    assert held_by(Group.objects.get(name=Role.AUDITOR)) == permissions_of(Role.AUDITOR)


def test_other_groups_stay_alone() -> None:
    other = Group.objects.create(name="choir")
    other.permissions.set(Permission.objects.filter(codename="view_alert"))

    groups.groups_make()

    assert held_by(other) == {"monitoring.view_alert"}


def test_a_permission_that_nobody_has_stops_the_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(TABLE[Action.TRIAGE], permissions={Scope.ALL: "monitoring.add_nothing"})
    monkeypatch.setattr(roles, "TABLE", {**TABLE, Action.TRIAGE: wrong})
    before = held_by(Group.objects.get(name=Role.FRONTEND))

    with pytest.raises(LookupError, match=r"monitoring\.add_nothing"):
        groups.groups_make()

    assert held_by(Group.objects.get(name=Role.FRONTEND)) == before


# --- the table -----------------------------------------------------------------------------------


def test_every_action_has_its_line_and_nobody_may_what_has_no_permission() -> None:
    assert set(TABLE) == set(Action)
    for rule in TABLE.values():
        assert set(rule.allowed.values()) <= set(rule.permissions)


@pytest.mark.parametrize("role", Role)
def test_a_role_reaches_what_the_table_says_and_no_more(role: Role) -> None:
    somebody = account("somebody", role)

    reached = {action: scope_of(somebody, action) for action in Action}

    assert reached == {action: TABLE[action].allowed.get(role) for action in Action}


def test_of_two_roles_the_wider_counts() -> None:
    both = account("both", Role.FRONTEND, Role.REVIEWER)

    assert scope_of(both, Action.LABEL) is Scope.ALL


def test_own_rows_are_not_the_rows_of_everybody() -> None:
    assert not reaches_all(account("frontend", Role.FRONTEND), Action.READ_PREDICTION)
    assert reaches_all(account("reviewer", Role.REVIEWER), Action.READ_PREDICTION)


def test_who_is_not_active_may_nothing() -> None:
    gone = account("gone", *Role, is_active=False)

    assert {scope_of(gone, action) for action in Action} == {None}


def test_accounts_are_managed_without_a_look_at_patients() -> None:
    clinical = {"mlpredictionlog", "triageintake", "groundtruth", "batchjob"}

    held = permissions_of(Role.ADMIN)

    assert not {name for name in held if name.rpartition("_")[2] in clinical}


# --- the pages of the admin ----------------------------------------------------------------------


def names(patterns: list[Any], namespace: str = "") -> Iterator[str]:
    """Yield the name of every page, as the table of pages writes it."""
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from names(one.url_patterns, one.namespace or namespace)
        else:
            assert isinstance(one, URLPattern)
            yield f"{namespace}:{one.name or ''}" if namespace else str(one.name)


def admin_names() -> set[str]:
    admin = [one for one in get_resolver().url_patterns if str(one.pattern).startswith("admin/")]
    return set(names(admin))


@pytest.fixture
def ids() -> dict[str, Any]:
    """The id of a row of each table that has pages."""
    case = prediction()
    case.save()
    version = ModelVersion.objects.create(version="v1", digest="d", created_at=NOON, synthetic=True)
    Deployment.objects.create(slot="champion", current=version, epoch=1)
    somebody = User.objects.create_user("kim")
    facts: dict[str, Any] = {"actor": "kim", "reason": "first", "kind": "first"}
    rows: dict[str, Any] = {
        "monitoring_mlpredictionlog": case,
        "monitoring_monitoringrun": MonitoringRun.objects.create(
            job="accuracy", day=NOON.date(), status="ok", ran_at=NOON, result={}
        ),
        "monitoring_retrainingrun": RetrainingRun.objects.create(started_at=timezone.now()),
        "monitoring_alert": Alert.objects.create(
            policy="p",
            cause="c",
            day=NOON.date(),
            last_day=NOON.date(),
            severity="warning",
            message="m",
            provisional=False,
        ),
        "monitoring_accessevent": AccessEvent(actor="kim", action="view", door="api"),
        "ml_modelversion": version,
        "ml_deploymentevent": DeploymentEvent.objects.create(epoch=1, to_version=version, **facts),
        "ml_experiment": Experiment.objects.first() or Experiment.objects.create(name="e"),
        "auth_user": somebody,
        "auth_group": Group.objects.get(name=Role.AUDITOR),
        "knox_authtoken": AuthToken.objects.create(somebody)[0],
    }
    rows["monitoring_accessevent"].save()
    return {name: row.pk for name, row in rows.items()}


def address(page: str, ids: dict[str, Any]) -> str:
    """Return an address of a page: of its row, where it is about one."""
    name = page.removeprefix("admin:")
    table = next((one for one in ids if name.startswith(one)), "")
    row = ids.get(table, ids["monitoring_mlpredictionlog"])
    tried: tuple[Any, ...]
    for tried in ((), (row,)):
        try:
            return reverse(page, args=tried) + f"?id={row}" * page.endswith("_acknowledge")
        except Exception:  # noqa: BLE001, S112
            continue
    raise AssertionError(page)


def who_is(who: str) -> User:
    """Make somebody of the staff."""
    roles_held = [role for role in Role if role == who]
    return account(who, *roles_held, is_staff=True, is_superuser=who == SUPERUSER)


def may(who: str, action: Action) -> bool:
    """Tell what the table says; a page shows the rows of everybody."""
    if isinstance(who, Role):
        return TABLE[action].allowed.get(who) is Scope.ALL
    return who == SUPERUSER


@pytest.mark.parametrize("who", [*Role, NO_ROLE, SUPERUSER])
def test_a_page_is_for_those_whom_the_table_allows_its_action(
    who: str, ids: dict[str, Any]
) -> None:
    browser = browser_of(who_is(who))

    answers = {page: browser.get(address(page, ids)) for page in sorted(PAGES)}

    opened = {page for page, answer in answers.items() if answer.status_code in {200, 302}}
    refused = {page for page, answer in answers.items() if answer.status_code == 403}
    assert opened == {page for page, action in PAGES.items() if may(who, action)}
    assert refused == set(PAGES) - opened
    assert not [one for one in answers.values() if "login" in one.get("Location", "")]


@pytest.mark.parametrize("is_known", [False, True])
def test_nobody_sees_a_page_without_being_of_the_staff(is_known: bool, ids: dict[str, Any]) -> None:
    browser = browser_of(account("nurse", *Role)) if is_known else Client()

    answers = [browser.get(address(page, ids)) for page in sorted(PAGES)]

    assert {answer.status_code for answer in answers} == {302}
    assert {answer["Location"].partition("?")[0] for answer in answers} == {"/admin/login/"}


def test_every_page_that_roles_see_is_in_the_table_of_pages() -> None:
    assert set(PAGES) - admin_names() == set()


def test_what_is_not_in_the_table_of_pages_is_denied_to_every_role(ids: dict[str, Any]) -> None:
    everything = browser_of(account("all", *Role, is_staff=True))
    others = sorted(admin_names() - set(PAGES) - OPEN)

    answers = {page: everything.get(address(page, ids)).status_code for page in others}

    assert answers == dict.fromkeys(others, 403)


@pytest.mark.parametrize("who", [*Role, NO_ROLE])
def test_the_way_to_the_review_is_shown_to_those_who_may_go_it(who: str) -> None:
    page = browser_of(who_is(who)).get("/admin/").content.decode()

    assert ("/admin/monitoring/review/" in page) is may(who, Action.SETTLE_LABELS)
    assert ("/admin/monitoring/overview/" in page) is may(who, Action.READ_REPORTS)


def test_who_may_settle_but_not_read_what_was_said_sees_no_case(ids: dict[str, Any]) -> None:
    clerk = account("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="change_groundtruth"))
    browser = browser_of(clerk)

    assert browser.get("/admin/monitoring/review/").status_code == 200
    case = f"/admin/monitoring/review/{ids['monitoring_mlpredictionlog']}/"
    assert browser.get(case).status_code == 403


@pytest.mark.parametrize("kill_switch", [True, False])
@pytest.mark.parametrize("who", Role)
def test_the_model_is_stopped_by_those_who_may(who: str, kill_switch: bool) -> None:
    experiment = Experiment.objects.first() or Experiment.objects.create(name="e")
    form = {"phases-TOTAL_FORMS": 0, "phases-INITIAL_FORMS": 0}
    form |= {"kill_switch": "on"} if kill_switch else {}
    Experiment.objects.update(kill_switch=not kill_switch)

    page = f"/admin/ml/experiment/{experiment.pk}/change/"
    answer = browser_of(who_is(who)).post(page, form)

    experiment.refresh_from_db()
    allowed = may(who, Action.STOP_THE_MODEL)
    assert (answer.status_code, experiment.kill_switch is kill_switch) == (
        (302, True) if allowed else (403, False)
    )


def test_an_id_that_is_none_is_no_server_error() -> None:
    auditor = browser_of(account("auditor", Role.AUDITOR, is_staff=True))

    answers = {
        odd: auditor.get(f"/admin/monitoring/mlpredictionlog/{odd}/change/").status_code
        for odd in ("x", "%00", NO_ID)
    }

    assert answers == {"x": 404, "%00": 400, NO_ID: 404}
