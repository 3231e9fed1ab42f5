"""How often an account may call: exactly so often, with Redis or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from structlog.testing import capture_logs

from api import client, limits
from api.limits import Counts
from api.views import TriageView
from monitoring.models import IdempotentCall, MLPredictionLog
from monitoring.roles import Role
from tests.conftest import account, client_of
from tests.stoppable_redis import StoppableRedis, own_redis

LOGIN = "/api/v1/auth/login/"


@pytest.fixture
def redis() -> Iterator[StoppableRedis]:
    """A running Redis."""
    with own_redis() as running:
        yield running


def allowed(workers: list[Counts], *, calls: int, limit: int) -> int:
    """Return how many of so many calls at once may pass, spread over workers."""
    ready = Barrier(calls)

    def call(n: int) -> bool:
        ready.wait()
        return workers[n % len(workers)].take("somebody", limit=limit) is None

    with ThreadPoolExecutor(calls) as pool:
        return sum(pool.map(call, range(calls)))


@pytest.mark.django_db
def test_it_works(api: Any, chest_pain: dict[str, Any], settings: Any) -> None:
    settings.RATE_LIMIT = 2

    statuses = [api.send(chest_pain).status_code for _ in range(3)]

    response = api.send(chest_pain)
    assert statuses == [200, 200, 429]
    assert response["Content-Type"] == "application/problem+json"
    assert 1 <= int(response["Retry-After"]) <= 60
    assert MLPredictionLog.objects.count() == 2


@pytest.mark.django_db
def test_each_account_has_its_own_limit(
    api: Any, chest_pain: dict[str, Any], settings: Any
) -> None:
    settings.RATE_LIMIT = 1
    other = client_of(account("other", Role.FRONTEND))

    assert [client.send(chest_pain).status_code for client in (api, other, api)] == [200, 200, 429]


@pytest.mark.django_db
def test_too_many_calls_are_refused_before_they_are_read(
    api: Any, chest_pain: dict[str, Any], settings: Any
) -> None:
    settings.RATE_LIMIT = 1
    api.send(chest_pain)

    assert api.send_raw(b"{", headers={"idempotency-key": "k"}).status_code == 429
    assert not IdempotentCall.objects.exists()


@pytest.mark.django_db
def test_who_is_not_known_uses_up_nothing(
    api: Any, anonymous: Any, chest_pain: dict[str, Any], settings: Any
) -> None:
    settings.RATE_LIMIT = 1

    assert {anonymous.send(chest_pain).status_code for _ in range(3)} == {401}
    assert api.send(chest_pain).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(("limit", "expected"), [(40, 2), (39, 1), (5, 1)])
def test_a_heavy_call_counts_as_many(
    limit: int,
    expected: int,
    api: Any,
    chest_pain: dict[str, Any],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.RATE_LIMIT = limit
    monkeypatch.setattr(TriageView, "throttle_cost", 20, raising=False)

    statuses = [api.send(chest_pain).status_code for _ in range(3)]

    assert statuses == [200] * expected + [429] * (3 - expected)


@pytest.mark.django_db
def test_logins_are_counted_by_address_whatever_name_is_tried(
    anonymous: Any, settings: Any
) -> None:
    settings.LOGIN_RATE_LIMIT = 3

    def login(name: str) -> Any:
        forged = {"x-forwarded-for": f"10.0.0.{name}"}
        return anonymous.send({"username": name, "password": "guess"}, path=LOGIN, headers=forged)

    assert [login(str(n)).status_code for n in range(4)] == [401, 401, 401, 429]
    assert login("5")["Retry-After"]


@pytest.mark.parametrize("_again", range(3))
def test_of_two_hundred_calls_at_once_exactly_fifty_pass(_again: int) -> None:
    assert allowed([Counts("")], calls=200, limit=50) == 50


def test_of_two_hundred_calls_to_two_workers_exactly_fifty_pass(redis: StoppableRedis) -> None:
    workers = [Counts(redis.url), Counts(redis.url)]

    assert allowed(workers, calls=200, limit=50) == 50


def test_without_redis_each_worker_counts_alone() -> None:
    assert allowed([Counts(""), Counts("")], calls=200, limit=50) == 100


@pytest.mark.parametrize("go", [StoppableRedis.hang, StoppableRedis.kill])
def test_when_redis_is_away_the_limit_stays(
    go: Callable[[StoppableRedis], None], redis: StoppableRedis
) -> None:
    counts = Counts(redis.url)
    assert counts.take("somebody", limit=3) is None
    go(redis)

    with capture_logs() as said:
        waits = [counts.take("somebody", limit=3) for _ in range(6)]

    assert [wait is None for wait in waits] == [True] * 3 + [False] * 3
    assert [one["event"] for one in said] == ["limits_counted_alone"]


def test_while_redis_is_away_it_is_not_asked(redis: StoppableRedis) -> None:
    counts = Counts(redis.url)
    redis.kill()
    counts.take("somebody", limit=1)
    redis.start()

    # Redis would let this pass, where nobody is known.
    assert counts.take("somebody", limit=1) is not None


def test_a_redis_that_stays_away_is_told_of_once(
    redis: StoppableRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ASK_AGAIN_AFTER_S", 0.0)
    counts = Counts(redis.url)
    redis.kill()

    with capture_logs() as said:
        for _ in range(3):
            counts.take("somebody", limit=3)

    assert [one["event"] for one in said] == ["limits_counted_alone"]


def test_when_redis_is_back_the_workers_count_together(
    redis: StoppableRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ASK_AGAIN_AFTER_S", 0.0)
    one, other = Counts(redis.url), Counts(redis.url)
    redis.kill()
    for counts in (one, other):
        counts.take("somebody", limit=1)
    redis.start()

    with capture_logs() as said:
        waits = [counts.take("somebody", limit=1) for counts in (one, other)]

    assert [wait is None for wait in waits] == [True, False]
    assert [one["event"] for one in said] == ["limits_counted_together"] * 2


@pytest.mark.django_db
def test_no_call_fails_because_redis_does(
    api: Any, chest_pain: dict[str, Any], redis: StoppableRedis, settings: Any
) -> None:
    settings.REDIS_URL = redis.url
    assert api.send(chest_pain).status_code == 200

    redis.kill()

    assert {api.send(chest_pain).status_code for _ in range(3)} == {200}


@pytest.mark.django_db(transaction=True)
def test_the_commands_wait_until_they_may_call_again(
    live_server: Any,
    frontend: User,
    chest_pain: dict[str, Any],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def a_minute_goes_by(wait_s: float) -> None:
        waits.append(wait_s)
        monkeypatch.setattr(limits, "KEY_PREFIX", f"{limits.KEY_PREFIX}-later")
        monkeypatch.setattr(Counts, "_instance", None)

    settings.RATE_LIMIT = 1
    waits: list[float] = []
    monkeypatch.setattr(client.time, "sleep", a_minute_goes_by)
    caller = client.TriageClient(url=live_server.url, token=AuthToken.objects.create(frontend)[1])

    answers = [caller.post(client.TRIAGE_PATH, chest_pain) for _ in range(2)]
    caller._connection.close()

    assert len({answer["prediction_id"] for answer in answers}) == 2
    assert len(waits) == 1
    assert 1 <= waits[0] <= 60
