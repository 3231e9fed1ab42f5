"""Whether a version may take the place of the one that serves: a paired comparison, and its rules.

Both answered the same labelled rows, so what counts is where they differ. Pure: no database, no
files, no chance. A refusal is one sentence with the figure, the group and both values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.comparison import MIN_SUBGROUP_ROWS, Judged
from ml.evaluation import Interval, evaluate, wilson_interval
from triage_rules.level import Level

Counts: TypeAlias = NDArray[np.int64]

EVERYBODY = "all patients"
DECIDERS = {"hybrid": "the answers patients would get", "model": "the model alone"}
METRICS = {"qwk": "quadratic kappa", "kappa": "kappa", "accuracy": "accuracy", "macro_f1": "F1"}
_SHAPE = (len(Level),) * 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTerms:
    """What a candidate has to show.

    Attributes
    ----------
    metric
        One of ``METRICS``, of the answers patients would get.
    margin
        By how much the candidate must be better on it.
    allowance
        By how much under-triage and emergency recall of all patients together may be worse
        without being refused outright, as a share of 1. It stops a harm that few rows hide.
    min_rows, min_emergencies
        How many rows the comparison needs, and how many emergencies among them.
    """

    metric: str = "qwk"
    margin: float = 0.005
    allowance: float = 0.01
    min_rows: int = 100
    min_emergencies: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One yes-or-no outcome of two deciders on the same rows.

    Examples
    --------
    >>> low, high = Paired(both=20, only_serving=2, only_candidate=12, neither=66).interval
    >>> round(low, 3), round(high, 3)
    (0.026, 0.174)
    """

    both: int
    only_serving: int
    only_candidate: int
    neither: int

    @property
    def n(self) -> int:
        """How many rows there are."""
        return self.both + self.only_serving + self.only_candidate + self.neither

    @property
    def serving(self) -> float:
        """The share of the version that serves."""
        return (self.both + self.only_serving) / self.n

    @property
    def candidate(self) -> float:
        """The share of the candidate."""
        return (self.both + self.only_candidate) / self.n

    @property
    def interval(self) -> Interval:
        """The 95 % interval of candidate less serving: Newcombe's score interval for paired shares.

        It joins the Wilson intervals of both shares by their correlation (Newcombe 1998, method
        10), and stays honest where hardly any row differs.
        """
        return self.interval_of()

    def interval_of(self, *, z: float = 1.959964) -> Interval:
        """Return the interval for another level than 95 %."""
        low_c, high_c = wilson_interval(self.both + self.only_candidate, self.n, z=z)
        low_s, high_s = wilson_interval(self.both + self.only_serving, self.n, z=z)
        difference = (self.only_candidate - self.only_serving) / self.n
        below = self._reach(self.candidate - low_c, high_s - self.serving)
        above = self._reach(high_c - self.candidate, self.serving - low_s)
        return difference - below, difference + above

    def _reach(self, one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one - 2 * self._phi * one * other + other * other))

    @property
    def _phi(self) -> float:
        """The correlation of both outcomes, corrected for continuity."""
        a, b, c, d = self.both, self.only_candidate, self.only_serving, self.neither
        margins = (a + b) * (c + d) * (a + c) * (b + d)
        if not margins:
            return 0.0
        product = a * d - b * c
        corrected = max(product - self.n / 2, 0) if product > 0 else product
        return corrected / math.sqrt(margins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure of both versions in one group; ``refusal`` is empty where it may stand."""

    decider: str
    group: str
    n: int
    figure: str
    serving: float
    candidate: float
    interval: Interval | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What the gate found, ready to be kept with the promotion."""

    refusals: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    terms: GateTerms

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the candidate."""
        return not self.refusals

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {"passed": self.passed, **asdict(self)}


@dataclass(frozen=True, slots=True)
class _Share:
    """A share that must not get worse: of the rows with ``truths``, those answered by a hit."""

    name: str
    truths: tuple[Level, ...]
    hits: NDArray[np.bool_]
    bad_sign: int

    def paired(self, counts: Counts) -> Paired:
        chosen = list(self.truths)
        rows, hits = counts[chosen], self.hits[chosen]
        serving, candidate = hits[:, :, None], hits[:, None, :]
        return Paired(
            both=int((rows * (serving & candidate)).sum()),
            only_serving=int((rows * (serving & ~candidate)).sum()),
            only_candidate=int((rows * (~serving & candidate)).sum()),
            neither=int((rows * (~serving & ~candidate)).sum()),
        )


_LEVELS = len(Level)
SHARES = (
    _Share("under-triage", tuple(Level), np.tri(_LEVELS, k=-1, dtype=bool), bad_sign=1),
    _Share("emergency recall", (Level.EMERGENCY,), np.eye(_LEVELS, dtype=bool), bad_sign=-1),
)


def evidence(
    serving: Sequence[Judged], candidate: Sequence[Judged], *, against: str, source: str
) -> dict[str, Any]:
    """Return how two versions answered the same cases, as counts that hold no patient.

    Parameters
    ----------
    serving, candidate
        What each version says of the same cases, in the same order.
    against
        The version that serves.
    source
        Where the labelled rows come from, in words.

    Returns
    -------
    dict
        ``counts[decider][group][truth][serving's answer][candidate's answer]``, groups of at
        least 30 rows. The model alone is counted where both gave an answer.
    """
    pairs = list(zip(serving, candidate, strict=True))
    return {
        "against": against,
        "source": source,
        "rows": len(pairs),
        "counts": {decider: _counts_by_group(pairs, decider) for decider in DECIDERS},
    }


def assess(
    found: Mapping[str, Any] | None,
    *,
    candidate: str,
    serving: str,
    from_synthetic: bool = False,
    terms: GateTerms,
) -> GateReport:
    """Say whether ``candidate`` may take the place of ``serving``.

    In this order: a version trained on simulated patients does not replace one trained on real
    ones; there is a comparison with the version that serves, of enough rows; under-triage and
    emergency recall are not worse, of all patients and of each group, for the answers patients
    would get and for the model alone; and the answers are better on the chosen metric by the
    margin.

    A share is worse when its whole 95 % interval lies on the worse side or, of all patients
    together, when it is worse by more than the allowance.

    Parameters
    ----------
    found
        What ``evidence`` returned; None when nothing was compared.
    candidate, serving
        The two versions.
    from_synthetic
        Whether the candidate is trained on simulated patients and the serving version is not.
    terms
        What the candidate has to show.

    Returns
    -------
    GateReport
    """
    refusals = [_SYNTHETIC.format(candidate=candidate, serving=serving)] if from_synthetic else []
    if found is None or found["against"] != serving:
        refusals.append(_NO_EVIDENCE.format(candidate=candidate, serving=serving))
        return GateReport(refusals=tuple(refusals), terms=terms)
    findings = tuple(_findings(found["counts"], terms=terms))
    refusals += _too_few(found["counts"], terms=terms)
    refusals += [finding.refusal for finding in findings if finding.refusal]
    kept = {key: found[key] for key in ("against", "source", "rows")}
    return GateReport(refusals=tuple(refusals), findings=findings, evidence=kept, terms=terms)


_SYNTHETIC = (
    "{candidate} is trained on simulated patients and does not replace {serving}, which is not."
)
_NO_EVIDENCE = (
    "{candidate} was never compared with {serving}, which serves: "
    "promote_model {candidate} --dataset D [--path F] compares both on labelled rows now."
)


def _counts_by_group(
    pairs: Sequence[tuple[Judged, Judged]], decider: str
) -> dict[str, list[list[list[int]]]]:
    groups: dict[str, Counts] = {EVERYBODY: np.zeros(_SHAPE, dtype=np.int64)}
    for serving, candidate in pairs:
        answers = serving.level_by(decider), candidate.level_by(decider)
        if None in answers:
            continue
        for group in (EVERYBODY, *serving.case.subgroups):
            counts = groups.setdefault(group, np.zeros(_SHAPE, dtype=np.int64))
            counts[serving.case.level, answers[0], answers[1]] += 1
    return {
        group: counts.tolist()
        for group, counts in groups.items()
        if group == EVERYBODY or counts.sum() >= MIN_SUBGROUP_ROWS
    }


def _too_few(counts: Mapping[str, Mapping[str, Any]], *, terms: GateTerms) -> Iterator[str]:
    for decider, words in DECIDERS.items():
        everybody = np.array(counts[decider][EVERYBODY])
        if (n := int(everybody.sum())) < terms.min_rows:
            yield f"For {words} only {n} rows were compared; at least {terms.min_rows} are needed."
        elif (n := int(everybody[Level.EMERGENCY].sum())) < terms.min_emergencies:
            yield (
                f"For {words} only {n} emergencies were compared; at least "
                f"{terms.min_emergencies} are needed."
            )


def _findings(counts: Mapping[str, Mapping[str, Any]], *, terms: GateTerms) -> Iterator[Finding]:
    for decider in DECIDERS:
        for group in sorted(counts[decider], key=lambda name: (name != EVERYBODY, name)):
            cube = np.array(counts[decider][group])
            for share in SHARES:
                paired = share.paired(cube)
                if paired.n:
                    yield _share_finding(share, paired, decider=decider, group=group, terms=terms)
    everybody = np.array(counts["hybrid"][EVERYBODY])
    if everybody.sum():
        yield _metric_finding(everybody, terms=terms)


def _share_finding(
    share: _Share, paired: Paired, *, decider: str, group: str, terms: GateTerms
) -> Finding:
    low, high = paired.interval
    worse = share.bad_sign * (paired.candidate - paired.serving)
    surely_worse = min(share.bad_sign * low, share.bad_sign * high) > 0
    is_refused = surely_worse or (group == EVERYBODY and worse > terms.allowance)
    sentence = (
        f"{share.name.capitalize()} of {group} (n={paired.n}), {DECIDERS[decider]}: "
        f"{_percent(paired.serving)} now, {_percent(paired.candidate)} with the candidate "
        f"(95 % interval of the difference {100 * low:+.1f} to {100 * high:+.1f} points)."
    )
    return Finding(
        decider=decider,
        group=group,
        n=paired.n,
        figure=share.name,
        serving=paired.serving,
        candidate=paired.candidate,
        interval=(low, high),
        refusal=sentence if is_refused else "",
    )


def _metric_finding(counts: Counts, *, terms: GateTerms) -> Finding:
    serving = _metric(counts.sum(axis=2), terms.metric)
    candidate = _metric(counts.sum(axis=1), terms.metric)
    words = METRICS[terms.metric]
    sentence = (
        f"{words.capitalize()} of {EVERYBODY} (n={counts.sum()}), {DECIDERS['hybrid']}: "
        f"{serving:.3f} now, {candidate:.3f} with the candidate, "
        f"and {terms.margin:g} more is asked for."
    )
    return Finding(
        decider="hybrid",
        group=EVERYBODY,
        n=int(counts.sum()),
        figure=words,
        serving=serving,
        candidate=candidate,
        refusal="" if candidate - serving >= terms.margin else sentence,
    )


def _metric(confusion: Counts, metric: str) -> float:
    """Return a figure of 4 by 4 counts; agreement that cannot be measured counts 0."""
    true, answered = np.nonzero(confusion)
    times = confusion[true, answered]
    evaluation = evaluate(np.repeat(true, times), np.repeat(answered, times))
    return float(getattr(evaluation, metric) or 0.0)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
