"""Accounts are managed by people who gain nothing by it, whatever their browser sends."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from monitoring.roles import Role
from tests.conftest import account, browser_of

pytestmark = pytest.mark.django_db

LIST_URL = "/admin/auth/user/"
PASSWORD = "correct horse battery"
NEW = "a wholly different staple"


@pytest.fixture
def manager() -> User:
    """Somebody who manages accounts and is no superuser."""
    return account("manager", Role.ADMIN, password=PASSWORD, is_staff=True)


@pytest.fixture
def browser(manager: User) -> Client:
    """Their browser."""
    return browser_of(manager)


@pytest.fixture
def nurse() -> User:
    """Somebody whose account is managed."""
    return account("nurse", Role.CLINICIAN, password=PASSWORD, is_staff=True)


@pytest.fixture
def chief() -> User:
    """A superuser."""
    return User.objects.create_superuser("chief", password=PASSWORD)


def pk_of(*roles: Role) -> list[int]:
    return list(Group.objects.filter(name__in=roles).values_list("pk", flat=True))


def page_of(user: User, page: str = "change") -> str:
    return f"{LIST_URL}{user.pk}/{page}/"


def form(*roles: Role, **changed: Any) -> dict[str, Any]:
    return {"is_active": "on", "is_staff": "on", "groups": pk_of(*roles), **changed}


def added(name: str, *roles: Role, **changed: Any) -> dict[str, Any]:
    passwords = {"usable_password": "true", "password1": NEW, "password2": NEW}
    return form(*roles, username=name, **{**passwords, **changed})


def powers(user: User) -> tuple[Any, ...]:
    """Return everything by which an account may do something."""
    user = User.objects.get(pk=user.pk)
    return (
        user.username, user.is_superuser, user.is_staff, user.is_active,
        sorted(group.name for group in user.groups.all()),
        sorted(user.get_user_permissions()), user.password,
    )  # fmt: skip


# --- what managing is ----------------------------------------------------------------------------


def test_a_person_is_made_with_a_role(browser: Client) -> None:
    page = browser.post(f"{LIST_URL}add/", added("kim", Role.REVIEWER))

    kim = User.objects.get(username="kim")
    assert page.status_code == 302
    assert kim.check_password(NEW)
    assert [group.name for group in kim.groups.all()] == ["reviewer"]
    assert (kim.is_staff, kim.is_superuser) == (True, False)


def test_roles_are_given_and_taken(browser: Client, nurse: User) -> None:
    browser.post(page_of(nurse), form(Role.REVIEWER, Role.AUDITOR))

    assert sorted(group.name for group in nurse.groups.all()) == ["auditor", "reviewer"]


def test_what_an_account_became_is_logged_by_name(
    browser: Client, nurse: User, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        browser.post(page_of(nurse), form(Role.REVIEWER))

    assert "'by': 'manager'" in caplog.text
    assert "'roles': ['reviewer']" in caplog.text


def test_an_account_is_closed(browser: Client, nurse: User) -> None:
    closed = form(Role.CLINICIAN)
    del closed["is_active"]

    browser.post(page_of(nurse), closed)

    nurse.refresh_from_db()
    assert not nurse.is_active


def test_a_password_is_set_anew(browser: Client, nurse: User) -> None:
    sent = {"usable_password": "true", "password1": NEW, "password2": NEW}

    browser.post(page_of(nurse, "password"), sent)

    nurse.refresh_from_db()
    assert nurse.check_password(NEW)


def test_a_weak_password_is_refused(browser: Client) -> None:
    weak = added("kim", Role.REVIEWER, password1="12345678", password2="12345678")

    page = browser.post(f"{LIST_URL}add/", weak)

    assert "too common" in page.content.decode()
    assert not User.objects.filter(username="kim").exists()


def test_the_list_shows_the_roles(browser: Client, nurse: User) -> None:
    assert '<td class="field-roles">clinician</td>' in browser.get(LIST_URL).content.decode()


# --- programs ------------------------------------------------------------------------------------


def test_a_program_has_no_password_and_opens_no_page(browser: Client) -> None:
    sent = added("ward", Role.FRONTEND, usable_password="false", password1="", password2="")
    del sent["is_staff"]

    browser.post(f"{LIST_URL}add/", sent)

    ward = User.objects.get(username="ward")
    assert not ward.has_usable_password()
    assert not ward.is_staff


@pytest.mark.parametrize(
    ("roles", "changed"),
    [
        ((Role.FRONTEND,), {"is_staff": ""}),
        ((Role.FRONTEND,), {"usable_password": "false", "password1": "", "password2": ""}),
        ((Role.FRONTEND, Role.REVIEWER),
         {"usable_password": "false", "password1": "", "password2": "", "is_staff": ""}),
    ],
    ids=["with a password", "with pages", "with another role"],
)  # fmt: skip
def test_a_program_that_is_also_a_person_is_refused(
    roles: tuple[Role, ...], changed: dict[str, Any], browser: Client
) -> None:
    page = browser.post(f"{LIST_URL}add/", added("ward", *roles, **changed))

    assert "An account of the frontend is a program" in page.content.decode()
    assert not User.objects.filter(username="ward").exists()


def test_a_program_is_given_no_password_later(browser: Client, frontend: User) -> None:
    sent = {"usable_password": "true", "password1": NEW, "password2": NEW}

    page = browser.post(page_of(frontend, "password"), sent)

    frontend.refresh_from_db()
    assert "no password" in page.content.decode()
    assert not frontend.has_usable_password()


def test_a_person_does_not_become_a_program_that_keeps_its_password(
    browser: Client, nurse: User
) -> None:
    before = powers(nurse)

    browser.post(page_of(nurse), form(Role.FRONTEND, is_staff=""))

    assert powers(nurse) == before


# --- nobody becomes more -------------------------------------------------------------------------


@pytest.fixture
def more() -> dict[str, Any]:
    """Fields that the page does not offer."""
    every = Permission.objects.values_list("pk", flat=True)
    return {"is_superuser": "on", "user_permissions": list(every)}


def test_nobody_is_made_a_superuser_or_given_a_single_permission(
    browser: Client, nurse: User, more: dict[str, Any]
) -> None:
    before = powers(nurse)

    browser.post(page_of(nurse), form(Role.CLINICIAN) | more)

    assert powers(nurse) == before


def test_nobody_is_born_a_superuser(browser: Client, more: dict[str, Any]) -> None:
    browser.post(f"{LIST_URL}add/", added("kim", Role.REVIEWER) | more)

    kim = User.objects.get(username="kim")
    assert (kim.is_superuser, kim.get_user_permissions()) == (False, set())


def test_a_superuser_does_not_make_another_here_either(
    chief: User, nurse: User, more: dict[str, Any]
) -> None:
    browser_of(chief).post(page_of(nurse), form(Role.CLINICIAN) | more)

    nurse.refresh_from_db()
    assert (nurse.is_superuser, nurse.get_user_permissions()) == (False, set())


def test_nobody_changes_their_own_roles(
    browser: Client, manager: User, more: dict[str, Any]
) -> None:
    before = powers(manager)

    page = browser.post(page_of(manager), form(*Role, first_name="Kim") | more)

    manager.refresh_from_db()
    assert (page.status_code, manager.first_name) == (302, "Kim")
    assert powers(manager) == before


def test_nobody_closes_their_own_account(browser: Client, manager: User) -> None:
    browser.post(page_of(manager), {"first_name": "Kim"})

    manager.refresh_from_db()
    assert manager.is_active
    assert manager.is_staff


@pytest.mark.parametrize("page", ["change", "password"])
def test_a_superuser_is_not_changed_by_a_manager(browser: Client, chief: User, page: str) -> None:
    before = powers(chief)
    sent = {"usable_password": "true", "password1": NEW, "password2": NEW}

    answer = browser.post(page_of(chief, page), form() | sent)

    assert answer.status_code == 403
    assert powers(chief) == before


def test_the_page_of_a_superuser_shows_no_hash(browser: Client, chief: User) -> None:
    page = browser.get(page_of(chief)).content.decode()

    assert chief.password.rpartition("$")[2] not in page
    assert 'name="_save"' not in page


def test_only_roles_of_the_table_are_given(browser: Client, nurse: User) -> None:
    strong = Group.objects.create(name="everything")
    strong.permissions.set(Permission.objects.all())
    before = powers(nurse)

    page = browser.post(page_of(nurse), {**form(), "groups": [strong.pk]})

    assert page.status_code == 200
    assert powers(nurse) == before
    assert "everything" not in browser.get(page_of(nurse)).content.decode()


def test_a_group_that_is_no_role_stays_with_who_has_it(browser: Client, nurse: User) -> None:
    nurse.groups.add(Group.objects.create(name="choir"))

    browser.post(page_of(nurse), form(Role.REVIEWER))

    assert sorted(group.name for group in nurse.groups.all()) == ["choir", "reviewer"]


def test_nobody_takes_the_name_under_which_others_are_on_record(
    browser: Client, nurse: User
) -> None:
    browser.post(page_of(nurse), form(Role.CLINICIAN, username="frontend"))

    nurse.refresh_from_db()
    assert nurse.username == "nurse"


def test_nobody_is_deleted_by_a_manager_or_a_superuser(
    browser: Client, nurse: User, chief: User
) -> None:
    chosen = {"action": "delete_selected", "_selected_action": [nurse.pk], "post": "yes"}

    for one in (browser, browser_of(chief)):
        assert one.post(page_of(nurse, "delete"), {"post": "yes"}).status_code == 403
        one.post(LIST_URL, chosen)

    assert User.objects.filter(pk=nurse.pk).exists()


def test_a_role_is_not_edited(browser: Client, chief: User) -> None:
    auditor = Group.objects.get(name=Role.AUDITOR)
    page = f"/admin/auth/group/{auditor.pk}/change/"
    every = list(Permission.objects.values_list("pk", flat=True))

    for one in (browser, browser_of(chief)):
        assert one.post(page, {"name": "x", "permissions": every}).status_code == 403

    assert "monitoring.view_accessevent" in browser.get(page).content.decode()


def test_nobody_mints_a_token_of_another(browser: Client, chief: User) -> None:
    sent = {"user": chief.pk, "expiry_0": "2030-01-01", "expiry_1": "00:00"}

    assert browser.post("/admin/knox/authtoken/add/", sent).status_code == 403


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_no_other_role_manages_accounts(role: Role, nurse: User) -> None:
    before = powers(nurse)
    browser = browser_of(account("somebody", role, is_staff=True))

    assert browser.post(page_of(nurse), form(*Role)).status_code == 403
    assert browser.post(f"{LIST_URL}add/", added("kim", *Role)).status_code == 403
    assert powers(nurse) == before
