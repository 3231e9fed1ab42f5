"""Every cell of the table of roles, as the API answers it: who, what, and on whose rows."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import resolve
from django.utils import timezone

from api.errors import not_found
from api.urls import urlpatterns
from ml.models import ModelVersion
from monitoring.admin.pages import PAGES
from monitoring.models import BatchJob, GroundTruth, MLPredictionLog
from monitoring.roles import TABLE, Action, Role, Scope
from tests.conftest import TRIAGE_URL, ApiClient, account, client_of
from tests.monitoring.conftest import prediction

pytestmark = pytest.mark.django_db

NOBODY, NO_ROLE, SUPERUSER = "nobody", "no role", "superuser"
EVERYBODY = (*Role, NOBODY, NO_ROLE, SUPERUSER)
NO_ID = uuid.UUID("01990000-0000-7000-8000-000000000000")
DENIED = {401, 403, 404}
WHY = {"reason": "it is better"}
LABEL = {"level": "soon", "source": "clinician"}


@dataclass(frozen=True)
class Route:
    """One way to do an action. ``{prediction}`` and ``{batch}`` stand for rows of an account."""

    method: str
    path: str
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def has_owner(self) -> bool:
        return "{prediction}" in self.path or "{batch}" in self.path

    @property
    def example(self) -> str:
        return self.path.format(prediction=NO_ID, batch=NO_ID, version="v1")

    def call(self, client: ApiClient, **ids: Any) -> Any:
        path = self.path.format(version="v1", **ids)
        if self.method == "GET":
            return client.get(path)
        return client.send(self.body, path=path)


# Bodies that are as good as they need to be to get past the permission and the scope.
ROUTES: Mapping[Action, tuple[Route, ...]] = {
    Action.TRIAGE: (
        Route("POST", TRIAGE_URL, {}),
        Route("POST", "/api/ml/predict/", {}),
        Route("POST", "/api/v1/triage/bulk/", {}),
    ),
    Action.BATCH: (
        Route("POST", "/api/v1/batches/", {}),
        Route("GET", "/api/v1/batches/"),
        Route("GET", "/api/v1/batches/template/"),
        Route("GET", "/api/v1/batches/{batch}/"),
        Route("GET", "/api/v1/batches/{batch}/result/"),
    ),
    Action.READ_PREDICTION: (Route("GET", "/api/v1/predictions/{prediction}/"),),
    Action.LIST_PREDICTIONS: (Route("GET", "/api/v1/predictions/"),),
    Action.LABEL: (Route("POST", "/api/v1/predictions/{prediction}/ground-truth/", LABEL),),
    Action.READ_REPORTS: (Route("GET", "/api/v1/monitoring/summary/"),),
    Action.READ_METRICS: (Route("GET", "/metrics"),),
    Action.READ_MODELS: (
        Route("GET", "/api/v1/models/"),
        Route("GET", "/api/v1/models/{version}/"),
    ),
    Action.PROMOTE: (Route("POST", "/api/v1/models/{version}/promote/", WHY),),
    Action.ROLL_BACK: (Route("POST", "/api/v1/models/rollback/", WHY),),
}
# What asks for no role: whether the process lives, who one is, and what the API looks like.
OPEN = {"livez", "readyz", "login", "logout", "logoutall", "schema", "docs", None}


def view_of(route: Route) -> Any:
    """Return the view behind a route; None where there is none."""
    found = resolve(route.example).func
    return None if found is not_found else found


def is_there(route: Route) -> bool:
    view = view_of(route)
    actions = getattr(getattr(view, "cls", None), "actions", {})
    return view is not None and (route.path == "/metrics" or route.method in actions)


LINES = [(action, route) for action, routes in ROUTES.items() for route in routes]
CELLS = [line for line in LINES if is_there(line[1])]


@dataclass(frozen=True)
class Somebody:
    """An account, what it may say of itself, and rows of its own and of another."""

    client: ApiClient
    own: dict[str, Any]
    anothers: dict[str, Any]


def rows_of(name: str) -> dict[str, Any]:
    case = prediction(client=name, actor=name)
    case.save()
    job = BatchJob.objects.create(
        request_id=uuid.uuid4(), client=name, actor=name, format="csv", rows=1
    )
    return {"prediction": case.pk, "batch": job.pk}


def user_of(who: str) -> User:
    roles = [role for role in Role if role == who]
    return account(f"the {who}", *roles, is_superuser=who == SUPERUSER)


@pytest.fixture
def somebody() -> Callable[[str], Somebody]:
    """Return a function that makes an account with its rows; the version is registered."""
    ModelVersion.objects.create(
        version="v1", digest="d" * 64, created_at=timezone.now(), synthetic=True
    )

    def make(who: str) -> Somebody:
        client = ApiClient() if who == NOBODY else client_of(user_of(who))
        return Somebody(client, own=rows_of(f"the {who}"), anothers=rows_of("another"))

    return make


def scope_expected(who: str, action: Action) -> Scope | None:
    if isinstance(who, Role):
        return TABLE[action].allowed.get(who)
    widest = next(scope for scope in Scope if scope in TABLE[action].permissions)
    return widest if who == SUPERUSER else None


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize(("action", "route"), CELLS, ids=str)
def test_the_table_holds_for_own_rows(
    action: Action, route: Route, who: str, somebody: Callable[[str], Somebody]
) -> None:
    caller = somebody(who)

    status = route.call(caller.client, **caller.own).status_code

    if scope_expected(who, action) is None:
        assert status == (401 if who == NOBODY else 403)
    else:
        assert status not in DENIED
        assert status < 500


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize(("action", "route"), [c for c in CELLS if c[1].has_owner], ids=str)
def test_the_table_holds_for_the_rows_of_another(
    action: Action, route: Route, who: str, somebody: Callable[[str], Somebody]
) -> None:
    caller = somebody(who)

    answer = route.call(caller.client, **caller.anothers)

    match scope_expected(who, action):
        case None:
            assert answer.status_code == (401 if who == NOBODY else 403)
        case Scope.OWN:
            none = route.call(caller.client, prediction=NO_ID, batch=NO_ID)
            assert answer.status_code == none.status_code == 404
            assert told(answer) == told(none)
            assert not GroundTruth.objects.exists()
        case _:
            assert answer.status_code not in DENIED


def told(answer: Any) -> dict[str, Any]:
    """Return all that an answer tells, but for what names the request."""
    moving = {"x-request-id", "etag"}
    headers = {name.lower(): value for name, value in answer.items()}
    return {
        "body": {k: v for k, v in answer.json().items() if k != "instance"},
        "headers": {k: v for k, v in headers.items() if k not in moving},
    }


def test_what_was_refused_was_not_done(somebody: Callable[[str], Somebody]) -> None:
    caller = somebody(NO_ROLE)
    before = (MLPredictionLog.objects.count(), BatchJob.objects.count())

    for _action, route in CELLS:
        route.call(caller.client, **caller.own)

    assert (MLPredictionLog.objects.count(), BatchJob.objects.count()) == before
    assert not GroundTruth.objects.exists()


# --- nothing is left out -------------------------------------------------------------------------


def test_each_action_is_done_by_a_route_or_by_a_page() -> None:
    assert set(ROUTES) | set(PAGES.values()) | {Action.READ_INTAKE} == set(Action)


@pytest.mark.parametrize(("action", "route"), LINES, ids=str)
def test_each_route_is_there_and_names_its_action(action: Action, route: Route) -> None:
    assert is_there(route)
    if route.path != "/metrics":
        assert view_of(route).cls.actions[route.method] is action


def named_actions() -> Iterator[tuple[str, Action, str]]:
    """Yield method, action and name of every route that names an action."""
    for pattern in urlpatterns:
        view = getattr(pattern.callback, "cls", None)
        for method, action in getattr(view, "actions", {}).items():
            yield method, action, str(pattern.name)


def test_each_action_that_a_route_names_is_tested() -> None:
    tested = {(route.method, action, resolve(route.example).url_name) for action, route in LINES}

    assert set(named_actions()) - tested == set()


def test_what_names_no_action_is_known() -> None:
    named = {name for _, _, name in named_actions()} | {"metrics"}

    assert {pattern.name for pattern in urlpatterns} - named - OPEN == set()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("who", [Role.FRONTEND, NO_ROLE, SUPERUSER])
def test_what_no_route_does_is_405_for_everybody_known(who: str, method: str) -> None:
    client = client_of(user_of(who))

    statuses = {
        client.generic(method, route.example).status_code
        for _, route in CELLS
        if route.path != "/metrics"
    }

    assert statuses == {405}


def test_a_view_that_names_nothing_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    route = ROUTES[Action.READ_MODELS][0]
    monkeypatch.setattr(view_of(route).cls, "actions", {})

    assert route.call(client_of(user_of(SUPERUSER))).status_code == 403
