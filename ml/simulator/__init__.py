"""Made-up, labelled patients for the default model, the golden rows and the tests.

No row is a copy of a patient's: every value is drawn from the tables of ``ml.aggregates``, none of
which is of fewer than 10 visits. ``docs/simulator.md`` says how. A model trained on these patients
is labelled synthetic wherever it shows.
"""

from __future__ import annotations

from ml.simulator.patients import SCALE, simulate

__all__ = ["SCALE", "simulate"]
