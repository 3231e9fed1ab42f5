"""The service's own role in PostgreSQL: it can serve, and it cannot rewrite history."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from knox.models import AuthToken

from ml.history import AppendOnlyError
from ml.models import ModelVersion
from monitoring.access import access_record
from monitoring.grants import (
    ALL_OF_DAILY_USE,
    READ_AND_ADD,
    GrantError,
    Right,
    TableRights,
    rights_of,
    rights_wanted,
    role_grant,
    role_statements,
)
from monitoring.key_rotation import tokens_rotate
from monitoring.labelling import ground_truth_record, ground_truth_review
from monitoring.labels import Label, LabelSource
from monitoring.models import (
    ABOUT_THE_PATIENT,
    AccessEvent,
    Alert,
    GroundTruth,
    MLPredictionLog,
    TriageIntake,
)
from monitoring.patient import patient_erase
from tests.conftest import ApiClient
from tests.monitoring.application_role import (
    acting_as,
    new_role,
    on_postgresql,
    run,
    serving,
    value,
)
from tests.monitoring.conftest import prediction
from triage_rules.level import Level

PASSWORD = "not-to-be-seen-anywhere"
EVERY_RIGHT = "SELECT string_agg(relname || relacl::text, ' ' ORDER BY oid) FROM pg_class"


def refused(statement: str, *, why: str = "permission denied|must be ") -> bool:
    """Tell whether the database refuses a statement to the role of the moment."""
    with pytest.raises(ProgrammingError, match=why), transaction.atomic():
        run(statement)
    return True


@pytest.fixture
def role(db: None) -> str:
    """A role that nobody has granted anything."""
    return new_role()


@pytest.fixture(name="serving")
def _serving(db: None) -> Iterator[str]:
    """The rest of the test happens as a role with the rights of the service."""
    with serving() as role:
        yield role


@pytest.fixture
def case(db: None) -> MLPredictionLog:
    """An answered call."""
    row = prediction()
    row.save()
    return row


def said(level: Level, source: LabelSource = LabelSource.OUTCOME) -> Label:
    """Return a label with a note."""
    return Label(level=level, source=source, saw_prediction=False, note="came back")


class TestWhatTheModelsAllow:
    def test_a_plain_table_is_for_daily_use(self) -> None:
        assert rights_of(Alert) == TableRights(ALL_OF_DAILY_USE)

    def test_of_history_only_the_columns_change_that_the_model_names(self) -> None:
        assert rights_of(ModelVersion) == TableRights(READ_AND_ADD, frozenset({"evidence"}))

    def test_who_saw_a_case_is_only_added_to(self) -> None:
        assert AccessEvent.may_be_pruned
        assert rights_of(AccessEvent) == TableRights(frozenset({Right.SELECT, Right.INSERT}))

    def test_an_answer_is_never_deleted_and_loses_only_what_is_about_the_patient(self) -> None:
        rights = rights_of(MLPredictionLog)

        assert rights.rights == {Right.SELECT, Right.INSERT}
        assert rights.columns == {
            *ABOUT_THE_PATIENT, "stripped_at", "ground_truth", "ground_truth_at",
        }  # fmt: skip

    def test_a_request_may_go_when_its_time_has_come(self) -> None:
        assert rights_of(TriageIntake).rights == {Right.SELECT, Right.INSERT, Right.DELETE}

    @pytest.mark.django_db
    def test_no_table_is_forgotten(self) -> None:
        assert rights_wanted().keys() == set(connection.introspection.table_names())
        assert rights_wanted()["django_migrations"] == TableRights(frozenset({Right.SELECT}))


@on_postgresql
class TestItCanServe:
    def test_a_call_is_answered_and_on_record(
        self, serving: str, api: ApiClient, sore_throat: dict[str, Any]
    ) -> None:
        answer = api.send(sore_throat)

        assert answer.status_code == 200
        assert TriageIntake.objects.get().prediction_log.pk == uuid.UUID(
            answer.json()["prediction_id"]
        )

    def test_a_label_says_what_counts(self, serving: str, case: MLPredictionLog) -> None:
        ground_truth_record(
            prediction_id=case.pk, author=User.objects.create(), label=said(Level.URGENT)
        )

        assert MLPredictionLog.objects.get().ground_truth == Level.URGENT

    def test_a_reviewer_settles_a_case(self, serving: str, case: MLPredictionLog) -> None:
        author, reviewer = User.objects.create(username="a"), User.objects.create(username="b")
        ground_truth_record(prediction_id=case.pk, author=author, label=said(Level.URGENT))

        ground_truth_review(prediction_id=case.pk, reviewer=reviewer, label=said(Level.SOON))

        assert MLPredictionLog.objects.get().ground_truth == Level.SOON
        assert GroundTruth.objects.filter(state="superseded").count() == 1

    def test_who_sees_a_case_is_written_down(self, serving: str, case: MLPredictionLog) -> None:
        access_record(
            actor="reviewer", action=AccessEvent.Action.VIEW, door=AccessEvent.Door.API,
            prediction_id=case.pk,
        )  # fmt: skip

        assert AccessEvent.objects.get().prediction_log == case

    def test_a_patient_is_erased(
        self, serving: str, api: ApiClient, sore_throat: dict[str, Any]
    ) -> None:
        api.send(sore_throat)

        assert patient_erase(sore_throat["patient_id"], actor="os:operator").requests == 1

    def test_intake_keys_are_changed(
        self, serving: str, api: ApiClient, sore_throat: dict[str, Any], settings: Any
    ) -> None:
        api.send(sore_throat)
        settings.INTAKE_KEYS = [
            "bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LTEyMzQ=",
            *settings.INTAKE_KEYS,
        ]

        assert tokens_rotate().requests == 1

    def test_accounts_are_made_and_closed(self, serving: str) -> None:
        user = User.objects.create_superuser("chief", password="correct horse battery")
        AuthToken.objects.create(user)
        browser = Client()
        wrong = {"username": "chief", "password": "wrong"}
        assert b"Please enter the correct" in browser.post("/admin/login/", wrong).content
        browser.force_login(user)

        browser.post("/admin/auth/user/add/", {
            "username": "new", "usable_password": "true", "password1": "a long pass phrase",
            "password2": "a long pass phrase",
        })  # fmt: skip
        browser.logout()
        User.objects.filter(pk=user.pk).update(is_active=False)

        open_accounts = User.objects.filter(is_active=True)
        assert list(open_accounts.values_list("username", flat=True)) == ["new"]

    def test_every_table_can_be_read(self, serving: str) -> None:
        for model in apps.get_models(include_auto_created=True):
            list(model._default_manager.all()[:1])


@on_postgresql
class TestItCannotRewriteHistory:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE monitoring_accessevent SET actor = 'somebody else'",
            "DELETE FROM monitoring_accessevent",
            "TRUNCATE monitoring_accessevent",
            "UPDATE django_admin_log SET user_id = 1",
            "DELETE FROM django_admin_log",
            "UPDATE monitoring_mlpredictionlog SET prediction = 0",
            "UPDATE monitoring_mlpredictionlog SET ground_truth = 0, prediction = 0",
            "DELETE FROM monitoring_mlpredictionlog",
            "TRUNCATE monitoring_mlpredictionlog CASCADE",
            "UPDATE monitoring_groundtruth SET level = 0",
            "DELETE FROM monitoring_groundtruth",
            "UPDATE monitoring_triageintake SET created_at = now()",
            "UPDATE ml_modelversion SET digest = ''",
            "DELETE FROM ml_modelversion",
            "UPDATE ml_deploymentevent SET reason = ''",
            "DELETE FROM ml_deploymentevent",
            "UPDATE ml_heldoutanswers SET packed = ''",
        ],
    )
    def test_a_row_stays_as_it_is(self, serving: str, statement: str) -> None:
        assert refused(statement)

    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO django_migrations (app, name, applied) VALUES ('a', 'b', now())",
            "DELETE FROM django_migrations",
            "DROP TABLE monitoring_alert",
            "ALTER TABLE monitoring_accessevent ADD COLUMN more int",
            "ALTER TABLE monitoring_mlpredictionlog DROP CONSTRAINT log_floor_holds",
            "ALTER TABLE monitoring_mlpredictionlog DISABLE TRIGGER ALL",
            "CREATE TRIGGER mine BEFORE INSERT ON monitoring_accessevent FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "CREATE INDEX mine ON monitoring_alert (id)",
            "CREATE TABLE mine ()",
            "CREATE VIEW mine AS SELECT 1",
            "CREATE SCHEMA mine",
            "CREATE ROLE mine",
            "SELECT setval('monitoring_alert_id_seq', 1)",
            "COPY monitoring_accessevent FROM PROGRAM 'true'",
            "SELECT * FROM pg_authid",
        ],
    )
    def test_nothing_is_made_or_unmade(self, serving: str, statement: str) -> None:
        assert refused(statement)

    def test_a_sudden_owner_is_none(self, serving: str) -> None:
        assert refused(f"ALTER TABLE monitoring_alert OWNER TO {serving}")
        assert refused("ALTER SCHEMA public OWNER TO CURRENT_USER")


@on_postgresql
class TestGranting:
    def test_a_second_time_changes_nothing(self, role: str) -> None:
        role_grant(role)
        before = role_statements(role), value(EVERY_RIGHT)

        assert role_grant(role) is False

        after = role_statements(role), value(EVERY_RIGHT)
        assert after == before

    @pytest.mark.parametrize(
        ("too_much", "statement"),
        [
            ("GRANT ALL ON monitoring_accessevent TO {}", "DELETE FROM monitoring_accessevent"),
            (
                "GRANT UPDATE (actor) ON monitoring_accessevent TO {}",
                "UPDATE monitoring_accessevent SET actor = ''",
            ),
            ("GRANT ALL ON monitoring_accessevent TO PUBLIC", "TRUNCATE monitoring_accessevent"),
            ("GRANT CREATE ON SCHEMA public TO {}", "CREATE TABLE mine ()"),
            ("GRANT CREATE ON SCHEMA public TO PUBLIC", "CREATE TABLE mine ()"),
            (
                "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {}",
                "SELECT setval('monitoring_alert_id_seq', 1)",
            ),
            ("CREATE TABLE copied AS SELECT 1; GRANT ALL ON copied TO {}", "SELECT * FROM copied"),
        ],
    )
    def test_what_is_too_much_is_taken_away(self, role: str, too_much: str, statement: str) -> None:
        run(too_much.format(role))

        role_grant(role)

        with acting_as(role):
            assert refused(statement)

    def test_what_somebody_else_gave_is_told_and_nothing_is_left_half_done(self, role: str) -> None:
        other = f"{role}_other"
        run(
            f"CREATE ROLE {other}",
            f"GRANT DELETE ON monitoring_accessevent TO {other} WITH GRANT OPTION",
        )
        with acting_as(other):
            run(f"GRANT DELETE ON monitoring_accessevent TO {role}")

        with pytest.raises(GrantError, match="look at monitoring_accessevent"):
            role_grant(role)

        assert not value(f"SELECT has_table_privilege('{role}', 'auth_user', 'SELECT')")

    @pytest.mark.parametrize(
        ("makes", "why"),
        [
            ("ALTER ROLE {} SUPERUSER", "superuser"),
            ("ALTER ROLE {} CREATEROLE", "makes roles"),
            ("ALTER ROLE {} REPLICATION", "copies the whole server"),
            ("GRANT pg_write_all_data TO {}", "member of pg_write_all_data"),
            ("ALTER TABLE monitoring_alert OWNER TO {}", "owner of tables"),
            ("ALTER SCHEMA public OWNER TO {}", "owner of the schema"),
        ],
    )
    def test_a_role_that_can_do_more_is_refused(self, role: str, makes: str, why: str) -> None:
        run(makes.format(role))

        with pytest.raises(GrantError, match=f"may do more than serve .*{why}"):
            role_grant(role)

    @pytest.mark.django_db
    def test_who_runs_it_is_refused(self) -> None:
        with pytest.raises(GrantError, match="is who runs this"):
            role_grant(value("SELECT current_user"))

    @pytest.mark.django_db
    def test_a_role_that_is_not_there_is_named(self) -> None:
        with pytest.raises(GrantError, match="There is no role nobody_at_all;"):
            role_grant("nobody_at_all")

    def test_a_database_that_was_not_migrated_is_told(self, role: str) -> None:
        run("ALTER TABLE monitoring_alert RENAME TO elsewhere")

        with pytest.raises(GrantError, match=r"1 are not there .* run `manage.py migrate`"):
            role_grant(role)

    def test_any_name_is_quoted(self, role: str) -> None:
        name = f'{role}"; DROP TABLE auth_user; --'
        run('CREATE ROLE "{}"'.format(name.replace('"', '""')))

        role_grant(name)

        assert value("SELECT count(*) FROM auth_user") == 0

    @pytest.mark.django_db
    def test_a_role_is_made_and_its_password_is_in_no_statement(self) -> None:
        name = f"triage_test_{uuid.uuid4().hex[:12]}"

        with CaptureQueriesContext(connection) as queries:
            assert role_grant(name, password=PASSWORD) is True

        kept = value(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{name}'")
        assert kept.startswith("SCRAM-SHA-256$")
        assert not any(PASSWORD in one["sql"] for one in queries)

    def test_the_password_of_a_role_that_is_there_stays(self, role: str) -> None:
        role_grant(role, password=PASSWORD)

        assert value(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'") is None

    def test_a_database_that_lets_nobody_make_roles_says_so(self, role: str) -> None:
        with acting_as(role), pytest.raises(GrantError, match="cannot be made: permission denied"):
            role_grant(f"{role}_more", password=PASSWORD)


@on_postgresql
class TestCommand:
    def test_it_works(self, role: str) -> None:
        out = StringIO()

        call_command("grant_application_role", role, stdout=out)

        assert out.getvalue() == f"The role {role} has the rights of the service.\n"
        with acting_as(role):
            assert refused("DELETE FROM monitoring_accessevent")

    def test_it_can_print_only(self, role: str) -> None:
        out = StringIO()

        call_command("grant_application_role", role, "--print", stdout=out)

        assert f'GRANT SELECT, INSERT ON TABLE "monitoring_accessevent" TO "{role}";\n' in (
            out.getvalue()
        )
        assert not value(f"SELECT has_table_privilege('{role}', 'auth_user', 'SELECT')")

    def test_what_it_prints_is_what_it_does(self, role: str) -> None:
        out = StringIO()
        call_command("grant_application_role", role, "--print", stdout=out)

        run(out.getvalue())

        before = value(EVERY_RIGHT)
        role_grant(role)
        assert value(EVERY_RIGHT) == before

    def test_a_refusal_is_one_sentence(self, role: str) -> None:
        run(f"ALTER ROLE {role} SUPERUSER")

        with pytest.raises(CommandError, match="may do more than serve"):
            call_command("grant_application_role", role)

    @pytest.mark.django_db
    def test_without_a_name_it_takes_that_of_the_address(self, settings: Any) -> None:
        settings.APPLICATION_DATABASE = {}

        with pytest.raises(CommandError, match="Name a role, or set APPLICATION_DATABASE_URL"):
            call_command("grant_application_role")

    def test_an_address_that_does_not_lead_there_is_told_without_its_password(
        self, role: str, settings: Any
    ) -> None:
        # Other connections do not see the role before this transaction ends.
        settings.APPLICATION_DATABASE = {"USER": role, "PASSWORD": PASSWORD}

        with pytest.raises(CommandError, match="does not lead it to the tables") as caught:
            call_command("grant_application_role")

        assert PASSWORD not in str(caught.value)


@pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3", reason="is SQLite"
)
def test_without_postgresql_it_says_that_there_are_no_roles() -> None:
    with pytest.raises(CommandError, match="only there are roles"):
        call_command("grant_application_role", "triage_app")


@pytest.fixture
def event(case: MLPredictionLog) -> AccessEvent:
    """A note that somebody saw a case."""
    event = AccessEvent(actor="reviewer", action="view", door="admin", prediction_log=case)
    event.save()
    return event


CHANGES: dict[str, Any] = {
    "save again": lambda event: event.save(),
    "save a field": lambda event: event.save(update_fields=["actor"]),
    "save over it": lambda event: AccessEvent(pk=event.pk, actor="x").save(force_update=True),
    "delete": lambda event: event.delete(),
    "update": lambda event: AccessEvent.objects.filter(pk=event.pk).update(actor="x"),
    "rewrite": lambda event: AccessEvent.objects.rewrite(actor="x"),
    "delete all": lambda event: AccessEvent.objects.all().delete(),
    "bulk update": lambda event: AccessEvent.objects.bulk_update([event], ["actor"]),
    "upsert": lambda event: AccessEvent.objects.bulk_create(
        [event], update_conflicts=True, update_fields=["actor"], unique_fields=["id"]
    ),
    "upsert by position": lambda event: AccessEvent.objects.bulk_create(
        [event], None, False, True, update_fields=["actor"], unique_fields=["id"]
    ),
    "update or create": lambda event: AccessEvent.objects.update_or_create(
        pk=event.pk, defaults={"actor": "x"}
    ),
    "plain manager": lambda event: AccessEvent._base_manager.update(actor="x"),
    "plain manager's delete": lambda event: AccessEvent._base_manager.all().delete(),
    "related delete": lambda event: event.prediction_log.accesses.all().delete(),
    "related update": lambda event: event.prediction_log.accesses.update(actor="x"),
    "related clear": lambda event: event.prediction_log.accesses.clear(),
    "related remove": lambda event: event.prediction_log.accesses.remove(event),
    "related set": lambda event: event.prediction_log.accesses.set([]),
    "related add": lambda event: event.prediction_log.accesses.add(event),
    "delete the case": lambda event: event.prediction_log.delete(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_who_saw_a_case_cannot_be_changed_by_any_door_of_the_model(
    event: AccessEvent, change: Any
) -> None:
    event.actor = "somebody else"

    with pytest.raises(AppendOnlyError), transaction.atomic():
        change(event)

    (kept,) = AccessEvent.objects.all()
    assert (kept.actor, kept.prediction_log_id) == ("reviewer", event.prediction_log_id)


@pytest.mark.parametrize("page", ["{}/delete/", "{}/change/", "add/"])
def test_who_saw_a_case_cannot_be_changed_in_the_admin(
    event: AccessEvent, admin_client: Client, page: str
) -> None:
    address = f"/admin/monitoring/accessevent/{page.format(event.pk)}"

    answer = admin_client.post(address, {"post": "yes", "actor": "somebody else"})

    assert answer.status_code == 403
    assert AccessEvent.objects.get(pk=event.pk).actor == "reviewer"


def test_the_admin_has_no_action_that_deletes_who_saw_a_case(
    event: AccessEvent, admin_client: Client
) -> None:
    admin_client.post(
        "/admin/monitoring/accessevent/",
        {"action": "delete_selected", "_selected_action": str(event.pk), "post": "yes"},
    )

    assert AccessEvent.objects.filter(pk=event.pk).exists()
