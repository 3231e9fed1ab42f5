"""Are today's patients, and the model's answers to them, still like those it was validated on?"""

from monitoring.drift.check import DriftResult, drift_catch_up, drift_check, drift_measure

__all__ = ["DriftResult", "drift_catch_up", "drift_check", "drift_measure"]
