#!/usr/bin/env bash
# Set up, start the server, ask it for one real decision, and stay in the foreground.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

PORT=${1:-8000}
URL=http://127.0.0.1:$PORT
SERVER=

# port_is_free: can the server listen there? Prints the reason when it cannot.
port_is_free() {
    "$1" -c 'import socket, sys
with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("127.0.0.1", int(sys.argv[1])))
    except OSError as error:
        sys.exit(error.strerror)' "$PORT" 2>&1
}

# answers: does the server say anything at all, ready or not?
answers() {
    "$PY" -c 'import http.client, sys
server = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
server.request("GET", "/readyz")
server.getresponse()' "$PORT" 2>/dev/null
}

stop_server() {
    [ -z "$SERVER" ] || kill -TERM "$SERVER" 2>/dev/null || true
    wait
}

case $PORT in
    *[!0-9]* | '' | ??????*) fail "PORT must be a number from 1 to 65535, such as PORT=8001." ;;
esac
[ "$PORT" -ge 1 ] && [ "$PORT" -le 65535 ] ||
    fail "PORT must be a number from 1 to 65535, such as PORT=8001."
PYTHON=$(find_python)
WHY=$(port_is_free "$PYTHON") ||
    fail "Port $PORT cannot be used ($WHY); choose another one, such as: make run PORT=8001"

deploy/setup.sh

# Whatever ends this script, from Ctrl-C to a failure, ends the server first.
trap stop_server EXIT
trap 'printf "\nStopped.\n"; exit 0' INT TERM HUP
BIND=127.0.0.1:$PORT OMP_NUM_THREADS=1 \
    "$PY" .venv/bin/gunicorn -c config/gunicorn.py --log-level warning &
SERVER=$!
START=$SECONDS
until answers; do
    kill -0 "$SERVER" 2>/dev/null || fail "The server did not start; the lines above say why."
    [ $((SECONDS - START)) -lt 60 ] || fail "The server did not answer on $URL within 60 seconds."
    sleep 0.2
done

"$PY" manage.py first_decision --url "$URL"
cat <<END

API    $URL/api/v1/triage/   (token in var/dev-token)
Admin  $URL/admin/   (user admin or reviewer, passwords in var/dev-passwords)
Serving until Ctrl-C.
END
STATUS=0
wait "$SERVER" || STATUS=$?
[ "$STATUS" -eq 0 ] || fail "The server ended by itself with status $STATUS."
