# Shared by the scripts of this folder, which source it: where things are, how steps are shown, and
# one sentence when something fails.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# Settings of another project in the caller's shell must not lead ours astray.
unset PYTHONHOME PYTHONPATH
export DJANGO_SETTINGS_MODULE=config.settings PYTHONUNBUFFERED=1 PYTHONUTF8=1
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

PY=.venv/bin/python
LOG=var/log/setup.log
STEP=0
STEPS=0
DOTS=

# Whatever ends the script, nothing it started in the background stays behind.
trap 'stop_dots' EXIT

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# now: microseconds, or whole seconds where bash is older than 5.
now() {
    local time=${EPOCHREALTIME:-${SECONDS}000000}
    printf '%s' "${time/[.,]/}"
}

# since START: the time that has passed, as "1.2 s".
since() {
    local tenths=$((($(now) - $1) / 100000))
    printf '%d.%d s' $((tenths / 10)) $((tenths % 10))
}

# suitable PYTHON: true when it can make the environment.
suitable() {
    "$1" -c 'import sys, ensurepip, sqlite3, ssl, venv; sys.exit(sys.version_info < (3, 11))' \
        >/dev/null 2>&1
}

# find_python: print the first Python on the PATH that is new enough.
find_python() {
    local name found
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        while IFS= read -r found; do
            if suitable "$found"; then
                printf '%s' "$found"
                return
            fi
        done < <(type -ap "$name")
    done
    fail "Python 3.11 or newer with its venv module is needed, and none was found on the PATH" \
        "(on Debian and Ubuntu: apt install python3 python3-venv)."
}

start_dots() {
    { while sleep 2 && kill -0 $$ 2>/dev/null; do printf '.'; done; } &
    DOTS=$!
}

stop_dots() {
    [ -z "$DOTS" ] || kill "$DOTS" 2>/dev/null || true
    DOTS=
}

# reason FROM: why the step failed, from what it wrote to the log after line FROM.
reason() {
    local text
    text=$(tail -n "+$(($1 + 1))" "$LOG" | tr '\r' '\n')
    if grep -qE 'Failed to establish|Name or service not known|name resolution|ProxyError' \
        <<<"$text"; then
        printf 'the package index cannot be reached'
    else
        grep -vE '^[[:space:]]*$' <<<"$text" | tail -n 1 | cut -c 1-200 | sed 's/[.[:space:]]*$//'
    fi
}

# step [--live] NAME COMMAND...: run one numbered step and say how long it took. Its output goes
# to the log; a live step shows it as well, for a progress bar.
step() {
    local live=
    if [ "$1" = --live ]; then
        live=yes
        shift
    fi
    local name=$1 start lines status=0
    shift
    STEP=$((STEP + 1))
    start=$(now)
    printf '\n== %s\n' "$name" >>"$LOG"
    lines=$(wc -l <"$LOG")
    printf '[%d/%d] %s ...' "$STEP" "$STEPS" "$name"
    if [ -n "$live" ]; then
        printf '\n'
        "$@" 2>&1 | tee -a "$LOG" || status=$?
        printf '      %s' "$name"
    else
        start_dots
        "$@" >>"$LOG" 2>&1 || status=$?
        stop_dots
    fi
    if [ "$status" -ne 0 ]; then
        printf ' failed\n'
        fail "Stopped at step $STEP, $name: $(reason "$lines") (everything it said is in $LOG)."
    fi
    printf ' %s\n' "$(since "$start")"
}

# skip NAME: a step that has nothing to do.
skip() {
    STEP=$((STEP + 1))
    printf '[%d/%d] %s ... already there\n' "$STEP" "$STEPS" "$1"
}

# stamp FILE...: what an environment was installed from.
stamp() {
    "$PY" -c 'import hashlib, pathlib, sys
print(sys.version_info[:3], *(hashlib.sha256(pathlib.Path(f).read_bytes()).hexdigest()
                              for f in sys.argv[1:]))' "$@"
}

# installed NAME FILE...: true when these very files were installed completely.
installed() {
    local mark=.venv/.installed-$1
    shift
    [ -f "$mark" ] && [ "$(cat "$mark")" = "$(stamp "$@")" ]
}

# install NAME FILE...: install requirement files, and remember it only once all of it is there.
install() {
    local mark=.venv/.installed-$1 file arguments=()
    shift
    for file in "$@"; do
        arguments+=(--requirement "$file")
    done
    "$PY" -m pip install "${arguments[@]}" && stamp "$@" >"$mark"
}

make_environment() {
    "$PYTHON" -m venv --clear .venv && "$PY" -m pip --version
}

# environment: make .venv and install the packages of the service, unless both are there.
environment() {
    if "$PY" -m pip --version >/dev/null 2>&1; then
        skip "Making the environment in .venv"
    else
        PYTHON=$(find_python)
        step "Making the environment in .venv" make_environment
    fi
    if installed service requirements.txt; then
        skip "Installing packages"
    else
        step "Installing packages" install service requirements.txt
    fi
}

# development_environment: the packages of tests and checks, on top.
development_environment() {
    if installed tools requirements.txt requirements-dev.txt; then
        skip "Installing test and check tools"
    else
        step "Installing test and check tools" install tools requirements.txt requirements-dev.txt
    fi
}

# begin STEPS: open the log for a script of so many steps.
begin() {
    STEPS=$1
    # The database lies in var/ too, and patients' data are nobody else's business.
    (umask 077 && mkdir -p "$(dirname "$LOG")")
    : >"$LOG"
    trap 'printf "\nInterrupted; the same command goes on from here.\n" >&2; exit 130' INT
}
