"""The model card: what a clinician must know first, then what an engineer will ask."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version as library_version
from typing import Any

from ml import schema
from ml.artefacts import LIBRARIES, TrainedModel
from ml.card import tables
from ml.card.sources import source_of
from triage_rules.level import Level


def card(model: TrainedModel) -> str:
    """Return the card of ``model`` as Markdown; what was not measured is left out."""
    sections = (
        _head(model),
        _purpose(model),
        _figures(model.metrics),
        _levels(model.metrics),
        _groups(model.metrics),
        _probabilities(model),
        _decision(model),
        _data(model),
        _inputs(model),
        _limits(model),
        _explanation(),
        _choice(model.metrics),
        _reproduction(model),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(model: TrainedModel) -> str:
    source = source_of(model.dataset)
    title = f"# Triage model, trained on {source.title}"
    if not model.synthetic:
        return title
    return (
        f"{title}\n\n"
        "> **SYNTHETIC.** This model learnt from simulated patients. It shows that the software "
        "works; its figures are no evidence of how it does on real people."
    )


def _purpose(model: TrainedModel) -> str:
    youngest, oldest = model.extractor.age_range_
    return f"""## What it is for

It gives an opinion on how soon a patient should be seen: {_listed(tables.LEVELS, "or")}.
A clinical rule engine always stands beside it: red flags and limits of vital signs can raise its
answer, and nothing it says can lower theirs. The two together are called *hybrid* below, and that
is what the service answers.

It supports a trained person who decides. It is not for use

- without a clinician who reviews every answer;
- as a medical device: it is not certified or cleared as one, anywhere;
- at a site that has not checked it on its own patients: models of this kind travel badly;
- for patients under {_years(youngest)} or over {_years(oldest)}: it has met none, abstains, and
  the rules answer;
- for anything but triage: not for diagnosis, treatment, discharge, staffing or insurance."""


def _figures(metrics: Mapping[str, Any]) -> str:
    if "model" not in metrics:
        return ""
    parts = [
        "## How good it is",
        f"Measured on {_patients(metrics)}, each judged by models that had not learnt from that "
        "patient. *Under-triage* is an answer less urgent than the right one, the "
        "dangerous error. 95 % intervals are in brackets; docs/evaluation.md defines each figure.",
        tables.deciders(metrics),
        "Each column counts the patients that it answered: the model abstains on what it was not "
        "trained for, and then the rules answer."
        + _names(metrics, nurse="*nurse* is the triage nurse's own level.")
        + _names(metrics, baseline="*baseline* gives everybody the commonest level."),
        "What was chosen on the same patients (kind of model, calibration, threshold, plausible "
        "levels) flatters these figures a little; `manage.py cross_validate` measures without it.",
    ]
    return "\n\n".join(parts)


def _levels(metrics: Mapping[str, Any]) -> str:
    if "per_level" not in metrics:
        return ""
    words = {
        "recall": "Of the patients who truly had a level, this share was given it:",
        "precision": "Of the patients who were given a level, this share truly had it:",
    }
    parts = ["## By level", "![True levels by row, answers by column](confusion.svg)"]
    for figure, sentence in words.items():
        parts += [sentence, tables.per_level(metrics, figure=figure)]
    if "hybrid" in metrics:
        parts += [
            "The served answers (hybrid), as numbers of patients:",
            tables.confusion(metrics["hybrid"]),
        ]
    return "\n\n".join(parts)


def _groups(metrics: Mapping[str, Any]) -> str:
    if "hybrid" not in metrics:
        return ""
    shown = [tables.subgroups(metrics, decider=name) for name in ("hybrid", "model")]
    if not any(shown):
        return ""
    return "\n\n".join(
        [
            "## By group of patients",
            "![Share answered too low, by group, with intervals](under_triage.svg)",
            *shown,
            "Groups of fewer than 30 patients are left out. Where intervals overlap, the figures "
            "do not show that groups differ; nor do they show that groups are alike.",
        ]
    )


def _probabilities(model: TrainedModel) -> str:
    metrics = model.metrics
    if "reliability" not in metrics:
        return ""
    stated = metrics["reliability"]
    return "\n\n".join(
        [
            "## Can its probabilities be believed?",
            "![How often stated probabilities came true](reliability.svg)",
            "One number, the temperature, scales its scores so that they agree with what was seen "
            "on patients it had not learnt from. When 70 % is stated, seven of ten should have it:",
            tables.reliability(stated["top"], event="likeliest level"),
            tables.reliability(stated["emergency"], event="emergency"),
            f"It may answer alone where its highest probability reaches {model.threshold:.2f}:",
            tables.confidence(metrics),
            "Beside its answer it names every level it cannot exclude. A low figure for "
            "emergencies here means that they are excluded too readily:",
            tables.conformal(metrics),
        ]
    )


def _decision(model: TrainedModel) -> str:
    rows = [
        [f"truly {level.label}", *(f"{cost:g}" for cost in model.cost_matrix[level][::-1])]
        for level in reversed(Level)
    ]
    costs = tables.table(["Cost", *(f"answer {name}" for name in tables.MOST_URGENT_FIRST)], rows)
    parts = [
        "## How it decides",
        "From four calibrated probabilities it answers the level whose expected cost is least, "
        "not the likeliest level, because an emergency sent home is worse than a scratch seen at "
        "once. These costs are a judgement, made before training, and not a measurement:",
        costs,
        f"It may answer alone when its highest probability is at least {model.threshold:.2f} "
        "(`CONFIDENCE_THRESHOLD` overrides it): of the limits tried, the lowest at which the "
        "served answers cost hardly more than at the best of them. Below it the service answers "
        "the more urgent of model and rules and asks for a person.",
    ]
    rule = tables.decision_rule(model.metrics)
    parts += ["What the rule changes, against answering the likeliest level:", rule] if rule else []
    return "\n\n".join(parts)


def _data(model: TrainedModel) -> str:
    source = source_of(model.dataset)
    return f"""## What it learnt from

- Data set: {source.title} (`{model.dataset}`), {model.training_rows:,} rows learnt from.
- Patients and label: {source.patients}
- Licence: {source.licence}
- Citation: {source.citation}"""


def _inputs(model: TrainedModel) -> str:
    inputs = [f"- {each.label}: {_taken_as(each)}" for each in schema.FIELDS if each.modelled]
    never = [each.label for each in schema.FIELDS if not each.modelled]
    features = [str(name) for name in model.extractor.schema()["features"]]
    parts = [
        "## What it looks at",
        f"Of a request it may use what is listed here, and never {_listed(never, 'or')}.",
        "\n".join(inputs),
        f"From these it computes {len(features):,} features. {_written(features)}",
        "Leaving out a normal vital sign can never lower an answer: what was not measured counts "
        "as normal, or as a reason for more urgency.",
    ]
    return "\n\n".join(parts)


def _taken_as(field: schema.InputField) -> str:
    """Return the unit of a number, the words of a choice, or what else the field holds."""
    if field.categories:
        return ", ".join(str(word) for word in field.categories)
    if field.kind is schema.Kind.FLAG:
        return "yes or no"
    return field.unit.strip("()") or "words"


def _written(features: Iterable[str]) -> str:
    """Return the features by name, and of those that are words how many there are."""
    counts = Counter(name.split(": ")[0] if ": " in name else "" for name in features)
    plain = [f"`{name}`" for name in features if ": " not in name]
    words = [f"{n:,} of the kind `{kind}: …`" for kind, n in counts.items() if kind]
    counted = f"{_listed(words, 'and')}. " if words else ""
    return f"{counted}The others are {_listed(plain, 'and')}."


def _limits(model: TrainedModel) -> str:
    limits = [
        *source_of(model.dataset).limits,
        "It reads English words it has met before. On a complaint it does not understand it "
        "abstains, or goes by the rest; a known word in a new sense misleads it.",
        "It knows one moment. It does not see the patient, a trend, or what came before.",
        "Its figures hold for patients like these. Check it on your own before relying on it, and "
        "watch drift and accuracy afterwards.",
    ]
    return "\n".join(["## Known limits", "", *(f"- {limit}" for limit in limits)])


def _explanation() -> str:
    return """## How it explains an answer

With `?explain=true` an answer names the features that moved it most, all others together, and
where everybody starts. Each effect is an additive contribution to the model's own score for the
level answered, and together they are that score. They say what the model did, not what is
medically the cause, and features that belong together share their effect."""


def _choice(metrics: Mapping[str, Any]) -> str:
    tried = metrics.get("estimators", [])
    if not tried:
        return ""
    names = [name for name in tables.FIGURES if name in tried[0]]
    rows = [[one["name"], *(tables.cell(one, name) for name in names)] for one in tried]
    words = "On the same patients, the least mean cost wins, here: "
    return "\n\n".join(
        [
            "## What else was tried",
            f"{words}{metrics['chosen']}." if "chosen" in metrics else "On the same patients:",
            tables.table(["Model", *(tables.FIGURES[name][0] for name in names)], rows),
        ]
    )


def _reproduction(model: TrainedModel) -> str:
    libraries = {"python": platform.python_version()}
    libraries |= {name: library_version(name) for name in LIBRARIES}
    features = model.extractor.schema()
    return f"""## How to make it again

`manage.py train_model --dataset {model.dataset} --seed {model.seed}` on the same rows and
libraries gives the same probabilities.

- Seed: {model.seed}
- SHA-256 of the training rows and labels: `{model.training_digest}`
- Feature schema: `{features["name"]}`, version {features["version"]}
- Libraries: {", ".join(f"{name} {found}" for name, found in libraries.items())}

The version's id is the name of the directory this card lies in; `manifest.json` there lists the
SHA-256 of every file, and `manifest.sig` signs that list."""


def _patients(metrics: Mapping[str, Any]) -> str:
    return f"{metrics.get('n', metrics['model']['n']):,} patients"


def _names(metrics: Mapping[str, Any], **sentences: str) -> str:
    return "".join(f" {sentence}" for name, sentence in sentences.items() if name in metrics)


def _listed(words: Iterable[str], conjunction: str) -> str:
    *others, last = words
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def _years(age: float) -> str:
    return f"{age:.0f} years" if age >= 1 else f"{age * 365.25:.0f} days"
