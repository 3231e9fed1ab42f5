"""What a version says of a row it learnt from would flatter it. This keeps what it said before.

Cross-fitting lets models that had not learnt from a row answer it. Those answers are kept under a
keyed digest of the row, so two versions can be compared on any labelled rows, and neither is asked
what it already knows. The digest tells nothing of a patient without the key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence

from ml.artefacts import LoadedModel
from ml.comparison import Judged
from ml.labelled import LabelledCase
from ml.predictor import predict
from triage_rules import evaluate as evaluate_rules
from triage_rules.case import case_from_request
from triage_rules.level import Abstention, Level, Opinion

Answerer = Callable[[LabelledCase], Opinion]

# The row's digest, the level (or that there was none), and the top probability.
_RECORD = struct.Struct(">8sBf")
_NO_LEVEL = 255
_SCHEME = b"triage-held-out/v1"


def pack(cases: Sequence[LabelledCase], opinions: Sequence[Opinion], *, key: bytes) -> bytes:
    """Return the answers to ``cases``, 13 bytes each, in the order of their digests."""
    pairs = zip(cases, opinions, strict=True)
    return b"".join(sorted({_record(case, opinion, key=key) for case, opinion in pairs}))


def answerer(
    model: LoadedModel, *, packed: bytes = b"", key: bytes, threshold: float | None = None
) -> Answerer:
    """Return a function that answers as a version would answer patients it does not know.

    Parameters
    ----------
    model
        The version.
    packed
        What ``pack`` kept of the rows it learnt from.
    key
        The same that ``pack`` was given.
    threshold
        The least top probability at which an answer may stand alone; None takes the version's.
    """
    known = {record[0]: record[1:] for record in _RECORD.iter_unpack(packed)}
    least = model.threshold if threshold is None else threshold

    def answer(case: LabelledCase) -> Opinion:
        if kept := known.get(_digest(case, key=key)):
            return _opinion(*kept, threshold=least)
        return predict(case_from_request(case.request), model=model, threshold=least)

    return answer


def judge_each(cases: Iterable[LabelledCase], *answerers: Answerer) -> Iterator[tuple[Judged, ...]]:
    """Yield what patients would be answered with each version; the rules are asked once a case."""
    for case in cases:
        verdict = evaluate_rules(case_from_request(case.request))
        yield tuple(Judged.of(case, verdict, answer(case)) for answer in answerers)


def _record(case: LabelledCase, opinion: Opinion, *, key: bytes) -> bytes:
    level = _NO_LEVEL if opinion.level is None else int(opinion.level)
    return _RECORD.pack(_digest(case, key=key), level, max(opinion.probabilities, default=0.0))


def _opinion(level: int, top: float, *, threshold: float) -> Opinion:
    if level == _NO_LEVEL:
        return Opinion.abstain(Abstention.OUT_OF_RANGE)
    # Only the level and the top probability say how the answer is combined with the rules'.
    rest = (1 - top) / (len(Level) - 1)
    return Opinion(
        level=Level(level),
        probabilities=tuple(top if one == level else rest for one in Level),
        threshold=threshold,
    )


def _digest(case: LabelledCase, *, key: bytes) -> bytes:
    """Return 8 bytes that name a row by all it says but its ids."""
    said = {
        name: value
        for name, value in case.request.items()
        if value is not None and not name.endswith("_id")
    }
    body = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    return hmac.digest(key, _SCHEME + b"\x00" + body, hashlib.sha256)[:8]
