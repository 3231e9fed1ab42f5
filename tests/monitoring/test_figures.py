"""The drawings of the monitoring page: marks where the numbers are, and words where none are."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from monitoring.figures import Figure, figures
from monitoring.figures.days import accuracy, coverage, cusum, latency, under_triage
from monitoring.figures.groups import arms, drift, slices, trust, versions
from monitoring.figures.levels import confusion, mix, reliability
from monitoring.figures.sheet import BLUE, GREY, VERMILION, Scale, from_zero, shares_below_one
from tests.monitoring.simulated_runs import counted, drift_result
from triage_rules.level import Level

SVG = "{http://www.w3.org/2000/svg}"
START = date(2026, 11, 1)
NO_LEVELS = {level.label: 0 for level in Level}


def tally(labelled: int, correct: int, under: int = 0) -> dict[str, Any]:
    """Return a tally as the summary has it."""
    shares = {"under_triage": under, "over_triage": labelled - correct - under}
    return counted(labelled, correct, under) | {
        name: n / labelled if labelled else None for name, n in shares.items()
    }


def day(number: int, *, labelled: int = 100, correct: int = 80, under: int = 5) -> dict[str, Any]:
    """Return one day of the series, by its place in the window."""
    return {
        "day": str(START + timedelta(days=number)), "status": "ok", "provisional": False,
        "predictions": labelled + 50, "coverage": 0.5, "versions": ["v1"], "pooled": None,
        **tally(labelled, correct, under),
    }  # fmt: skip


def summary(*series: dict[str, Any], days: int = 10, **parts: Any) -> dict[str, Any]:
    """Return a summary of ten days with these in it, and with nothing else but what is given."""
    labelled = sum(one["labelled"] for one in series)
    correct = sum(one["correct"] for one in series)
    under = sum(one["under"] for one in series)
    wrong = {"n": labelled, "cases": under, "share": under / labelled if labelled else None,
             "interval": [0.0, 0.1]}  # fmt: skip
    return {
        "window": {"days": days, "start": str(START), "end": str(START + timedelta(days=days - 1))},
        "changes": [],
        "accuracy": {
            "threshold": 0.75, "min_labels": 30, "latest": series[-1] if series else None,
            "window": tally(labelled, correct, under), "series": list(series), "by_version": {},
            "by_arm": {}, "by_level": {}, "by_saw_prediction": {}, "audited": None,
        },
        "under_triage": {"latest": wrong, "window": wrong, "missed_emergencies": 0},
        "over_triage": {"latest": wrong, "window": wrong},
        "cusum": {"latest": None, "series": []},
        "confusion": None,
        "slices": {"worse": [], **{
            column: {"values": [], "left_out": 0} for column in ("sex", "age_band", "site")
        }},
        "levels": dict.fromkeys(("given", "rules", "model", "labels"), NO_LEVELS),
        "latency": {"limit_ms": 250, "latest": None, "series": []},
        "coverage": {"matured": 0, "labelled": 0, "never": 0, "share": None, "pending": 7},
        "experiment": {
            "name": "trial", "phase": 1, "enrolled_share": 1.0, "ml_share": 0.5,
            "kill_switch": False, "arms": {},
        },
        "drift": {"latest": None, "series": []},
    } | parts  # fmt: skip


def full(*series: dict[str, Any], days: int = 10) -> dict[str, Any]:
    """Return a summary in which every part has something to show."""
    body = summary(*series, days=days)
    groups = {"ml": tally(100, 80, 5), "rules": tally(90, 70, 10)}
    body["accuracy"] |= {
        "by_version": {"v1": tally(190, 150, 15) | {"synthetic": True}}, "by_arm": groups,
        "by_level": {level.label: tally(40, 30, 5) for level in Level},
        "by_saw_prediction": {"blind": tally(40, 30), "saw": tally(0, 0)},
        "audited": tally(12, 8),
    }  # fmt: skip
    body["cusum"]["series"] = [
        {"day": one["day"], "value": 1.5, "limit": 7, "expected": 0.05, "labels": 9,
         "crossed": False} for one in series
    ]  # fmt: skip
    body["confusion"] = {t.label: {a.label: 10 * (t == a) for a in Level} for t in Level}
    body["slices"]["sex"]["values"] = [
        {"value": "female", "enough": True, **tally(100, 80)},
        {"value": "male", "enough": False, **tally(3, 1)},
    ]
    body["levels"] = {who: {level.label: 25 for level in Level} for who in body["levels"]}
    body["latency"]["series"] = [
        {"day": one["day"], "p50": 3.0, "p95": 9.0, "p99": 30.0, "slow": 0} for one in series
    ]
    body["drift"]["latest"] = {"day": str(START), "status": "ok", **drift_result(day=START)}
    return body


def drawn(figure: Figure) -> ET.Element:
    """Return the elements of a drawing."""
    return ET.fromstring(figure.drawing)  # noqa: S314


def found(figure: Figure, tag: str, **given: str) -> list[dict[str, str]]:
    """Return the attributes of the elements of a kind that have the given ones."""
    every = [dict(one.attrib) for one in drawn(figure).iter(f"{SVG}{tag}")]
    return [one for one in every if given.items() <= one.items()]


def texts(figure: Figure) -> list[str]:
    """Return everything that is written in a drawing."""
    return [one.text or "" for one in drawn(figure).iter(f"{SVG}text")]


def height_of(figure: Figure, words: str) -> float:
    """Return where the line of the scale with these words beside it lies."""
    written = [one for one in drawn(figure).iter(f"{SVG}text") if one.text == words]
    return float(written[0].attrib["y"]) - 4


def corners(points: str) -> list[tuple[float, ...]]:
    """Return the points of an outline."""
    return [tuple(map(float, point.split(","))) for point in points.split()]


# --- by day ----------------------------------------------------------------------------------


def test_the_threshold_lies_between_the_lines_around_it() -> None:
    figure = accuracy(summary(day(0), day(1)))

    (line,) = found(figure, "line", stroke=VERMILION)
    between = (height_of(figure, "70 %") + height_of(figure, "80 %")) / 2
    assert float(line["y1"]) == float(line["y2"]) == pytest.approx(between, abs=0.1)


def test_the_band_goes_round_the_intervals() -> None:
    series = [day(0), day(1, labelled=400, correct=320), day(2, correct=90)]
    figure = accuracy(summary(*series))

    (band,) = found(figure, "polygon", **{"fill-opacity": "0.20"})
    top, bottom = height_of(figure, "100 %"), height_of(figure, "70 %")
    shares = [1 - 0.3 * (y - top) / (bottom - top) for _, y in corners(band["points"])]
    lows, highs = zip(*(one["interval"] for one in series), strict=True)
    assert shares == pytest.approx([*highs, *reversed(lows)], abs=0.002)


def test_a_day_without_a_check_breaks_the_line() -> None:
    figure = accuracy(summary(day(0), day(1), day(4), day(5)))

    assert [len(corners(line["points"])) for line in found(figure, "polyline")] == [2, 2]


def test_one_day_alone_is_a_mark_with_its_interval() -> None:
    figure = accuracy(summary(day(3)))

    strokes = [line for line in found(figure, "line", stroke=BLUE) if line["x1"] == line["x2"]]
    assert not found(figure, "polyline")
    assert len(strokes) == 1
    assert found(figure, "circle", cx=strokes[0]["x1"])


def test_few_labels_are_an_open_mark_and_a_bad_day_a_diamond() -> None:
    figure = accuracy(summary(day(0), day(1, labelled=29, correct=5), day(2, correct=60)))

    assert len(found(figure, "circle", stroke=GREY)) == 1
    assert len(found(figure, "polygon", stroke=VERMILION)) == 1


def test_the_days_are_equally_wide_and_in_their_place() -> None:
    figure = accuracy(summary(day(0), day(1), day(9)))

    first, second, last = [float(mark["cx"]) for mark in found(figure, "circle", r="2.5")]
    assert last - first == pytest.approx(9 * (second - first), abs=0.5)


def test_another_version_is_marked_on_its_day_and_named_below() -> None:
    second = str(START + timedelta(days=1))
    changes = [
        {"day": second, "kind": "version", "name": "v2"},
        {"day": second, "kind": "phase", "name": "trial phase 2"},
    ]
    figure = accuracy(summary(day(0), day(1), changes=changes))

    mark = found(figure, "circle", r="2.5")[1]
    assert [line["x1"] for line in found(figure, "line") if "2 3" in line.values()] == [mark["cx"]]
    assert figure.notes == ("A: version v2 and trial phase 2 from 2 Nov",)


def test_a_day_of_few_labels_does_not_flatten_the_others() -> None:
    figure = under_triage(summary(day(0), day(1), day(2, labelled=2, correct=1, under=1)))

    assert "50 %" in texts(figure)
    assert "100 %" not in texts(figure)


def test_times_lie_on_a_logarithmic_scale_with_their_limit() -> None:
    series = [{"day": str(START), "p50": 10.0, "p95": 100.0, "p99": 1000.0, "slow": 2}]
    body = summary(latency={"limit_ms": 100, "latest": None, "series": series})

    figure = latency(body)

    (line,) = found(figure, "line", stroke=VERMILION)
    assert float(line["y1"]) == pytest.approx(height_of(figure, "100"), abs=0.1)
    places = [float(mark["cy"]) for mark in found(figure, "circle")]
    assert places == pytest.approx(
        [height_of(figure, words) for words in ("10", "100", "1000")], abs=0.1
    )
    assert places[0] - places[1] == pytest.approx(places[1] - places[2], abs=0.1)


def test_an_alarm_of_the_running_sum_is_marked_at_its_limit() -> None:
    series = [
        {"day": str(START + timedelta(days=n)), "value": value, "limit": 7, "expected": 0.05,
         "labels": 9, "crossed": crossed}
        for n, (value, crossed) in enumerate([(6.0, False), (0.4, True)])
    ]  # fmt: skip
    figure = cusum(summary(cusum={"latest": series[-1], "series": series}))

    (line,) = found(figure, "line", stroke=VERMILION)
    (mark,) = found(figure, "polygon", stroke=VERMILION)
    assert corners(mark["points"])[0][1] + 6 == pytest.approx(float(line["y1"]))
    assert "on 1 of 2 days" in figure.words


def test_the_bars_of_labels_stand_inside_those_of_answers() -> None:
    figure = coverage(summary(day(0, labelled=50, correct=40), coverage={
        "matured": 100, "labelled": 50, "never": 50, "share": 0.5, "pending": 7,
    }))  # fmt: skip

    _key, labelled = found(figure, "rect", fill=BLUE)
    answers = found(figure, "rect", x=labelled["x"])[0]
    assert float(answers["height"]) == pytest.approx(2 * float(labelled["height"]), abs=0.2)
    assert "7 newer answers still wait" in figure.words


# --- groups and levels -----------------------------------------------------------------------


def test_each_arm_has_its_share_its_interval_and_its_number() -> None:
    body = summary(day(0))
    body["accuracy"]["by_arm"] = {"ml": tally(100, 80, 5), "none": tally(20, 10)}

    figure = arms(body)

    assert "80 % (71–87 %), n 100" in texts(figure)
    assert "in no arm" in texts(figure)
    assert len(found(figure, "circle", fill=BLUE)) == len(found(figure, "circle", stroke=GREY)) == 3


def test_a_group_that_is_surely_below_the_threshold_stands_out() -> None:
    body = summary(day(0))
    body["slices"]["site"]["values"] = [
        {"value": "north", "enough": True, **tally(200, 100)},
        {"value": "south", "enough": True, **tally(200, 170)},
    ]

    figure = slices(body)

    assert len(found(figure, "polygon", stroke=VERMILION)) == 1
    assert texts(figure).index("north") < texts(figure).index("south")


def test_a_version_of_simulated_patients_is_called_that() -> None:
    body = summary(day(0))
    body["accuracy"]["by_version"] = {"v1": tally(90, 80) | {"synthetic": True}}

    assert "Trained on simulated patients only: v1." in versions(body).words


@pytest.mark.parametrize(
    ("estimated", "words"),
    [
        ({"accuracy": 0.8, "interval": [0.7, 0.9], "valid": True, "why_not": []},
         "Estimated without labels: 80 % of the model's answers right (70–90 %)."),
        ({"accuracy": 0.8, "interval": None, "valid": False, "why_not": ["It is uncalibrated."]},
         "No estimate without labels. It is uncalibrated."),
        (None, "the better judges."),
    ],
)  # fmt: skip
def test_the_estimate_is_told_only_where_it_is_valid(estimated: Any, words: str) -> None:
    body = full(day(0))
    body["drift"]["latest"]["estimated"] = estimated

    assert trust(body).words.endswith(words)


def test_what_drifted_reaches_over_the_limit_and_is_named() -> None:
    result = drift_result(day=START, drifted=("temperature_c",))
    latest = {"day": str(START), "status": "drifted", **result}
    body = summary(day(0), drift={"series": [], "latest": latest})

    figure = drift(body)

    (bar,) = found(figure, "rect", fill=VERMILION)
    (limit,) = found(figure, "line", stroke=VERMILION)
    assert float(bar["x"]) + float(bar["width"]) > float(limit["x1"])
    assert all(float(one["x"]) + float(one["width"]) < float(limit["x1"])
               for one in found(figure, "rect", fill=GREY))  # fmt: skip
    assert "Drifted: temperature_c." in figure.words
    assert "0.24 of 0.2, drifted" in texts(figure)


@pytest.mark.parametrize(
    ("latest", "words"),
    [
        (None, "Nothing has been compared yet."),
        ({"day": "2026-11-01", "status": "not_enough_rows", "rows": 12}, "too few answers"),
        ({"day": "2026-11-01", "status": "no_reference", "rows": 900}, "keeps no reference"),
        ({"day": "2026-11-01", "status": "ok", "rows": 9, "findings": [{"column": "x"}, 7]},
         "no column was compared"),
    ],
)  # fmt: skip
def test_without_a_comparison_the_reason_is_given(latest: Any, words: str) -> None:
    figure = drift(summary(drift={"latest": latest, "series": []}))

    assert words in figure.words
    assert not figure.drawing


def test_the_confusion_counts_rows_of_right_levels() -> None:
    counts = {truth.label: {answer.label: 0 for answer in Level} for truth in Level}
    counts["emergency"] |= {"emergency": 30, "soon": 10}

    figure = confusion(summary(confusion=counts))

    assert {"30", "75 %", "10", "25 %", "n 40"} <= set(texts(figure))
    assert "Of 40 labelled answers 30 were right, 10 not urgent enough" in figure.words


def test_the_parts_of_a_level_bar_fill_it() -> None:
    levels = dict.fromkeys(("rules", "model", "labels"), NO_LEVELS) | {
        "given": {"routine": 10, "soon": 20, "urgent": 30, "emergency": 40}
    }
    figure = mix(summary(levels=levels))

    parts = [float(one["width"]) for one in found(figure, "rect", height="24")]
    assert parts == pytest.approx([share * sum(parts) for share in (0.1, 0.2, 0.3, 0.4)], abs=0.1)
    assert "n 100" in texts(figure)


def test_each_tenth_of_certainty_has_its_number() -> None:
    figure = reliability(full(day(0)))

    assert {"22", "96", "158", "214", "280", "330", "210"} <= set(texts(figure))
    assert len(found(figure, "circle")) == 7


# --- all of them -----------------------------------------------------------------------------

NOTHING = summary()
ONE_DAY = full(day(0), days=1)
NONE_RIGHT = full(day(0, correct=0, under=100), day(1, labelled=1, correct=0, under=0))
ALL_RIGHT = full(*(day(n, correct=100, under=0) for n in range(10)))
YEAR = full(*(day(n) for n in range(366)), days=366)


@pytest.mark.parametrize("body", [NOTHING, ONE_DAY, NONE_RIGHT, ALL_RIGHT, YEAR])
def test_every_figure_is_whole_whatever_the_numbers(body: dict[str, Any]) -> None:
    for figure in figures(body):
        for drawing in filter(None, (figure.drawing, figure.wide)):
            ET.fromstring(drawing)  # noqa: S314
            assert not re.search(r"\b(nan|inf|None)\b", drawing), figure.name


def test_without_data_every_figure_says_so_and_none_is_empty() -> None:
    for figure in figures(NOTHING):
        assert figure.words
        assert (figure.drawing, figure.wide, figure.table) == ("", "", None)


def test_every_drawing_is_told_in_words_and_as_a_table() -> None:
    for figure in figures(ONE_DAY):
        description = drawn(figure).findtext(f"{SVG}desc") or ""
        assert len(description) > 20, figure.name
        assert figure.table is not None
        assert all(len(row) == len(figure.table.headers) for row in figure.table.rows)


def test_no_two_drawings_of_a_page_share_an_id() -> None:
    page = "".join(figure.drawing + figure.wide for figure in figures(ONE_DAY))

    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) == 2 * page.count("<svg")


def test_names_are_words_and_never_markup() -> None:
    body = full(day(0))
    body["accuracy"]["by_version"] = {"<script>alert(1)": tally(90, 80)}

    drawing = versions(body).drawing

    assert "<script" not in drawing
    assert "&lt;script" in drawing


def test_no_words_are_smaller_than_a_phone_can_show() -> None:
    for figure in figures(ONE_DAY):
        sizes = [float(one["font-size"]) for one in found(figure, "text")]
        assert min(sizes) >= 12, figure.name
        assert float(drawn(figure).attrib["width"]) <= 340


@pytest.mark.parametrize("least", [0.0, 0.04, 0.31, 0.5, 0.78, 0.999, 1.0])
def test_a_scale_of_shares_holds_its_least_and_ends_at_one(least: float) -> None:
    scale = shares_below_one(least, start=100, end=0)

    assert scale.low <= least
    assert scale.at(1) == 0
    assert 3 <= len(scale.ticks) <= 6 or least > 0.8


@pytest.mark.parametrize("greatest", [0.0, 0.004, 0.05, 0.33, 1, 7, 412, 98_000])
def test_a_scale_from_zero_holds_its_greatest_in_few_steps(greatest: float) -> None:
    scale: Scale = from_zero(greatest, start=0, end=100)

    assert scale.high >= greatest
    assert 4 <= len(scale.ticks) <= 7
