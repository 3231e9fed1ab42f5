#!/usr/bin/env bash
# The benchmarks, with peers side by side. Arguments are handed on.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

begin 3
environment
development_environment
[ -f benchmarks/__main__.py ] || fail "There are no benchmarks in this clone."
OMP_NUM_THREADS=1 "$PY" -m benchmarks "$@"
