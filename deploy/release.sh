#!/usr/bin/env bash
# Runs once before a new version of the service serves, inside its container: the database is brought
# up to date, an empty model store gets the default model, and a model that cannot serve is named. It
# is never replaced here: that is the site's decision, and until then the rules answer.
#
# With APPLICATION_DATABASE_URL, DATABASE_URL is the owner's: it migrates and gives the role of that
# address its rights; everything after it is done as that role, as the service will.
set -euo pipefail
cd "$(dirname "$0")/.."

has_own_role() {
    [ -n "${APPLICATION_DATABASE_URL:-}${APPLICATION_DATABASE_URL_FILE:-}" ]
}

# become_application: forget the owner. Passwords stay in variables, never on a command line.
become_application() {
    export DATABASE_URL=${APPLICATION_DATABASE_URL:-}
    export DATABASE_URL_FILE=${APPLICATION_DATABASE_URL_FILE:-}
    unset APPLICATION_DATABASE_URL APPLICATION_DATABASE_URL_FILE
}

python manage.py migrate --noinput
if has_own_role; then
    python manage.py grant_application_role
    become_application
fi
if [ ! -f "$MODEL_STORE/current.json" ]; then
    python manage.py train_model --dataset synthetic --register
elif ! python manage.py check_model; then
    printf 'The rules answer alone until another version is promoted (docs/artefacts.md).\n' >&2
fi
