#!/usr/bin/env bash
# Runs once before a new version serves, inside its container: the database is brought up to date,
# and an empty model store gets the default model.
set -euo pipefail
cd "$(dirname "$0")/.."

python manage.py migrate --noinput
if [ ! -f "$MODEL_STORE/current.json" ]; then
    python manage.py train_model --dataset synthetic --register
fi
