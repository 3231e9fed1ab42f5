"""The figures of a comparison as aligned Markdown tables: a terminal shows them well too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from triage_rules.level import Level

Comparison = Mapping[str, Any]

DECIDERS = ("hybrid", "model", "rules", "nurse", "baseline")
LEVELS = [level.label for level in Level]
MOST_URGENT_FIRST = LEVELS[::-1]
NOTHING = "–"

# What each figure is called, and by what it is multiplied to be read.
FIGURES: Mapping[str, tuple[str, int]] = {
    "accuracy": ("Right level, %", 100),
    "under_triage": ("Under-triage, %", 100),
    "two_level_under_triage": ("Under-triage by two or more, %", 100),
    "over_triage": ("Over-triage, %", 100),
    "emergency_recall": ("Emergencies found, %", 100),
    "non_emergencies_raised": ("Others called emergency, %", 100),
    "qwk": ("Weighted kappa (QWK)", 1),
    "kappa": ("Kappa", 1),
    "macro_f1": ("Macro F1", 1),
    "expected_cost": ("Mean cost of an answer", 1),
    "log_loss": ("Log loss", 1),
    "brier": ("Brier score", 1),
    "ece": ("Calibration error (ECE)", 1),
}


def report(comparison: Comparison) -> str:
    """Return all that was measured, section by section."""
    sections = {
        "Deciders, with 95 % intervals": deciders(comparison),
        "Decision rule of the model": decision_rule(comparison),
        "Recall by level": per_level(comparison, figure="recall"),
        "Precision by level": per_level(comparison, figure="precision"),
        "Served answers (hybrid)": confusion(comparison["hybrid"]),
        "Groups of patients, served answers": subgroups(comparison, decider="hybrid"),
        "Groups of patients, model alone": subgroups(comparison, decider="model"),
        **_of_probabilities(comparison),
        "Round by round": rounds(comparison.get("rounds", [])),
    }
    return "\n\n".join(f"## {title}\n\n{found}" for title, found in sections.items() if found)


def _of_probabilities(comparison: Comparison) -> dict[str, str]:
    if "reliability" not in comparison:
        return {}
    stated = comparison["reliability"]
    return {
        "Reliability of the likeliest level": reliability(stated["top"], event="likeliest level"),
        "Reliability of an emergency": reliability(stated["emergency"], event="emergency"),
        "Confidence": confidence(comparison),
        "Plausible levels (conformal)": conformal(comparison),
    }


def deciders(comparison: Comparison) -> str:
    """Return every figure of every decider, with its 95 % interval."""
    names = [name for name in DECIDERS if name in comparison]
    return _figures({name: comparison[name] for name in names}, FIGURES)


def decision_rule(comparison: Comparison) -> str:
    """Return the model's answers of least expected cost beside its likeliest levels."""
    if "argmax" not in comparison:
        return ""
    columns = {
        "least expected cost (served)": comparison["model"],
        "likeliest level": comparison["argmax"],
    }
    return _figures(columns, [name for name in FIGURES if name not in ("brier", "ece")])


def per_level(comparison: Comparison, *, figure: str) -> str:
    """Return recall or precision of each level, by decider."""
    by_decider = {n: comparison["per_level"][n] for n in DECIDERS if n in comparison["per_level"]}
    rows = [
        [level, *(cell(levels[level], figure) for levels in by_decider.values())]
        for level in MOST_URGENT_FIRST
    ]
    return table([f"{figure.capitalize()}, %", *by_decider], rows)


def confusion(evaluation: Mapping[str, Any]) -> str:
    """Return the counts, truth by row and answer by column, the most urgent first."""
    rows = [
        [f"truly {LEVELS[level]}", *(str(n) for n in evaluation["confusion"][level][::-1])]
        for level in reversed(range(len(LEVELS)))
    ]
    return table(["Patients", *(f"answered {level}" for level in MOST_URGENT_FIRST)], rows)


def subgroups(comparison: Comparison, *, decider: str) -> str:
    """Return the grave figures of one decider in each group of patients."""
    members = {
        name: group[decider] for name, group in comparison["subgroups"].items() if decider in group
    }
    rows = [
        [
            name,
            str(found["n"]),
            cell(found, "under_triage"),
            str(found["emergencies"]),
            cell(found, "emergency_recall"),
            cell(found, "over_triage"),
            cell(found, "accuracy"),
        ]
        for name, found in members.items()
    ]
    header = [
        f"Group ({decider})", "patients", "under-triage, %", "emergencies",
        "emergencies found, %", "over-triage, %", "right level, %",
    ]  # fmt: skip
    return table(header, rows) if rows else ""


def reliability(bins: Iterable[Mapping[str, Any]], *, event: str) -> str:
    """Return what was stated against how often it came true."""
    rows = [
        [
            f"{one['low'] * 100:.0f} to {one['high'] * 100:.0f}",
            str(one["n"]),
            f"{one['mean_probability'] * 100:.1f}",
            f"{one['share'] * 100:.1f}{_reach(one['interval'], 100)}",
        ]
        for one in bins
    ]
    return table([f"P({event}), %", "patients", "stated on average, %", "came true, %"], rows)


def confidence(comparison: Comparison) -> str:
    """Return how often the model may answer alone, how good it is there, and why it abstained."""
    found = comparison["confidence"]
    alone = found["when_confident"] or {}
    rows = [
        ["Answered with confidence", str(found["confident"])],
        ["Share of all patients, %", _number(found["confident_share"], 100)],
        ["Right level among them, %", cell(alone, "accuracy")],
        ["Under-triage among them, %", cell(alone, "under_triage")],
        *([f"Abstained: {why}", str(count)] for why, count in found["abstained"].items()),
    ]
    return table(["Patients", "model"], rows)


def conformal(comparison: Comparison) -> str:
    """Return how often the plausible levels hold the truth, for all and by true level."""
    found = comparison["conformal"]
    rows = [["all", f"{found['coverage'] * 100:.1f}{_reach(found['interval'], 100)}"]]
    rows += [[level, _number(found["per_level"][level], 100)] for level in MOST_URGENT_FIRST]
    rows += [["levels on average", f"{found['mean_size']:.2f}"]]
    return table(["True level", "truth among the plausible levels, %"], rows)


def rounds(measured: Sequence[Comparison]) -> str:
    """Return the figures of each round of a cross-validation; nothing for a single split."""
    if len(measured) < 2:
        return ""
    names = ("accuracy", "under_triage", "over_triage", "emergency_recall", "qwk")
    rows = [
        [f"{decider}: {FIGURES[name][0]}", *(cell(one[decider], name) for one in measured)]
        for decider in DECIDERS
        if decider in measured[0]
        for name in names
    ]
    return table(["Round", *map(str, range(1, len(measured) + 1))], rows)


def cell(figures: Mapping[str, Any], name: str) -> str:
    """Return a figure as it is read, with its interval where it has one."""
    _, scale = FIGURES.get(name, ("", 100))
    interval = figures.get("intervals", {}).get(name)
    return _number(figures.get(name), scale) + _reach(interval, scale)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table of figures; the first column is aligned left, the others right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(line, widths) for line in (lines[0], rule, *lines[1:]))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return f"| {' | '.join([first, *others])} |"


def _figures(columns: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> str:
    rows = [["Patients answered", *(str(figures["n"]) for figures in columns.values())]]
    for name in names:
        label, _ = FIGURES[name]
        cells = [cell(figures, name) for figures in columns.values()]
        if {*cells} != {NOTHING}:
            rows.append([label, *cells])
    return table(["", *columns], rows)


def _number(value: float | None, scale: int) -> str:
    return NOTHING if value is None else f"{value * scale:.{1 if scale == 100 else 3}f}"


def _reach(interval: Sequence[float] | None, scale: int) -> str:
    if interval is None:
        return ""
    low, high = (_number(end, scale) for end in interval)
    return f" [{low}–{high}]"
