#!/usr/bin/env bash
# Runs once before a new version of the service serves, inside its container: the database is brought
# up to date, an empty model store gets the default model, and a model that cannot serve is named. It
# is never replaced here: that is the site's decision, and until then the rules answer.
set -euo pipefail
cd "$(dirname "$0")/.."

python manage.py migrate --noinput
if [ ! -f "$MODEL_STORE/current.json" ]; then
    python manage.py train_model --dataset synthetic --register
elif ! python manage.py check_model; then
    printf 'The rules answer alone until another version is promoted (docs/artefacts.md).\n' >&2
fi
