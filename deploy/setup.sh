#!/usr/bin/env bash
# From a fresh clone to a service that is ready to start. Harmless to repeat: each step looks
# first whether its work is done, and an interrupted one is done again.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

begin 6
environment
step "Making development secrets in var/dev.env" "$PY" deploy/dev_env.py
step "Applying migrations" "$PY" manage.py migrate --noinput
if [ -f "${MODEL_STORE:-var/models}/current.json" ]; then
    skip "Training the default model"
else
    step --live "Training the default model" \
        "$PY" manage.py train_model --dataset synthetic --register
fi
step "Making demonstration users" "$PY" manage.py setup_demo
