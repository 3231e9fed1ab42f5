"""The running experiment: read by every request, opened once at set-up."""

from __future__ import annotations

from ml.models import Experiment, Phase
from ml.routing import BUCKETS, PhaseTerms
from triage_rules.level import Decider

DEFAULT_EXPERIMENT = "ml-vs-rules"


# Between two experiments nobody is in an arm, and the rules decide.
NO_PHASE = PhaseTerms(
    experiment="none", number=0, ramp=0, ml_share=0, default_decider=Decider.RULES
)


def phase_current() -> PhaseTerms:
    """Return the terms of the open phase, or ``NO_PHASE`` where none is open."""
    phase = Phase.objects.select_related("experiment").filter(ended_at=None).first()
    return NO_PHASE if phase is None else phase.terms


def experiment_ensure_default() -> None:
    """Open the default experiment, half and half, where there is no phase yet."""
    if Phase.objects.exists():
        return
    experiment, _ = Experiment.objects.get_or_create(name=DEFAULT_EXPERIMENT)
    Phase.objects.get_or_create(
        experiment=experiment,
        number=1,
        defaults={
            "ramp": BUCKETS,
            "ml_share": BUCKETS // 2,
            "default_decider": Decider.ML.value,
        },
    )
