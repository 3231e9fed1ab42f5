"""Every example of docs/api.md, run as it stands there against the real service.

The blocks of a language are one program, as a reader would type them one after the other; each is
followed by a line of its own, so that its answer can be told from the next one's.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.conftest import TRIAGE_URL
from tests.functional.conftest import ROOT, Deployment, Server
from tests.functional.test_admin_in_a_browser import CHROMIUM, browser_page

pytestmark = pytest.mark.functional

HEADING = re.compile(r"^### `(GET|POST) (/\S+)`$", re.MULTILINE)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = ("sh", "python", "js")
# Another name of the first call, and what is no part of the schema.
ALIAS = ("POST", "/api/ml/predict/")
BESIDE = {("GET", path) for path in ("/livez", "/readyz", "/api/v1/schema/", "/api/v1/docs/")}
NEXT = "----- next example -----"
# What the page promises to the letter; of anything else it promises the shape.
TO_THE_LETTER = {"prediction", "method", "status", "title", "level", "mode", "code", "openapi"}


@dataclass(frozen=True)
class Page:
    """What docs/api.md holds: what stands before the first call, and the blocks of each call."""

    before: Mapping[str, str]
    calls: Mapping[tuple[str, str], Mapping[str, str]]


def read_page() -> Page:
    """Return the examples of the page."""
    head, *rest = HEADING.split((ROOT / "docs/api.md").read_text())
    calls = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    return Page(
        before=dict(BLOCK.findall(head)),
        calls={(method, path): dict(BLOCK.findall(text)) for method, path, text in calls},
    )


PAGE = read_page()


@dataclass(frozen=True)
class Asked:
    """How the examples of one language are to call."""

    server: Server
    environment: Mapping[str, str]


PREPARED = """
import json
from django.conf import settings
from django.contrib.auth.models import Group, User
from knox.models import AuthToken
from ml.registry import version_register
found = {}
for language in ("sh", "python", "js"):
    user = User.objects.create_user("examples-" + language)
    user.groups.set(Group.objects.all())
    person = User.objects.create_user("person-" + language, password="correct horse battery")
    found[language] = {
        "TRIAGE_TOKEN": AuthToken.objects.create(user)[1],
        "OLD_TOKEN": AuthToken.objects.create(person)[1],
        "TRIAGE_USER": person.username,
        "TRIAGE_PASSWORD": "correct horse battery",
    }
folder = next(each for each in settings.MODEL_STORE.iterdir() if (each / "card.md").exists())
version_register(folder.name, actor="trainer")
print(json.dumps({name: {**one, "MODEL_VERSION": folder.name} for name, one in found.items()}))
"""


@pytest.fixture(scope="module")
def asked(own_deployment: Deployment) -> Iterator[dict[str, Asked]]:
    """One running service with a registered model, and an account for each language."""
    # Files are scored in place, and no case is kept back for a blind label.
    own_deployment.environment |= {"REDIS_URL": "", "AUDIT_SHARE": "0"}
    accounts = json.loads(own_deployment.python(PREPARED).splitlines()[-1])
    with own_deployment.server(WEB_WORKERS="1") as server:
        yield {
            language: Asked(server, {**names, "TRIAGE_URL": server.url})
            for language, names in accounts.items()
        }


@pytest.fixture(scope="module")
def answers(asked: dict[str, Asked]) -> dict[str, list[str]]:
    """What the examples of each language print, call by call."""
    return {
        "sh": run_sh(asked["sh"]),
        "python": run_python(asked["python"]),
        "js": run_js(asked["js"]) if CHROMIUM.exists() else [],
    }


def run_sh(asked: Asked) -> list[str]:
    """Run the shell's examples one by one, with the ids that earlier answers carried."""
    environment, printed = dict(asked.environment), []
    for (method, path), blocks in PAGE.calls.items():
        script = PAGE.before["sh"] + blocks["sh"]
        printed.append(output_of("bash", "-euo", "pipefail", "-c", script, environment=environment))
        if (method, path) == ("POST", TRIAGE_URL):
            environment["PREDICTION_ID"] = json.loads(printed[-1])["prediction_id"]
        if (method, path) == ("POST", "/api/v1/batches/"):
            environment["BATCH_ID"] = json.loads(printed[-1])["id"]
    return printed


def run_python(asked: Asked) -> list[str]:
    """Run Python's examples as one program."""
    parts = [blocks["python"] for blocks in PAGE.calls.values()]
    program = PAGE.before["python"] + f"\nprint({NEXT!r})\n".join(parts)
    said = output_of(sys.executable, "-c", program, environment=asked.environment)
    return said.split(f"{NEXT}\n")


def run_js(asked: Asked) -> list[str]:
    """Run JavaScript's examples as one function, on a page of the service."""
    constants = "".join(
        f"const {name} = {json.dumps(value)}\n" for name, value in asked.environment.items()
    )
    parts = [blocks["js"] for blocks in PAGE.calls.values()]
    body = f"\nconsole.log({NEXT!r})\n".join([PAGE.before["js"] + parts[0], *parts[1:]])
    # What is logged is taken as the value it is, not as the browser would write it.
    taken = "const said = []; const console = {log: (one) => said.push(one)};\n"
    with browser_page() as page:
        page.goto(f"{asked.server.url}/livez")
        said = page.evaluate(f"async () => {{ {taken}{constants}{body}\nreturn said }}")
    return [one if isinstance(one, str) else json.dumps(one) for one in said if one != NEXT]


def output_of(*command: str, environment: Mapping[str, str]) -> str:
    """Return what a program prints; it must end well."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120,
        env={"PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def fits(documented: Any, real: Any, *, key: str = "") -> bool:
    """Tell whether an answer has all that the page shows of it."""
    if isinstance(documented, dict):
        return isinstance(real, dict) and all(
            name in real and fits(value, real[name], key=name) for name, value in documented.items()
        )
    if isinstance(documented, list):
        pairs = zip(documented, real, strict=False)
        return len(real) >= len(documented) and all(fits(a, b, key=key) for a, b in pairs)
    if key in TO_THE_LETTER and not isinstance(documented, dict) and documented != "…":
        return bool(documented == real)
    return documented is None or real is None or _kind(documented) == _kind(real)


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def test_each_call_of_the_schema_has_its_examples() -> None:
    paths = SchemaGenerator().get_schema(public=True)["paths"]
    operations = {(method.upper(), path) for path, item in paths.items() for method in item}

    assert set(PAGE.calls) == operations - {ALIAS} | BESIDE


@pytest.mark.parametrize("call", PAGE.calls, ids=" ".join)
def test_each_call_is_shown_in_three_languages(call: tuple[str, str]) -> None:
    assert [*PAGE.calls[call]][:3] == [*LANGUAGES]
    assert PAGE.calls[call].keys() & {"json", "text"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("number", range(len(PAGE.calls)), ids=map(" ".join, PAGE.calls))
def test_the_answer_is_as_the_page_says(
    number: int, language: str, answers: dict[str, list[str]]
) -> None:
    if language == "js" and not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium")
    documented = [*PAGE.calls.values()][number]
    assert len(answers[language]) == len(PAGE.calls)

    real = answers[language][number]

    if "text" in documented:
        assert real.strip().startswith(documented["text"].strip())
    else:
        assert fits(json.loads(documented["json"]), json.loads(real)), real


def test_the_page_says_what_it_is_not() -> None:
    page = (ROOT / "docs/api.md").read_text()

    assert "not certified" in page
    assert "decision" in page


def test_the_problem_on_the_page_is_a_real_one(
    asked: dict[str, Asked], own_deployment: Deployment
) -> None:
    body = {"patient_age": 5, "symptoms_data": {"chief_complaint": "cough"}, "vitals": {"spo2": 1}}

    real = asked["sh"].server.post(TRIAGE_URL, body, token=own_deployment.token())

    documented = json.loads(PAGE.before["json"])
    assert documented["errors"] == real["errors"]
    assert fits(documented, real)
