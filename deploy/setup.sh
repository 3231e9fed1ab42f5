#!/usr/bin/env bash
# From a fresh clone to a service that is ready to start. Harmless to repeat: each step looks
# first whether its work is done, and an interrupted one is done again.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

STORE=${MODEL_STORE:-var/models}

# model_serves: can the model store's current version serve here? An older format or another
# version of a library may stand in its way.
model_serves() {
    [ -f "$STORE/current.json" ] && "$PY" manage.py check_model
}

# newest_version: ids begin with the moment they were saved.
newest_version() {
    basename "$(printf '%s\n' "$STORE"/2*/ | tail -n 1)"
}

# default_model: the first version ever registered serves at once; a later one takes the place of
# a model that cannot.
default_model() {
    "$PY" manage.py train_model --dataset synthetic --register &&
        { model_serves || "$PY" manage.py promote_model "$(newest_version)" --override \
            --reason "The version before cannot serve here."; }
}

begin 6
environment
step "Making development secrets in var/dev.env" "$PY" deploy/dev_env.py
step "Applying migrations" "$PY" manage.py migrate --noinput
if model_serves >>"$LOG" 2>&1; then
    skip "Training the default model"
else
    step --live "Training the default model" default_model
fi
step "Making demonstration users" "$PY" manage.py setup_demo
