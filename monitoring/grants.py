"""What the service's own role may do in PostgreSQL: what the models allow, and nothing more.

The owner of the tables migrates; the service logs in as a role of its own. What the models say of
themselves (``ml.history.AppendOnlyModel``) then holds in the database too, whatever the code does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import DatabaseError, connection, connections, models, transaction
from django.db.migrations.recorder import MigrationRecorder
from psycopg.sql import SQL, Composable, Identifier, Literal

from ml.history import AppendOnlyModel
from monitoring.models import AccessEvent

# Who saw a case is not for the service to forget, even when its time has come: whoever breaks into
# it must not wipe out the trace.
FORGOTTEN_BY_THE_OWNER: frozenset[type[models.Model]] = frozenset({AccessEvent})
# Nor who changed an account.
ADDED_TO_ONLY: frozenset[type[models.Model]] = frozenset({LogEntry})


class Right(StrEnum):
    """What can be done with a whole table; the first four are all that is ever given."""

    SELECT = "SELECT"
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    TRUNCATE = "TRUNCATE"
    REFERENCES = "REFERENCES"
    TRIGGER = "TRIGGER"


READ_AND_ADD = frozenset({Right.SELECT, Right.INSERT})
ALL_OF_DAILY_USE = READ_AND_ADD | {Right.UPDATE, Right.DELETE}


# What belongs to who runs this; what an extension brought is not the service's.
_OWN_RELATIONS = """
SELECT relname, relkind = 'S'
FROM pg_class c
WHERE relnamespace = current_schema()::regnamespace
  AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND pg_has_role(relowner, 'USAGE')
  AND NOT EXISTS (
    SELECT FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
# What lets a role step around its grants.
_POWERS = """
WITH one AS (SELECT * FROM pg_roles WHERE rolname = %(role)s)
SELECT 'superuser' FROM one WHERE rolsuper
UNION ALL SELECT 'makes roles' FROM one WHERE rolcreaterole
UNION ALL SELECT 'makes databases' FROM one WHERE rolcreatedb
UNION ALL SELECT 'copies the whole server' FROM one WHERE rolreplication
UNION ALL SELECT 'member of ' || pg_get_userbyid(roleid) FROM pg_auth_members, one
WHERE member = one.oid
UNION ALL SELECT 'owner of the database' FROM pg_database, one
WHERE datname = current_database() AND datdba = one.oid
UNION ALL SELECT 'owner of the schema' FROM pg_namespace, one
WHERE nspname = current_schema() AND nspowner = one.oid
UNION ALL SELECT DISTINCT 'owner of tables' FROM pg_class, one
WHERE relnamespace = current_schema()::regnamespace AND relowner = one.oid
"""
# What a role may do, however it came by it.
_HELD = """
SELECT
  relname,
  ARRAY(SELECT r FROM unnest(%(rights)s::text[]) r WHERE has_table_privilege(%(role)s, c.oid, r)),
  ARRAY(
    SELECT attname::text FROM pg_attribute
    WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
      AND has_column_privilege(%(role)s, c.oid, attnum, 'UPDATE'))
FROM pg_class c
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%(tables)s)
"""


class GrantError(Exception):
    """The rights cannot be given; the message is one sentence for an operator."""


@dataclass(frozen=True, slots=True)
class TableRights:
    """What the role may do with one table: ``columns`` are those it may update one by one."""

    rights: frozenset[Right] = frozenset()
    columns: frozenset[str] = frozenset()


# --- what the models allow -----------------------------------------------------------------------


def rights_of(model: type[models.Model]) -> TableRights:
    """Return what the role may do with the table of a model.

    In the order taken:

    1. The trace of the admin is read and added to; a plain table is changed and deleted from too.
    2. History is read and added to; of its columns only those are updated that the model names.
    3. It is deleted from where the model may be pruned and the owner does not keep that back.
    """
    if model in ADDED_TO_ONLY:
        return TableRights(READ_AND_ADD)
    if not issubclass(model, AppendOnlyModel):
        return TableRights(ALL_OF_DAILY_USE)
    may_go = model.may_be_pruned and model not in FORGOTTEN_BY_THE_OWNER
    changing = model.may_change | model.may_be_rewritten
    return TableRights(
        READ_AND_ADD | ({Right.DELETE} if may_go else frozenset()),
        frozenset(
            one.column for one in model._meta.concrete_fields if one.name in changing and one.column
        ),
    )


def rights_wanted() -> dict[str, TableRights]:
    """Return what the role may do with each table that belongs to the service."""
    kept = (
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    )
    migrations = MigrationRecorder.Migration._meta.db_table
    return {model._meta.db_table: rights_of(model) for model in kept} | {
        migrations: TableRights(frozenset({Right.SELECT}))
    }


# --- what is done --------------------------------------------------------------------------------


def role_statements(role: str) -> list[str]:
    """Return the SQL that gives a role its rights and takes every other one from it.

    A table of which no model knows is taken from it as well.

    Raises
    ------
    GrantError
        When a table of the service is not there, or belongs to somebody else.
    """
    relations = _own_relations()
    wanted = rights_wanted()
    if missing := wanted.keys() - relations.tables:
        raise GrantError(
            f"Of the tables of the service {len(missing)} are not there or belong to another role; "
            "run `manage.py migrate` as the owner first."
        )
    statements = [*_place(role), *_taken(role, relations), *_given(role, wanted)]
    return [statement.as_string(None) for statement in statements]


@transaction.atomic
def role_grant(role: str, *, password: str | None = None) -> bool:
    """Give a role its rights, and tell whether it was made for that.

    Parameters
    ----------
    role
        Its name.
    password
        With one, a role that is not there is made; the password of one that is there stays.

    Raises
    ------
    GrantError
        When the role is not there, could do more than serve, or the database does not follow.
    """
    is_new = not _exists(role)
    if is_new:
        _role_make(role, password=password)
    _refuse_the_mighty(role)
    _run(role_statements(role))
    _refuse_what_is_left(role)
    return is_new


def role_log_in(address: Mapping[str, Any]) -> None:
    """Log in at an address, written as Django writes one, and look at the service's tables.

    Raises
    ------
    GrantError
        When the database does not let it, or it is another database.
    """
    own = connections[connection.alias]
    application = type(own)({**own.settings_dict, **address}, "application")
    table = Identifier(MigrationRecorder.Migration._meta.db_table)
    look = SQL("SELECT FROM {table} LIMIT 1").format(table=table).as_string(None)
    try:
        with application.cursor() as cursor:
            cursor.execute(look)
    except DatabaseError as error:
        raise GrantError(
            f"{address['USER']} has its rights, but APPLICATION_DATABASE_URL does not lead it to "
            f"the tables: {first_line(error)}"
        ) from None
    finally:
        application.close()


# --- statements ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Relations:
    """The tables and sequences of the schema that belong to who runs this."""

    tables: frozenset[str]
    sequences: frozenset[str]


def _own_relations() -> _Relations:
    found = _rows(_OWN_RELATIONS)
    return _Relations(
        tables=frozenset(name for name, is_sequence in found if not is_sequence),
        sequences=frozenset(name for name, is_sequence in found if is_sequence),
    )


def _place(role: str) -> Iterator[Composable]:
    """Let the role into database and schema, where nobody but the owner makes anything."""
    ((database, schema),) = _rows("SELECT current_database(), current_schema()")
    names = {"role": Identifier(role), "db": Identifier(database), "schema": Identifier(schema)}
    yield SQL("REVOKE ALL ON DATABASE {db} FROM {role}").format(**names)
    yield SQL("GRANT CONNECT ON DATABASE {db} TO {role}").format(**names)
    yield SQL("REVOKE ALL ON SCHEMA {schema} FROM {role}").format(**names)
    yield SQL("REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC").format(**names)
    yield SQL("GRANT USAGE ON SCHEMA {schema} TO {role}").format(**names)


def _taken(role: str, relations: _Relations) -> Iterator[Composable]:
    """Take everything, also what everybody has: what follows is then all there is."""
    for kind, names in (("TABLE", relations.tables), ("SEQUENCE", relations.sequences)):
        if names:
            yield SQL("REVOKE ALL ON {kind} {names} FROM {role}, PUBLIC CASCADE").format(
                kind=SQL(kind), names=_listed(names), role=Identifier(role)
            )


def _given(role: str, wanted: Mapping[str, TableRights]) -> Iterator[Composable]:
    to = {"role": Identifier(role)}
    for table, given in sorted(wanted.items()):
        on = {"table": Identifier(table), **to}
        rights = SQL(", ").join(SQL(right) for right in Right if right in given.rights)
        yield SQL("GRANT {rights} ON TABLE {table} TO {role}").format(rights=rights, **on)
        if given.columns:
            yield SQL("GRANT UPDATE ({columns}) ON TABLE {table} TO {role}").format(
                columns=_listed(given.columns), **on
            )
    added_to = (table for table, given in wanted.items() if Right.INSERT in given.rights)
    if sequences := _sequences_of(added_to):
        yield SQL("GRANT USAGE ON SEQUENCE {names} TO {role}").format(
            names=_listed(sequences), **to
        )


def _sequences_of(tables: Iterable[str]) -> set[str]:
    """Return the sequences that number the rows of tables."""
    with connection.cursor() as cursor:
        return {
            one["name"]
            for table in tables
            for one in connection.introspection.get_sequences(cursor, table)
        }


def _listed(names: Iterable[str]) -> Composable:
    return SQL(", ").join(Identifier(name) for name in sorted(names))


# --- roles ---------------------------------------------------------------------------------------


def _exists(role: str) -> bool:
    return bool(_rows("SELECT FROM pg_roles WHERE rolname = %(role)s", role=role))


def _role_make(role: str, *, password: str | None) -> None:
    if password is None:
        raise GrantError(
            f"There is no role {role}; make it first, or set APPLICATION_DATABASE_URL."
        )
    make = SQL("CREATE ROLE {role} LOGIN PASSWORD {verifier}").format(
        role=Identifier(role), verifier=Literal(_verifier(role, password))
    )
    try:
        # Within the transaction, so that its failure leaves a sentence and not a broken one.
        with transaction.atomic():
            _run([make.as_string(None)])
    except DatabaseError as error:
        raise GrantError(f"The role {role} cannot be made: {first_line(error)}") from None


def _verifier(role: str, password: str) -> str:
    """Return what PostgreSQL keeps of a password: the statement, and so its log, has no more."""
    connection.ensure_connection()
    encrypt = connection.connection.pgconn.encrypt_password
    return str(encrypt(password.encode(), role.encode(), b"scram-sha-256"), "ascii")


def _refuse_the_mighty(role: str) -> None:
    """Refuse a role that could do more than serve, whatever it is granted."""
    if role in _rows("SELECT current_user::text, session_user::text")[0]:
        raise GrantError(
            f"{role} is who runs this; the service needs a role of its own (docs/deploy.md)."
        )
    if powers := [power for (power,) in _rows(_POWERS, role=role)]:
        raise GrantError(
            f"{role} may do more than serve ({', '.join(powers)}); the service needs a role of "
            "its own."
        )


def _refuse_what_is_left(role: str) -> None:
    """Believe the database, not the statements: it only warns where somebody else has granted."""
    wanted = rights_wanted()
    held = _rights_held(role, wanted)
    if differing := sorted(table for table in wanted if held[table] != wanted[table]):
        raise GrantError(
            f"{role} does not have the rights it should, since somebody else has granted some: "
            f"look at {', '.join(differing)}."
        )
    if _rows("SELECT WHERE has_schema_privilege(%(role)s, current_schema(), 'CREATE')", role=role):
        raise GrantError(f"{role} may make tables; the owner of the schema must revoke that.")


def _rights_held(role: str, tables: Iterable[str]) -> dict[str, TableRights]:
    found = _rows(_HELD, role=role, tables=list(tables), rights=[right.value for right in Right])
    return {table: _as_rights(rights, columns) for table, rights, columns in found}


def _as_rights(rights: Iterable[str], columns: Iterable[str]) -> TableRights:
    whole = frozenset(map(Right, rights))
    return TableRights(whole, frozenset() if Right.UPDATE in whole else frozenset(columns))


# --- the database --------------------------------------------------------------------------------


def first_line(error: DatabaseError) -> str:
    """Return what PostgreSQL says of an error, without the statement."""
    return str(error).strip().partition("\n")[0].rstrip(".") + "."


def _run(statements: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _rows(query: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
