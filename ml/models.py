"""The model versions, which of them serves and since when, and the trial around it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import IsNull
from django.utils import timezone

from ml.history import AppendOnlyModel
from ml.routing import BUCKETS, PhaseTerms
from triage_rules.level import Decider


class ModelVersion(AppendOnlyModel):
    """One version of the model store, as it was when it was registered.

    ``metrics`` holds a few figures of each decider on the rows the version did not learn from;
    ``evidence`` how it and the version serving at the time answered the same labelled rows. Only
    the evidence may be taken anew.
    """

    may_change = frozenset({"evidence"})

    version = models.CharField(max_length=64, unique=True)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(help_text="When it was trained.")
    registered_at = models.DateTimeField(default=timezone.now, editable=False)
    registered_by = models.CharField(max_length=150)
    dataset = models.CharField(max_length=64)
    synthetic = models.BooleanField(help_text="Trained on simulated patients.")
    scikit_learn = models.CharField("scikit-learn", max_length=32)
    metrics = models.JSONField(default=dict)
    evidence = models.JSONField(null=True)

    class Meta(AppendOnlyModel.Meta):
        verbose_name = "model version"
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.version


class HeldOutAnswers(AppendOnlyModel):
    """What models that had not learnt from a version's training rows said of each of them.

    ``packed`` is written and read by ``ml.held_out``. A table of its own, because it is large and
    only a comparison reads it.
    """

    model_version = models.OneToOneField(
        ModelVersion, on_delete=models.PROTECT, primary_key=True, related_name="held_out_answers"
    )
    packed = models.BinaryField()

    def __str__(self) -> str:
        return f"held-out answers of {self.model_version_id}"


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
    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="phases",
        help_text="The version that serves in this phase; none where none was deployed.",
    )

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


class Deployment(models.Model):
    """Which version serves. One row per slot, and one slot; every change raises the epoch."""

    class Slot(models.TextChoices):
        """What a version can be deployed as."""

        CHAMPION = "champion"

    slot = models.CharField(max_length=16, choices=Slot.choices, unique=True)
    current = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    epoch = models.PositiveBigIntegerField()

    class Meta:
        permissions = [("rollback_deployment", "Can go back to the version before")]
        constraints = [
            models.CheckConstraint(condition=Q(slot="champion"), name="deployment_slot_is_known"),
            models.CheckConstraint(condition=Q(epoch__gte=1), name="deployment_epoch_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.slot}: {self.current} (epoch {self.epoch})"


class DeploymentEvent(AppendOnlyModel):
    """One change of what serves: from what, to what, who, why, and what the gate said."""

    class Kind(models.TextChoices):
        """How the version came to serve."""

        FIRST = "first"
        PROMOTE = "promote"
        ROLLBACK = "rollback"

    epoch = models.PositiveBigIntegerField(unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    from_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, null=True, related_name="+"
    )
    to_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    actor = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)
    overridden = models.BooleanField(
        default=False, help_text="The gate refused, and a person decided otherwise."
    )
    gate_report = models.JSONField(null=True)
    phase_opened = models.ForeignKey(Phase, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(AppendOnlyModel.Meta):
        verbose_name = "deployment event"
        ordering = ("-epoch",)
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="first", from_version=None)
                | Q(from_version__isnull=False) & ~Q(kind="first"),
                name="event_only_the_first_comes_from_nothing",
            ),
            models.CheckConstraint(
                condition=~Q(actor="") & ~Q(reason=""), name="event_says_who_and_why"
            ),
        ]

    def __str__(self) -> str:
        return f"epoch {self.epoch}: {self.kind} {self.to_version}"
