"""Only processes that serve load the model as they start; no command follows deployments."""

from __future__ import annotations

import pytest

from ml.processes import COMMAND, EAGER, LAZY, NEVER, ProcessRole, process_role


@pytest.mark.parametrize(
    ("argv", "environ", "role"),
    [
        (["/srv/.venv/bin/gunicorn", "config.wsgi"], {}, EAGER),
        (["/srv/site-packages/gunicorn/__main__.py"], {}, EAGER),
        (["manage.py", "runserver"], {}, COMMAND),
        (["manage.py", "runserver"], {"RUN_MAIN": "true"}, EAGER),
        (["manage.py", "runserver", "--noreload"], {}, EAGER),
        (["manage.py", "migrate"], {}, COMMAND),
        (["manage.py", "shell"], {}, COMMAND),
        (["celery", "-A", "config", "worker"], {}, LAZY),
        (["celery", "-A", "config", "beat"], {}, COMMAND),
        (["pytest"], {}, COMMAND),
        ([], {}, COMMAND),
        (["manage.py", "migrate"], {"TRIAGE_LOAD": "always"}, EAGER),
        (["manage.py", "migrate"], {"TRIAGE_LOAD": "lazy"}, COMMAND),
        (["celery", "-A", "config", "worker"], {"TRIAGE_LOAD": "always"}, EAGER),
        (["gunicorn"], {"TRIAGE_LOAD": "never"}, NEVER),
        (["gunicorn"], {"TRIAGE_LOAD": "lazy"}, LAZY),
    ],
    ids=str,
)
def test_the_role_of_a_process(argv: list[str], environ: dict[str, str], role: ProcessRole) -> None:
    assert process_role(argv, environ) == role
