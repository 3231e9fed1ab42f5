"""The daily question: does the answer still agree with what turned out to be right?

One local day, its labelled predictions, one result row, and an alert when the share of right
answers falls below the threshold. ``docs/accuracy.md`` says how each number is made.
"""

from monitoring.accuracy.checking import POLICY, accuracy_catch_up, accuracy_check
from monitoring.accuracy.days import CATCH_UP_DAYS, day_to_check
from monitoring.accuracy.judgement import Judgement, judgement
from monitoring.accuracy.measuring import AccuracyResult, accuracy_measure
from monitoring.accuracy.tallies import Tally
from monitoring.accuracy.wording import report

__all__ = [
    "CATCH_UP_DAYS",
    "POLICY",
    "AccuracyResult",
    "Judgement",
    "Tally",
    "accuracy_catch_up",
    "accuracy_check",
    "accuracy_measure",
    "day_to_check",
    "judgement",
    "report",
]
