"""What a model version says of itself to people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ml import schema
from ml.artefacts import DOCUMENTS, LIBRARIES, TrainedModel
from ml.card import documents, figures, tables
from ml.card.sources import SOURCES
from ml.comparison import compare, judge, unsaved
from ml.datasets import DATASETS
from ml.simulator import simulate
from ml.training import train
from triage_rules.level import Level

SVG = "{http://www.w3.org/2000/svg}"
DRAWINGS = [name for name in DOCUMENTS if name.endswith(".svg")]


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """A small model with every figure, those of a nurse included."""
    fresh = train(simulate(300, seed=5), seed=5, dataset="synthetic", synthetic=True)
    cases = [replace(case, nurse_level=Level.URGENT) for case in simulate(200, seed=6)]
    judged = list(judge(cases, model=unsaved(fresh)))
    measured = compare(judged, cost_matrix=fresh.cost_matrix, resamples=20)
    return replace(fresh, metrics={**fresh.metrics, **measured})


@pytest.fixture(scope="module")
def comparison(model: TrainedModel) -> dict[str, Any]:
    """Its figures."""
    return dict(model.metrics)


@pytest.fixture(scope="module")
def card(model: TrainedModel) -> str:
    """Its card."""
    return documents(model)["card.md"].decode()


def words(drawing: bytes) -> list[str]:
    return [each.text or "" for each in ET.fromstring(drawing).iter(f"{SVG}text")]  # noqa: S314


def described(drawing: bytes) -> str:
    return ET.fromstring(drawing).findtext(f"{SVG}desc") or ""  # noqa: S314


def tables_of(text: str) -> Iterator[list[str]]:
    for block in text.split("\n\n"):
        if block.startswith("|"):
            yield block.splitlines()


def test_there_is_one_of_each_document(model: TrainedModel) -> None:
    assert tuple(documents(model)) == DOCUMENTS


def test_the_same_model_gives_the_same_bytes(model: TrainedModel) -> None:
    assert documents(model) == documents(model)


def test_the_card_shows_each_figure_beside_it(card: str) -> None:
    assert sorted(re.findall(r"!\[[^\]]+\]\((.+?)\)", card)) == sorted(DRAWINGS)


def test_every_table_has_as_many_cells_in_each_line(card: str) -> None:
    found = list(tables_of(card))

    assert len(found) >= 10
    for lines in found:
        assert len({line.count("|") for line in lines}) == 1
        assert len({len(line) for line in lines}) == 1


def test_a_simulated_model_says_so_before_anything_else(model: TrainedModel) -> None:
    simulated, real = (
        documents(replace(model, dataset=name, synthetic=name == "synthetic"))["card.md"].decode()
        for name in ("synthetic", "ktas")
    )

    assert simulated.split("\n\n")[1].startswith("> **SYNTHETIC.**")
    assert "SYNTHETIC" not in real


@pytest.mark.parametrize(
    "promise",
    [
        "not certified or cleared",
        "without a clinician who reviews every answer",
        "## Known limits",
        "additive contribution to the model's own score",
        "| truly emergency |",
        "- heart rate: /min",
        "- temperature: °C",
        "- sex: female, male, other, unknown",
    ],
)
def test_the_card_tells_a_clinician(card: str, promise: str) -> None:
    assert promise in card


def test_the_card_tells_an_engineer_how_to_make_it_again(card: str, model: TrainedModel) -> None:
    assert f"--dataset synthetic --seed {model.seed}" in card
    assert model.training_digest in card
    assert all(f"{name} " in card for name in LIBRARIES)


def test_the_costs_stand_as_the_version_has_them(model: TrainedModel) -> None:
    costs = ((0.0, 1.0, 2.0, 4.0), (1.0, 0.0, 1.0, 2.0), (3.0, 1.0, 0.0, 1.0), (9.5, 8.0, 3.0, 0.0))

    text = documents(replace(model, cost_matrix=costs, threshold=0.55))["card.md"].decode()

    rows = [line.replace(" ", "") for line in text.splitlines()]
    assert "|trulyemergency|0|3|8|9.5|" in rows
    assert "at least 0.55" in text


def test_what_a_model_never_uses_is_not_listed_as_an_input(card: str) -> None:
    never = [each.label for each in schema.FIELDS if not each.modelled]

    assert "caller's urgency" in never
    assert not any(f"- {label}: " in card for label in never)
    assert f"never {', '.join(never[:-1])} or {never[-1]}" in card


@pytest.mark.parametrize(("dataset", "terms"), [("ktas", "CC BY 4.0"), ("nhamcs", "308(d)")])
def test_the_licence_and_citation_travel_with_the_model(
    model: TrainedModel, dataset: str, terms: str
) -> None:
    text = documents(replace(model, dataset=dataset, synthetic=False))["card.md"].decode()

    assert terms in text
    assert SOURCES[dataset].citation in text


def test_every_data_set_but_the_operators_own_file_is_documented() -> None:
    assert SOURCES.keys() == {*DATASETS} - {"csv"}


def test_what_was_not_measured_is_left_out(model: TrainedModel) -> None:
    found = documents(replace(model, metrics={}))

    assert "## How good it is" not in found["card.md"].decode()
    assert all(described(found[name]) == "Nothing was measured." for name in DRAWINGS)


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_can_be_read_aloud(model: TrainedModel, name: str) -> None:
    root = ET.fromstring(documents(model)[name])  # noqa: S314

    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title")
    assert re.search(r"\d", root.findtext(f"{SVG}desc") or "")


@pytest.mark.parametrize("name", DRAWINGS)
def test_nothing_is_drawn_outside_the_sheet(model: TrainedModel, name: str) -> None:
    root = ET.fromstring(documents(model)[name])  # noqa: S314
    width, height = float(root.get("width") or 0), float(root.get("height") or 0)

    for each in root.iter():
        for names, limit in ((("x", "x1", "x2", "cx"), width), (("y", "y1", "y2", "cy"), height)):
            assert all(0 <= float(each.get(one) or 0) <= limit for one in names)


def test_the_confusion_figure_holds_every_count_in_its_place(comparison: dict[str, Any]) -> None:
    shown = [each for each in words(figures.confusion(comparison)) if each.isdigit()]

    # Truth by row and answer by column, the most urgent first, the served answer before the model.
    expected = [
        str(comparison[decider]["confusion"][truth][answer])
        for decider in ("hybrid", "model")
        for truth in reversed(Level)
        for answer in reversed(Level)
    ]
    assert shown == expected


def test_the_confusion_table_has_the_truth_by_row() -> None:
    confusion = ((9, 0, 0, 0), (0, 8, 0, 0), (0, 0, 7, 0), (0, 5, 0, 6))

    lines = tables.confusion({"confusion": confusion}).replace(" ", "").splitlines()

    assert lines[0] == "|Patients|answeredemergency|answeredurgent|answeredsoon|answeredroutine|"
    assert lines[2] == "|trulyemergency|6|0|5|0|"


def test_the_reliability_figure_holds_every_bin(comparison: dict[str, Any]) -> None:
    drawing = figures.reliability(comparison)

    bins = [one for bins in comparison["reliability"].values() for one in bins]
    assert len(list(ET.fromstring(drawing).iter(f"{SVG}circle"))) == len(bins)  # noqa: S314
    assert {str(one["n"]) for one in bins} <= {*words(drawing)}


def test_the_groups_figure_has_a_mark_for_each_decider(comparison: dict[str, Any]) -> None:
    drawing = figures.under_triage(comparison)

    groups = {"all patients", *comparison["subgroups"]}
    assert groups <= {*words(drawing)}
    discs = list(ET.fromstring(drawing).iter(f"{SVG}circle"))  # noqa: S314
    assert len(discs) == 1 + len(groups)  # one of them in the legend
    low, high = comparison["hybrid"]["intervals"]["under_triage"]
    share = comparison["hybrid"]["under_triage"]
    assert f"{share * 100:.1f} % [{low * 100:.1f}–{high * 100:.1f}]" in words(drawing)


def test_a_long_site_code_does_not_run_into_the_plot(comparison: dict[str, Any]) -> None:
    everybody = {"hybrid": comparison["hybrid"]}
    named = {**comparison, "subgroups": {f"site {'x' * 64}": everybody}}

    shown = words(figures.under_triage(named))

    assert f"site {'x' * 24}…" in shown


@pytest.mark.parametrize(("greatest", "end"), [(0.04, 0.1), (0.28, 0.3), (0.31, 0.4), (1.0, 1.0)])
def test_the_scale_ends_at_the_next_full_step(greatest: float, end: float) -> None:
    scale = figures._Scale.up_to(greatest, left=100, width=400)

    assert scale.at(end) == pytest.approx(500)
    assert scale.at(0) == 100


def test_shares_are_percentages_and_the_unknown_is_a_dash() -> None:
    figures_ = {"n": 3, "under_triage": 1 / 3, "qwk": 0.5, "emergency_recall": None}
    text = tables.deciders({"rules": {**figures_, "intervals": {"under_triage": (0.06, 0.79)}}})

    cells = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in text.splitlines()}
    assert cells["Patients answered"] == "3"
    assert cells["Under-triage, %"] == "33.3 [6.0–79.0]"
    assert cells["Weighted kappa (QWK)"] == "0.500"
    assert "Emergencies found, %" not in cells


def test_recall_by_level_is_a_percentage_too() -> None:
    level = {"n": 2, "recall": 0.5, "intervals": {"recall": (0.095, 0.905)}}
    by_decider = {"rules": dict.fromkeys(tables.LEVELS, level)}

    text = tables.per_level({"per_level": by_decider}, figure="recall")

    assert "50.0 [9.5–90.5]" in text.splitlines()[2]


def test_a_table_is_aligned() -> None:
    assert tables.table(["", "figure"], [["one", "1"], ["fifteen", "15"]]).splitlines() == [
        "|         | figure |",
        "| ------- | -----: |",
        "| one     |      1 |",
        "| fifteen |     15 |",
    ]
