"""How often an account or an address may call: counted by all workers together, in Redis.

Where there is no Redis, or it does not answer, each worker counts alone, with the same limit.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from api.addresses import client_address

if TYPE_CHECKING:
    # The views import this module while they are defined.
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)

KEY_PREFIX = "triage-limits"
# A patient waits while Redis is asked. What it cannot say by then is counted without it.
PATIENCE_S = 0.25
ASK_AGAIN_AFTER_S = 5.0


class Counts:
    """The calls of the last minute, as all workers know them, or else this process alone.

    After a failure Redis is left alone for a while; then one call asks it again while all others
    go on without.
    """

    _instance: ClassVar[Counts | None] = None
    _instance_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, redis_url: str) -> None:
        self._lock = threading.Lock()
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = _shared(redis_url) if redis_url else None
        self._is_alone = False
        self._ask_at = 0.0

    @classmethod
    def instance(cls) -> Counts:
        """Return the counts of this process, made by the first call, which comes after the fork."""
        with cls._instance_lock:
            if cls._instance is None:
                cls._instance = cls(settings.REDIS_URL)
            return cls._instance

    def take(self, who: str, *, limit: int, cost: int = 1) -> float | None:
        """Count a call; return None where it may pass, else the seconds until one may again."""
        if self._shared is None or not self._may_ask():
            return self._take_alone(who, limit=limit, cost=cost)
        try:
            wait_s = _take(self._shared, who, limit=limit, cost=cost)
        except (RedisError, OSError) as error:
            self._lost(error)
            return self._take_alone(who, limit=limit, cost=cost)
        self._found()
        return wait_s

    def _take_alone(self, who: str, *, limit: int, cost: int) -> float | None:
        # The library's own locks come and go with the keys; this one is always the same.
        with self._lock:
            return _take(self._own, who, limit=limit, cost=cost)

    def _may_ask(self) -> bool:
        """Tell whether to ask Redis now; the one that asks again makes the others wait longer."""
        if not self._is_alone:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._ask_at:
                return False
            self._ask_at = now + ASK_AGAIN_AFTER_S
            return True

    def _lost(self, error: Exception) -> None:
        with self._lock:
            was_alone, self._is_alone = self._is_alone, True
            self._ask_at = time.monotonic() + ASK_AGAIN_AFTER_S
        if not was_alone:
            log.warning("limits_counted_alone", error=type(error).__name__)

    def _found(self) -> None:
        if not self._is_alone:
            return
        with self._lock:
            was_alone, self._is_alone = self._is_alone, False
        if was_alone:
            log.info("limits_counted_together")


class _Throttle(BaseThrottle):
    """Lets a request pass while its caller has not used up a limit."""

    wait_s: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request, and note how long to wait where it was one too many."""
        limit, cost = self.limit(), getattr(view, "throttle_cost", 1)
        # Whatever it weighs, a call must be possible within an unused minute.
        self.wait_s = Counts.instance().take(self.who(request), limit=limit, cost=min(cost, limit))
        return self.wait_s is None

    def wait(self) -> float | None:
        """Return the seconds after which to try again."""
        return self.wait_s

    def who(self, request: Request) -> str:
        """Return whose calls are counted together."""
        raise NotImplementedError

    def limit(self) -> int:
        """Return how much they may call in a minute."""
        raise NotImplementedError


class ClientRateThrottle(_Throttle):
    """``RATE_LIMIT`` a minute and account; one call counts as the ``throttle_cost`` of its view."""

    def who(self, request: Request) -> str:
        """Return the account, or the address of one who needs none."""
        if request.user and request.user.is_authenticated:
            return f"account:{request.user.pk}"
        return f"address:{client_address(request)}"

    def limit(self) -> int:
        """Return the limit of an account."""
        return int(settings.RATE_LIMIT)


class LoginRateThrottle(_Throttle):
    """``LOGIN_RATE_LIMIT`` a minute and address, whatever name is tried."""

    def who(self, request: Request) -> str:
        """Return the address."""
        return f"login:{client_address(request)}"

    def limit(self) -> int:
        """Return the limit of an address."""
        return int(settings.LOGIN_RATE_LIMIT)


def _shared(redis_url: str) -> MovingWindowRateLimiter:
    """Return counts in Redis; nothing is asked of it yet, and nothing is ever asked twice."""
    options: dict[str, Any] = {
        "socket_timeout": PATIENCE_S,
        "socket_connect_timeout": PATIENCE_S,
        "retry": Retry(NoBackoff(), 0),
    }
    return MovingWindowRateLimiter(RedisStorage(redis_url, key_prefix=KEY_PREFIX, **options))


def _take(limiter: MovingWindowRateLimiter, who: str, *, limit: int, cost: int) -> float | None:
    item = RateLimitItemPerMinute(limit)
    if limiter.hit(item, who, cost=cost):
        return None
    return max(0.0, limiter.get_window_stats(item, who).reset_time - time.time())
