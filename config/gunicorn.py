"""How gunicorn serves the API: threads, because a slow client must not hold up the others."""

from config.env import env_text, env_whole

wsgi_app = "config.wsgi:application"
bind = env_text("BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = env_whole("WEB_WORKERS", 2, low=1, high=256)
threads = env_whole("WEB_THREADS", 4, low=1, high=256)
timeout = 30
graceful_timeout = 20
keepalive = 5
max_requests = 50_000
max_requests_jitter = 5_000
# Request lines would carry ids into the log; the service logs its own events.
accesslog = None
# The control socket's thread in the master does not survive a fork (gunicorn#3529).
control_socket_disable = True


# How long a new worker waits for the database's word on the model before it serves what it has.
FIRST_LOOK_S = 5.0


def post_fork(_arbiter: object, _worker: object) -> None:
    """Leave the master's database connections alone; only a preloaded app can have opened any."""
    from django.apps import apps
    from django.db import connections

    if apps.ready:
        connections.close_all()


def post_worker_init(_worker: object) -> None:
    """Make the first patient's answer as quick as the next: check the model, read the rules.

    This is the first moment after the fork; a prediction or a thread any earlier would be lost
    to the worker, or hang it.
    """
    from ml.service import TriagePredictionService
    from triage_rules import evaluate
    from triage_rules.case import TriageCase

    service = TriagePredictionService.instance()
    service.start(patience_s=FIRST_LOOK_S)
    case = TriageCase(chief_complaint="cough", age_years=40)
    evaluate(case)
    service.predict(case)
