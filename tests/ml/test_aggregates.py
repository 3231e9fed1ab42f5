"""The simulator's tables: nothing in them, or between them, tells of fewer than ten visits."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import sha256
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from ml.aggregates import CHOICES, FILE, LEAST_VISITS, SOURCES, UNKNOWN, VARIABLES, as_json
from ml.aggregates import committed as committed_tables
from ml.datasets import default_path, load_dataset
from ml.labelled import LabelledCase
from ml.simulator.counting import aggregate, merged, without_rare
from ml.simulator.phrases import LONGEST_PHRASE, shared_phrases
from triage_rules.level import Level
from triage_rules.text.normalise import normalise

LARGEST_FILE_BYTES = 300_000
SMALL = range(1, LEAST_VISITS)


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest) -> dict[str, Any]:
    tables: dict[str, Any] = committed_tables()["sources"][request.param]
    return tables


def patient(
    level: Level = Level.SOON, *, complaint: str = "cough", injury: bool = False, **vitals: Any
) -> LabelledCase:
    return LabelledCase(
        request={
            "patient_age": 30,
            "sex": "female",
            "arrival_mode": "walk_in",
            "injury": injury,
            "symptoms_data": {"chief_complaint": complaint},
            "vitals": vitals,
        },
        level=level,
        row_id=complaint,
        scale="ktas",
    )


def tables_of(*cases: LabelledCase) -> dict[str, Any]:
    return aggregate(cases, source=SOURCES["ktas"], sha256="")


# --- the committed file ----------------------------------------------------------------------


def counts_in(source: dict[str, Any]) -> Iterator[int]:
    yield source["visits"]
    for group in source["groups"]:
        yield group["visits"]
        yield from (n["missing"] for n in group["numbers"].values() if "missing" in n)
        yield from group["phrases_named"].values()
        for choice in group["choices"].values():
            yield from choice.values()
    for phrase in source["phrases"].values():
        yield from (count for count, _ in phrase["visits"])


def test_it_works() -> None:
    text = FILE.read_text(encoding="utf-8")

    assert len(text.encode()) < LARGEST_FILE_BYTES
    assert as_json(json.loads(text)["sources"]) == text
    assert set(committed_tables()["sources"]) == set(SOURCES)


def test_every_count_is_of_ten_visits_or_more(source: dict[str, Any]) -> None:
    assert min(counts_in(source)) >= LEAST_VISITS


def test_groups_share_no_visit_and_leave_none_over(source: dict[str, Any]) -> None:
    assert sum(group["visits"] for group in source["groups"]) == source["visits"]
    for level in Level:
        ages = [group["age"] for group in source["groups"] if group["level"] == level.label]
        assert all(end == start for (_, end), (start, _) in pairwise(ages))


def test_what_a_table_leaves_out_is_no_small_count(source: dict[str, Any]) -> None:
    for group in source["groups"]:
        for table in (*group["choices"].values(), group["phrases_named"]):
            assert group["visits"] - sum(table.values()) not in SMALL


def test_those_measured_are_no_small_count(source: dict[str, Any]) -> None:
    for group in source["groups"]:
        for number in group["numbers"].values():
            assert group["visits"] - number.get("missing", 0) >= LEAST_VISITS


def test_ten_visits_lie_between_quantiles_and_beyond_them(source: dict[str, Any]) -> None:
    for group in source["groups"]:
        for number in group["numbers"].values():
            shares = [0.0, *(share for share, _ in number["quantiles"]), 1.0]
            least = min(b - a for a, b in pairwise(shares))
            measured = group["visits"] - number.get("missing", 0)
            assert not number["quantiles"] or least * measured >= LEAST_VISITS - 1e-6


def test_a_phrase_is_counted_once_in_a_group(source: dict[str, Any]) -> None:
    for phrase in source["phrases"].values():
        groups = [group for _, block in phrase["visits"] for group in block]
        assert len(groups) == len(set(groups))


def test_phrases_left_out_of_a_level_are_no_small_count(source: dict[str, Any]) -> None:
    for level in Level:
        places = {n for n, g in enumerate(source["groups"]) if g["level"] == level.label}
        named = [source["groups"][place]["phrases_named"] for place in places]
        mentions = sum(int(length) * count for table in named for length, count in table.items())
        blocks = (block for phrase in source["phrases"].values() for block in phrase["visits"])
        listed = sum(count for count, groups in blocks if places.issuperset(groups))
        is_told = sum(sum(table.values()) for table in named) == sum(
            source["groups"][place]["visits"] for place in places
        )
        assert not is_told or mentions - listed not in SMALL


def test_it_says_whose_the_figures_are(source: dict[str, Any]) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", source["sha256"])
    assert source["citation"]
    assert source["licence"]


def test_the_restriction_of_use_stands_with_the_figures() -> None:
    licence = committed_tables()["sources"]["nhamcs"]["licence"]

    assert "308(d)" in licence
    assert "statistical reporting and analysis only" in licence


def test_no_row_is_named() -> None:
    text = FILE.read_text(encoding="utf-8")

    assert not re.search(r"ktas-[0-9a-f]{10}|20\d\d-\d{5}|20\d\d-\d\d-\d\d", text)


# --- how they are made -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "runs"),
    [
        pytest.param([12, 10], [(0, 1), (1, 2)], id="enough in each"),
        pytest.param([12, 9], [(0, 2)], id="too few at the end join those before"),
        pytest.param([9, 1, 10], [(0, 2), (2, 3)], id="too few at the start join those behind"),
        pytest.param([4, 3], [(0, 2)], id="too few in all stay together"),
    ],
)
def test_neighbours_are_joined_until_they_are_ten(
    counts: list[int], runs: list[tuple[int, int]]
) -> None:
    assert merged(counts) == runs


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        pytest.param({"A": 10, "V": 10}, {"A": 10, "V": 10}, id="enough of each"),
        pytest.param({"A": 50, "V": 20, "P": 9}, {"A": 50}, id="the next rarest hides nine"),
        pytest.param({"A": 50, "V": 6, "P": 4}, {"A": 50}, id="two that are ten together"),
        pytest.param({"A": 50, "V": 9}, {}, id="nothing is left to tell"),
        pytest.param({"A": 50, "V": 0}, {"A": 50}, id="what was never met hides nothing"),
    ],
)
def test_a_rare_word_is_left_out_with_another(counts: dict[str, int], told: dict[str, int]) -> None:
    assert without_rare(counts) == told


def test_a_phrase_of_nine_visits_is_not_told() -> None:
    cases = [patient(complaint="cough")] * 31 + [patient(complaint="snake bite")] * 9

    assert set(tables_of(*cases)["phrases"]) == {"cough"}


def test_a_phrase_does_not_overlap_a_longer_one() -> None:
    complaints = ["chest pain"] * 20 + ["pain, chest"] * 5 + ["pain"] * 10 + ["chest"] * 9

    phrases = shared_phrases(complaints, is_coded=False)

    assert Counter(phrase for row in phrases for phrase in row) == {"chest pain": 25, "pain": 10}


def test_a_reason_that_was_coded_is_a_phrase_as_it_stands() -> None:
    complaints = ["Nausea; Pain, NOS"] * 10 + ["Nausea; Gout"] * 9

    phrases = shared_phrases(complaints, is_coded=True)

    assert phrases == [["Nausea", "Pain, NOS"]] * 10 + [["Nausea"]] * 9


def test_a_level_of_nine_visits_is_left_out_whole() -> None:
    rash = [patient(complaint="rash")] * 9
    cases = [patient()] * 40 + rash + [patient(Level.EMERGENCY, complaint="rash")] * 9

    tables = tables_of(*cases)

    assert [group["level"] for group in tables["groups"]] == ["soon"]
    assert tables["visits"] == 49
    assert set(tables["phrases"]) == {"cough"}


def test_a_measurement_of_nine_visits_is_not_told() -> None:
    cases = [patient(heart_rate=80)] * 9 + [patient(spo2=97)] * 31

    numbers = tables_of(*cases)["groups"][0]["numbers"]

    assert "heart_rate" not in numbers
    assert numbers["spo2"]["mean"] == 97
    assert "missing" not in numbers["spo2"]


def test_a_correlation_with_what_nine_visits_have_is_not_told() -> None:
    drowsy = [patient(consciousness="V", heart_rate=140 + n) for n in range(9)]
    alert = [patient(consciousness="A", heart_rate=60 + n) for n in range(60)]

    group = tables_of(*alert, *drowsy)["groups"][0]

    assert group["choices"]["consciousness"] == {}
    assert not any(group["correlations"])


def test_a_mean_leaves_out_the_nine_visits_that_differ() -> None:
    hurt = [patient(complaint="fall", injury=True)] * 30
    well = [patient()] * 61

    told = shift_of_injury(*hurt, *[patient(complaint="fall")] * 9, *well)
    all_hurt = shift_of_injury(*hurt, *[patient()] * 9, *well)

    assert told == all_hurt


def shift_of_injury(*cases: LabelledCase) -> float:
    return float(tables_of(*cases)["phrases"]["fall"]["shifts"]["injury"])


def test_nine_visits_are_too_few_to_tell_of() -> None:
    with pytest.raises(ValueError, match="no level has the 10 visits"):
        tables_of(*[patient()] * 9)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there is no file"):
        call_command("compute_aggregates", ktas=tmp_path / "ktas.csv")


# --- against the rows ------------------------------------------------------------------------


def path_of(name: str) -> Path:
    path = default_path(name, folder=settings.TRIAGE_DATA_DIR)
    if not path.is_file():
        pytest.skip(f"{name} is not in TRIAGE_DATA_DIR")
    return path


def rows_of(name: str) -> list[LabelledCase]:
    path = path_of(name)
    return list(load_dataset(name, path=path, folder=path.parent, rows=None, seed=0))


@pytest.mark.data
def test_the_command_makes_the_committed_file_byte_for_byte(tmp_path: Path) -> None:
    made, files = tmp_path / "made.json", {name: path_of(name) for name in SOURCES}

    call_command("compute_aggregates", **files, output=made, stdout=StringIO())

    assert made.read_bytes() == FILE.read_bytes()


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_digest_is_that_of_the_file(name: str) -> None:
    digest = sha256(path_of(name).read_bytes()).hexdigest()

    assert committed_tables()["sources"][name]["sha256"] == digest


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_ten_visits_or_more_hold_every_word_of_every_phrase(name: str) -> None:
    # Counted anew, and without the code that cut the complaints.
    visits_with = defaultdict(set)
    for row, case in enumerate(rows_of(name)):
        for word in words_of(spelled(case, name=name)):
            visits_with[word].add(row)

    for phrase, table in committed_tables()["sources"][name]["phrases"].items():
        words = words_of(phrase.lower())
        visits = len(set.intersection(*(visits_with[word] for word in words)))
        assert name == "nhamcs" or len(words) <= LONGEST_PHRASE
        assert visits >= max(LEAST_VISITS, sum(count for count, _ in table["visits"])), phrase


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


def spelled(case: LabelledCase, *, name: str) -> str:
    complaint = str(case.request["symptoms_data"]["chief_complaint"])
    if name == "nhamcs":
        return complaint.lower()
    return normalise(complaint, version=1)


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_groups_and_categories_count_what_the_rows_hold(name: str) -> None:
    rows = rows_of(name)

    for group in committed_tables()["sources"][name]["groups"]:
        low, high = group["age"]
        level = Level.from_label(group["level"])
        members = [r for r in rows if r.level is level and low <= r.request["patient_age"] < high]
        assert len(members) == group["visits"]
        sexes = Counter(row.request["sex"] for row in members)
        assert all(sexes[sex] == count for sex, count in group["choices"]["sex"].items())


def test_the_variables_are_those_of_the_file() -> None:
    assert committed_tables()["variables"] == list(VARIABLES)
    for tables in committed_tables()["sources"].values():
        for group in tables["groups"]:
            assert len(group["correlations"]) == len(VARIABLES) * (len(VARIABLES) - 1) // 2
            assert all(
                set(group["choices"][name]) <= {*words, UNKNOWN} for name, words in CHOICES.items()
            )
