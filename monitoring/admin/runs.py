"""What the scheduled jobs found, to be read: the figures that matter, in words and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ml.admin import ReadOnlyAdmin
from monitoring.figures.figure import between, percent
from monitoring.models import MonitoringRun, RetrainingRun

Body = Mapping[str, Any]

_GROUPS = (
    ("by arm", "by_arm"), ("by model version", "by_model_version"), ("by right level", "by_level"),
    ("by who labelled", "by_saw_prediction"), ("drawn at random or not", "by_audit"),
)  # fmt: skip
_PRUNED = (
    ("requests deleted", "requests"), ("notes emptied", "notes"),
    ("predictions stripped of the patient", "predictions"),
    ("entries of who saw a case deleted", "accesses"),
    ("entries of who saw a case that wait for the owner", "accesses_for_owner"),
)  # fmt: skip


@admin.register(MonitoringRun)
class MonitoringRunAdmin(ReadOnlyAdmin):
    """What the daily checks found."""

    list_display = ("day", "job", "status", "found", "cases", "ran_at")
    list_filter = ("job", "status")
    list_per_page = 50
    fields = ("job", "day", "status", "ran_at", "took", "figures")

    class Media:
        """How the tables of figures stand in the page."""

        css = {"all": ["monitoring/runs.css"]}

    @admin.display(description="found")
    def found(self, run: MonitoringRun) -> str:
        """The one figure of the run that says most."""
        result = _part(run.result)
        if run.job == MonitoringRun.Job.DRIFT:
            return ", ".join(map(str, result.get("drifted") or ())) or "no drift"
        if run.job == MonitoringRun.Job.RETENTION:
            return f"{result.get('predictions') or 0:,} predictions stripped"
        if result.get("accuracy") is None:
            return "–"
        interval = between(result.get("interval"))
        return f"{percent(result['accuracy'], digits=1)} right ({interval})"

    @admin.display(description="cases")
    def cases(self, run: MonitoringRun) -> str:
        """How many cases that stands on."""
        result = _part(run.result)
        if run.job == MonitoringRun.Job.DRIFT:
            return f"{result.get('rows') or 0:,} answers"
        if run.job == MonitoringRun.Job.RETENTION:
            return "–"
        return f"{result.get('labelled') or 0:,} of {result.get('predictions') or 0:,} labelled"

    @admin.display(description="took")
    def took(self, run: MonitoringRun) -> str:
        """How long the job worked."""
        return "–" if run.duration_ms is None else f"{run.duration_ms / 1000:.1f} s"

    @admin.display(description="figures")
    def figures(self, run: MonitoringRun) -> SafeString:
        """Every figure of the run that a person would ask for."""
        result = _part(run.result)
        return _SHOWN[MonitoringRun.Job(run.job)](result)


@admin.register(RetrainingRun)
class RetrainingRunAdmin(ReadOnlyAdmin):
    """What was trained from the log, and why."""

    list_display = ("started_at", "reason", "status", "version", "error")
    list_filter = ("status",)
    fields = ("reason", "status", "started_at", "ended_at", "version", "error", "figures")

    class Media:
        """How the table of figures stands in the page."""

        css = {"all": ["monitoring/runs.css"]}

    @admin.display(description="figures")
    def figures(self, run: RetrainingRun) -> SafeString:
        """What it learnt from, how good the candidate is, and what the gate would say."""
        parts = [
            (title, _part(_part(run.result).get(key)))
            for title, key in (
                ("learnt from", "training_set"), ("candidate", "figures"), ("gate", "gate"),
            )
        ]  # fmt: skip
        rows = [
            (f"{title}: {name.replace('_', ' ')}", said)
            for title, part in parts
            for name, said in _plain(part)
        ]
        return _table(("figure", "value"), rows)


# --- accuracy --------------------------------------------------------------------------------


def _accuracy(result: Body) -> SafeString:
    headers = ("", "labelled", "right", "95 %", "too low", "95 %", "too high", "95 %")
    rows = [_tally("all", result)]
    rows += [_tally(f"{title}: {name}", tally) for title, key in _GROUPS
             for name, tally in _part(result.get(key)).items()]  # fmt: skip
    rows += [_tally(f"{column.replace('_', ' ')}: {name}", tally)
             for column, values in _part(result.get("slices")).items()
             for name, tally in _part(values).items()]  # fmt: skip
    return _parts([_of_the_day(result), _table(headers, rows)])


def _of_the_day(result: Body) -> SafeString:
    latency, cusum, pooled = (_part(result.get(key)) for key in ("latency", "cusum", "pooled"))
    rows = [
        ("answers", f"{result.get('predictions') or 0:,}"),
        ("with a label", percent(result.get("coverage"))),
        ("checked before its labels were due", "yes" if result.get("provisional") else "no"),
    ]
    if pooled:
        judged = f"{pooled.get('labelled')} labels from {pooled.get('first')} on"
        rows.append(("judged together with days before", judged))
    if result.get("missed_emergencies") is not None:
        rows.append(("emergencies answered as less", f"{result['missed_emergencies']}"))
    if latency.get("p50") is not None:
        times = ", ".join(f"{name} {latency[name]:.1f} ms" for name in ("p50", "p95", "p99")
                          if latency.get(name) is not None)  # fmt: skip
        rows.append(("time to an answer", times))
    if cusum.get("value") is not None:
        rows.append(("watch over each label", f"{cusum['value']:.2f} of {cusum.get('limit'):g}"
                     + (", crossed" if cusum.get("crossed") else "")))  # fmt: skip
    return _table(("", ""), rows)


def _tally(name: str, tally: Any) -> tuple[str, ...]:
    part = _part(tally)
    n = part.get("labelled") or 0
    shares = [(part.get("accuracy"), part.get("interval"))]
    shares += [
        ((part.get(wrong) or 0) / n if n else None, part.get(f"{wrong}_interval"))
        for wrong in ("under", "over")
    ]
    figures = [said for share, ends in shares for said in (percent(share, digits=1), between(ends))]
    return (name, f"{n:,}", *figures)


# --- drift -----------------------------------------------------------------------------------


def _drift(result: Body) -> SafeString:
    window, reference = _part(result.get("window")), _part(result.get("reference"))
    rows = [
        ("days", f"{window.get('start', '–')} to {window.get('end', '–')}"),
        ("answers", f"{result.get('rows') or 0:,}"),
        ("model version", str(reference.get("version") or "–")),
        ("rows of the reference", f"{reference.get('rows') or 0:,}"),
        ("drifted", ", ".join(map(str, result.get("drifted") or ())) or "nothing"),
        ("accuracy, estimated without labels", _share(_part(result.get("estimated")))),
        ("accuracy, by the labels", _share(_part(result.get("realised")))),
    ]
    findings = [one for one in result.get("findings") or () if isinstance(one, Mapping)]
    headers = ("column", "compared", "effect", "limit", "p, adjusted", "cases", "")
    return _parts([_table(("", ""), rows), _table(headers, map(_finding, findings))])


def _finding(one: Body) -> tuple[str, ...]:
    return (
        str(one.get("column", "–")), str(one.get("kind", "–")), _figure(one.get("effect")),
        _figure(one.get("limit")), _figure(one.get("p_adjusted")), f"{one.get('n') or 0:,}",
        "drifted" if one.get("drifted") else "",
    )  # fmt: skip


def _share(part: Body) -> str:
    if part.get("accuracy") is None:
        return "–"
    doubts = "" if part.get("valid", True) else ", not to be relied on"
    return f"{percent(part['accuracy'], digits=1)} ({between(part.get('interval'))}){doubts}"


# --- retention -------------------------------------------------------------------------------


def _retention(result: Body) -> SafeString:
    rows = [(said, f"{result.get(key) or 0:,}") for said, key in _PRUNED]
    return _table(("", ""), [*rows, ("stripped up to", _moment(result.get("stripped_until")))])


def _moment(text: Any) -> str:
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (TypeError, ValueError):
        return "–"


_SHOWN: Mapping[MonitoringRun.Job, Callable[[Body], SafeString]] = {
    MonitoringRun.Job.ACCURACY: _accuracy,
    MonitoringRun.Job.DRIFT: _drift,
    MonitoringRun.Job.RETENTION: _retention,
}


# --- tables ----------------------------------------------------------------------------------


def _part(value: Any) -> Body:
    """Return a part of a result, empty where an older run did not write it."""
    return value if isinstance(value, Mapping) else {}


def _figure(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "–"


def _plain(part: Body) -> Iterable[tuple[str, str]]:
    """Return what can be said in one cell; what is nested further is in the model card."""
    for name, value in part.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}: {inner}", said) for inner, said in _plain(value))
        elif isinstance(value, float):
            yield name, f"{value:.3g}"
        elif isinstance(value, list):
            yield name, " ".join(map(str, value)) or "none"
        else:
            yield name, "–" if value is None else str(value)


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> SafeString:
    head = format_html_join("", "<th scope='col'>{}</th>", ((header,) for header in headers))
    body = format_html_join(
        "", "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
    )  # fmt: skip
    shown = format_html("<thead><tr>{}</tr></thead>", head) if any(headers) else ""
    return format_html(
        "<div class='run-table'><table>{}<tbody>{}</tbody></table></div>", shown, body
    )


def _parts(parts: Iterable[SafeString]) -> SafeString:
    return format_html_join("", "<div class='run-part'>{}</div>", ((p,) for p in parts))
