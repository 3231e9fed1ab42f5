"""The trial: which share of patients the model decides for, and since when."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import IsNull

from ml.routing import BUCKETS, PhaseTerms
from triage_rules.level import Decider


class Experiment(models.Model):
    """A comparison of the model with the rules, under one name for its whole life."""

    name = models.SlugField(max_length=64, unique=True)
    kill_switch = models.BooleanField(
        default=False, help_text="On: the rules decide for everybody, from the next request."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Phase(models.Model):
    """A stretch of an experiment with fixed terms. To change a term, close it and open the next."""

    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="phases")
    number = models.PositiveSmallIntegerField()
    ramp = models.PositiveIntegerField(help_text="Enrolled patients per million.")
    ml_share = models.PositiveIntegerField(help_text="Model-arm patients per million enrolled.")
    default_decider = models.CharField(
        max_length=8,
        choices=[(decider.value, decider.value) for decider in Decider],
        help_text="Who decides for a call that belongs to no arm.",
    )
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experiment", "number"], name="phase_number_unique"),
            models.UniqueConstraint(
                IsNull(F("ended_at"), True), condition=Q(ended_at=None), name="phase_one_is_open"
            ),
            models.CheckConstraint(
                condition=Q(ramp__lte=BUCKETS) & Q(ml_share__lte=BUCKETS),
                name="phase_shares_within_a_million",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.experiment} phase {self.number}"

    @property
    def terms(self) -> PhaseTerms:
        """The frozen terms, as the assignment function takes them."""
        return PhaseTerms(
            experiment=self.experiment.name,
            number=self.number,
            ramp=self.ramp,
            ml_share=self.ml_share,
            default_decider=Decider(self.default_decider),
            kill_switch=self.experiment.kill_switch,
        )
