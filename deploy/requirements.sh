#!/usr/bin/env bash
# Compile the pinned requirement files. What is pinned stays, unless a .in file asks otherwise.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

begin 3
environment
development_environment
for NAME in requirements requirements-dev; do
    "$PY" -m piptools compile --quiet --strip-extras --no-header \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
        --output-file "$NAME.txt" "$NAME.in"
done
