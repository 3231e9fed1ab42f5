#!/usr/bin/env bash
# Everything that can be checked without running a test. All checks run, even after one fails.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

FAILED=

check() {
    local name=$1 start
    shift
    start=$(now)
    printf '\n=== %s\n' "$name"
    if "$@"; then
        printf 'ok, %s\n' "$(since "$start")"
    else
        FAILED="$FAILED${FAILED:+, }$name"
    fi
}

tool() {
    "$PY" ".venv/bin/$1" "${@:2}"
}

random_key() {
    "$PY" -c 'import base64, secrets
print(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())'
}

# The settings as production has them: no debug, strong secrets, and nothing of var/dev.env.
as_in_production() {
    env DJANGO_DEBUG=false SECURE_SSL_REDIRECT=true ALLOWED_HOSTS=triage.example \
        DATABASE_URL=sqlite://:memory: REDIS_URL= LOG_LEVEL=WARNING \
        DJANGO_SECRET_KEY="$(random_key)$(random_key)" PATIENT_ID_KEY="$(random_key)" \
        ASSIGNMENT_KEY="$(random_key)" INTAKE_KEYS="$(random_key)" \
        MODEL_PUBLIC_KEYS="$(random_key)" MODEL_SIGNING_KEY= "$@"
}

begin 3
environment
development_environment

check "Style (ruff check)" "$PY" -m ruff check
check "Formatting (ruff format)" "$PY" -m ruff format --check
check "Types (mypy)" "$PY" -m mypy
check "Import rules (lint-imports)" tool lint-imports
check "Migrations are complete" as_in_production "$PY" manage.py makemigrations --check --dry-run
check "Production settings (check --deploy)" \
    as_in_production "$PY" manage.py check --deploy --fail-level WARNING
check "Description of the API (spectacular)" as_in_production "$PY" manage.py spectacular \
    --validate --fail-on-warn --file /dev/null
check "Compose file" tool check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

if [ -n "$FAILED" ]; then
    fail "
Failed: $FAILED."
fi
printf '\nAll checks passed.\n'
