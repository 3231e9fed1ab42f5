#!/usr/bin/env bash
# Calls every operation with what its own schema allows and forbids, CASES times each, as two
# accounts, and holds each answer to the schema. URL is a running service, with FRONTEND_TOKEN,
# REVIEWER_TOKEN and LEAVER_TOKEN; without it the functional test starts one of its own.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

CASES=${CASES:-2000}

if [ -z "${URL:-}" ]; then
    begin 3
    environment
    development_environment
    export CASES DJANGO_SETTINGS_MODULE=tests.settings
    export TEST_DATABASE_URL=${TEST_DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres}
    export TEST_REDIS_URL=${TEST_REDIS_URL:-redis://127.0.0.1:6379/15}
    exec "$PY" -m pytest tests/functional/test_fuzz.py --capture=no
fi

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
"$PY" manage.py spectacular --format openapi-json --fail-on-warn --file "$WORK/openapi.json"

# fuzz TOKEN ARGUMENTS...: call as one account; the token stays out of the process list.
fuzz() {
    FUZZ_TOKEN=$1 PYTHONPATH=. "$PY" .venv/bin/schemathesis run "$WORK/openapi.json" \
        --url "$URL" --max-examples "$CASES" "${@:2}"
}

# Who logs out would end the tokens of the others, so that is for an account of its own.
LOGOUT=/auth/logout
DECIDE='/triage/|/ml/predict/|/auth/login'
fuzz "$FRONTEND_TOKEN" --exclude-path-regex "$LOGOUT" >"$WORK/frontend" 2>&1 &
FRONTEND=$!
fuzz "$REVIEWER_TOKEN" --exclude-path-regex "$LOGOUT|$DECIDE" >"$WORK/reviewer" 2>&1 &
REVIEWER=$!
fuzz "$LEAVER_TOKEN" --include-path-regex "$LOGOUT" >"$WORK/leaver" 2>&1 &
LEAVER=$!

FAILED=
wait "$FRONTEND" || FAILED="$FAILED frontend"
wait "$REVIEWER" || FAILED="$FAILED reviewer"
wait "$LEAVER" || FAILED="$FAILED leaver"
for name in frontend reviewer leaver; do
    printf '\n=== As %s\n' "$name"
    cat "$WORK/$name"
done

[ -z "$FAILED" ] || fail "
Failed as:$FAILED."
