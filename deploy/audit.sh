#!/usr/bin/env bash
# Ask PyPI for known faults of the pinned packages. It needs the network, so neither `make check` nor
# CI does it. Arguments are handed to pip-audit, such as --vulnerability-service osv.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

begin 3
environment
development_environment
# Without --strict a package that could not be looked up passes for one without faults.
"$PY" -m pip_audit --strict --progress-spinner off --disable-pip --no-deps \
    --requirement requirements.txt --requirement requirements-dev.txt "$@" ||
    fail "There are known faults, or packages that could not be looked up; the lines above say which."
