#!/usr/bin/env bash
# All tests: on SQLite without Redis, and on PostgreSQL with Redis wherever both answer. On SQLite
# they must reach every branch of the rules. Arguments are handed to pytest, which then runs what
# they choose. With TRIAGE_REQUIRE_SERVICES=1 a missing service is a failure.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

POSTGRES=${TEST_DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres}
REDIS=${TEST_REDIS_URL:-redis://127.0.0.1:6379/15}
OUTPUT=var/log/test-services.log
PROOF='^triage: database=postgresql [0-9].* redis=[0-9]'
export DJANGO_SETTINGS_MODULE=tests.settings
[ -z "${TRIAGE_DATA_DIR:-}" ] || export TRIAGE_DATA_DIR

# unreachable: name each service that does not answer, or nothing.
unreachable() {
    "$PY" - "$POSTGRES" "$REDIS" <<'END'
import sys

import psycopg
import redis

try:
    psycopg.connect(sys.argv[1], connect_timeout=3).close()
except psycopg.Error:
    print("PostgreSQL does not answer (TEST_DATABASE_URL)")
try:
    redis.Redis.from_url(sys.argv[2], socket_connect_timeout=3).ping()
except (redis.RedisError, ValueError):
    print("Redis does not answer (TEST_REDIS_URL)")
END
}

begin 3
environment
development_environment

on_sqlite() {
    env -u TEST_DATABASE_URL -u TEST_REDIS_URL "$PY" -m pytest "$@"
}

on_services() {
    TEST_DATABASE_URL=$POSTGRES TEST_REDIS_URL=$REDIS "$PY" -m pytest "$@"
}

MISSING=$(unreachable | paste -sd ';' - | sed 's/;/, and /')
FIRST=passed
SECOND=passed
: >"$OUTPUT"

if [ $# -eq 0 ]; then
    # What starts no server runs on both at once; real processes are timed by their own clocks and
    # need the machine to themselves.
    if [ -z "$MISSING" ]; then
        # The rules know no database: once is enough.
        on_services -m "not functional" --ignore=tests/triage_rules >"$OUTPUT" 2>&1 &
        BESIDE=$!
        trap 'kill "$BESIDE" 2>/dev/null || true' EXIT
    fi
    printf '\n=== Tests on SQLite, without Redis\n'
    on_sqlite -m "not functional" --cov=triage_rules --cov-branch --cov-fail-under=100 \
        --cov-report=term:skip-covered || FIRST=FAILED
    if [ -z "$MISSING" ]; then
        wait "$BESIDE" || SECOND=FAILED
        printf '\n=== Tests on PostgreSQL, with Redis\n'
        cat "$OUTPUT"
    fi
    set -- -m functional
fi

printf '\n=== %s on SQLite, without Redis\n' "${*:-Tests}"
on_sqlite "$@" || FIRST=FAILED
if [ -n "$MISSING" ]; then
    SECOND="not run: $MISSING"
    [ "${TRIAGE_REQUIRE_SERVICES:-}" != 1 ] || SECOND="FAILED, $MISSING"
else
    printf '\n=== %s on PostgreSQL, with Redis\n' "${*:-Tests}"
    on_services "$@" 2>&1 | tee -a "$OUTPUT" || SECOND=FAILED
    # What was used is what the connections themselves answered, not what was asked for.
    USED=$(grep -m 1 -E "$PROOF" "$OUTPUT") || SECOND="FAILED, the run did not use both services"
    SECOND="$SECOND${USED:+ ($USED)}"
fi

printf '\nOn SQLite, without Redis:    %s\n' "$FIRST"
printf 'On PostgreSQL, with Redis:   %s\n' "$SECOND"
case "$FIRST $SECOND" in *FAILED*) exit 1 ;; esac
