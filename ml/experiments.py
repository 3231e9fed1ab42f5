"""The running experiment: read by every request, opened at set-up and at every deployment."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from ml.models import Experiment, ModelVersion, Phase
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


@transaction.atomic
def phase_reopen(*, model_version: ModelVersion) -> Phase | None:
    """Close the open phase and open the next with the same terms, for the version that now serves.

    Results of a phase belong to one version, so a deployment never changes a running phase. Who
    reads meanwhile sees the old phase or the new one, never none. Between two experiments there is
    nothing to close and None is returned.
    """
    phase = Phase.objects.select_for_update().filter(ended_at=None).first()
    if phase is None:
        return None
    phase.ended_at = timezone.now()
    phase.save(update_fields=["ended_at"])
    last = Phase.objects.filter(experiment=phase.experiment_id).aggregate(Max("number"))
    return Phase.objects.create(
        experiment_id=phase.experiment_id,
        number=last["number__max"] + 1,
        ramp=phase.ramp,
        ml_share=phase.ml_share,
        default_decider=phase.default_decider,
        model_version=model_version,
    )
