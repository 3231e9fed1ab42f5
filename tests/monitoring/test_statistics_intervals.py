"""What every interval keeps, whatever the counts: its range, its estimate and its mirror image."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.gate import Paired
from monitoring import statistics as s

Interval = tuple[float, float]
SHARES = [
    s.wilson_interval,
    s.clopper_pearson_interval,
    s.jeffreys_interval,
    s.bernoulli_confidence_sequence,
]
DIFFERENCES = [s.newcombe_difference_interval, s.miettinen_nurminen_interval, s.mee_interval]
PAIRED = [s.newcombe_paired_interval, s.tango_interval]
NEARLY = 1e-9


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 400))
    return draw(st.integers(0, n)), n


cells = st.tuples(*[st.integers(0, 60)] * 4).filter(any)
levels = st.floats(0.001, 0.5)


@pytest.mark.parametrize("interval", SHARES)
@given(count=counts(), alpha=levels)
def test_the_interval_of_a_share_holds_it_and_is_mirrored(
    interval: Callable[..., Interval], count: tuple[int, int], alpha: float
) -> None:
    x, n = count

    low, high = interval(x, n, alpha=alpha)

    assert 0 <= low <= x / n <= high <= 1
    assert interval(n - x, n, alpha=alpha) == pytest.approx((1 - high, 1 - low), abs=NEARLY)


@pytest.mark.parametrize("interval", DIFFERENCES)
@given(one=counts(), other=counts(), alpha=levels)
def test_the_interval_of_a_difference_holds_it_and_is_mirrored(
    interval: Callable[..., Interval],
    one: tuple[int, int],
    other: tuple[int, int],
    alpha: float,
) -> None:
    difference = one[0] / one[1] - other[0] / other[1]

    low, high = interval(*one, *other, alpha=alpha)

    assert -1 <= low <= difference + NEARLY
    assert difference - NEARLY <= high <= 1
    assert interval(*other, *one, alpha=alpha) == pytest.approx((-high, -low), abs=1e-7)


@given(one=counts(), other=counts())
def test_the_interval_of_a_ratio_holds_it(one: tuple[int, int], other: tuple[int, int]) -> None:
    low, high = s.koopman_interval(*one, *other)

    assert 0 <= low <= high
    if one[0] and other[0]:
        ratio = one[0] / one[1] / (other[0] / other[1])
        assert low <= ratio * (1 + NEARLY)
        assert ratio <= high * (1 + NEARLY)


@pytest.mark.parametrize("interval", PAIRED)
@given(table=cells, alpha=levels)
def test_the_paired_interval_holds_the_difference_and_is_mirrored(
    interval: Callable[..., tuple[float, float, float]],
    table: tuple[int, int, int, int],
    alpha: float,
) -> None:
    a, b, c, d = table

    estimate, low, high = interval([[a, b], [c, d]], alpha=alpha)

    assert -1 <= low <= estimate + NEARLY
    assert estimate - NEARLY <= high <= 1
    mirrored = interval([[a, c], [b, d]], alpha=alpha)
    assert mirrored == pytest.approx((-estimate, -high, -low), abs=1e-7)


@given(table=cells)
def test_the_gate_and_the_statistics_give_one_paired_interval(
    table: tuple[int, int, int, int],
) -> None:
    a, b, c, d = table
    pairs = Paired(both=a, only_candidate=b, only_serving=c, neither=d)

    interval = s.newcombe_paired_interval([[a, b], [c, d]])[1:]

    assert interval == pytest.approx(pairs.interval, abs=1e-7)


@pytest.mark.parametrize("interval", SHARES)
def test_less_error_makes_a_longer_interval(interval: Callable[..., Interval]) -> None:
    narrow, wide = interval(30, 80, alpha=0.2), interval(30, 80, alpha=0.01)

    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@given(table=cells)
def test_no_form_of_mcnemar_leaves_zero_to_one_and_order_does_not_matter(
    table: tuple[int, int, int, int],
) -> None:
    a, b, c, d = table

    test, turned = s.mcnemar([[a, b], [c, d]]), s.mcnemar([[a, c], [b, d]])

    for name in ("p_asymptotic", "p_cc", "p_exact", "p_midp"):
        assert 0 <= getattr(test, name) <= 1
        assert getattr(test, name) == pytest.approx(getattr(turned, name))
    assert test.p_midp <= test.p_exact
