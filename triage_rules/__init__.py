"""The clinical rules: pure Python, for a clinician to review alone.

``evaluate`` judges a case, ``combine`` joins that verdict with the model's opinion.
"""

from triage_rules.engine import evaluate
from triage_rules.level import Decider, Level, Opinion
from triage_rules.outcome import Decision, Verdict
from triage_rules.override import combine
from triage_rules.severity import calculate_severity, recommend_care_level

__all__ = [
    "Decider",
    "Decision",
    "Level",
    "Opinion",
    "Verdict",
    "calculate_severity",
    "combine",
    "evaluate",
    "recommend_care_level",
]
