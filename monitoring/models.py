"""What is on record: no name, no patient id, no free text, no words of a finding."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from uuid_utils.compat import uuid7

from ml.history import AppendOnlyModel
from monitoring.intake import SealedIntake, unseal
from monitoring.labels import LabelScale, LabelSource, LabelState
from triage_rules.case import Consciousness
from triage_rules.level import Decider, Level
from triage_rules.outcome import FallbackReason, Method

LEVEL_CHOICES = [(level.value, level.label) for level in Level]
LAST_LEVEL = max(Level).value


def _choices(words: type) -> list[tuple[str, str]]:
    return [(word, word) for word in words]  # type: ignore[attr-defined]


class MLPredictionLog(AppendOnlyModel):
    """One answered call: who asked, which arm, what both deciders said, what was answered.

    ``ground_truth`` is the resolved label, filled in later from ``GroundTruth`` rows.
    """

    may_change = frozenset({"ground_truth", "ground_truth_at"})

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    request_id = models.UUIDField()
    client = models.CharField(max_length=150)
    actor = models.CharField(max_length=150)
    site = models.CharField(max_length=64, blank=True)
    triage_log_id = models.CharField(max_length=64, blank=True)
    subject = models.CharField(max_length=64, blank=True)
    encounter = models.CharField(max_length=64, blank=True)
    subject_key_id = models.CharField(max_length=8, blank=True)

    experiment = models.CharField(max_length=64)
    phase = models.PositiveSmallIntegerField()
    bucket = models.PositiveIntegerField(null=True)
    ab_group = models.CharField(
        "arm", max_length=8, blank=True, choices=[("", "none"), *_choices(Decider)]
    )

    decider = models.CharField(max_length=8, choices=_choices(Decider))
    method = models.CharField(max_length=16, choices=_choices(Method))
    prediction = models.PositiveSmallIntegerField("level", choices=LEVEL_CHOICES)
    confidence = models.FloatField()
    probabilities = models.JSONField(null=True)
    plausible_levels = models.JSONField(default=list)
    threshold = models.FloatField(null=True)
    fallback_reason = models.CharField(max_length=32, blank=True, choices=_choices(FallbackReason))
    needs_human = models.BooleanField()
    immediate = models.BooleanField()

    model_level = models.PositiveSmallIntegerField(null=True, choices=LEVEL_CHOICES)
    model_confidence = models.FloatField(null=True)
    model_abstained = models.CharField(max_length=32, blank=True)
    model_version = models.CharField(max_length=64, blank=True)
    model_digest = models.CharField(max_length=64, blank=True)

    rules_level = models.PositiveSmallIntegerField(choices=LEVEL_CHOICES)
    rules_floor = models.PositiveSmallIntegerField(choices=LEVEL_CHOICES)
    rules_version = models.CharField(max_length=64)
    rules_severity_score = models.PositiveSmallIntegerField()
    red_flags = models.JSONField(default=list)
    hard_flag = models.BooleanField()
    rules_needs_human = models.BooleanField()
    news2 = models.PositiveSmallIntegerField(null=True)

    age_years = models.FloatField()
    heart_rate = models.FloatField(null=True)
    respiratory_rate = models.FloatField(null=True)
    spo2 = models.FloatField(null=True)
    spo2_scale = models.PositiveSmallIntegerField()
    on_oxygen = models.BooleanField(null=True)
    systolic_bp = models.FloatField(null=True)
    diastolic_bp = models.FloatField(null=True)
    temperature_c = models.FloatField(null=True)
    consciousness = models.CharField(max_length=1, blank=True, choices=_choices(Consciousness))
    gcs = models.PositiveSmallIntegerField(null=True)
    pain_score = models.PositiveSmallIntegerField(null=True)
    glucose_mmol_l = models.FloatField(null=True)
    missing = models.JSONField(default=list)

    latency_ms = models.FloatField()
    durability = models.CharField(max_length=8, default="db")
    ground_truth = models.PositiveSmallIntegerField(null=True, choices=LEVEL_CHOICES)
    ground_truth_at = models.DateTimeField(null=True)

    class Meta(AppendOnlyModel.Meta):
        verbose_name = "prediction"
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(prediction__lte=LAST_LEVEL), name="log_prediction_is_a_level"
            ),
            models.CheckConstraint(
                condition=Q(prediction__gte=F("rules_floor")), name="log_floor_holds"
            ),
            models.CheckConstraint(
                condition=Q(ground_truth=None, ground_truth_at=None)
                | Q(
                    ground_truth__isnull=False,
                    ground_truth__lte=LAST_LEVEL,
                    ground_truth_at__isnull=False,
                ),
                name="log_ground_truth_has_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                include=["ab_group", "model_version", "prediction", "ground_truth"],
                condition=Q(ground_truth__isnull=False),
                name="log_labelled_by_time",
            ),
            models.Index(fields=["created_at"], name="log_by_time"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class TriageIntake(AppendOnlyModel):
    """The request of one answered call, encrypted; it leaves earlier than the row it belongs to."""

    prediction_log = models.OneToOneField(
        MLPredictionLog, on_delete=models.PROTECT, primary_key=True, related_name="intake"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    key_id = models.CharField(max_length=8)
    token = models.BinaryField()

    class Meta(AppendOnlyModel.Meta):
        verbose_name = "intake"
        # The job that ends the retention asks for the oldest.
        indexes = [models.Index(fields=["created_at"], name="intake_by_time")]

    def __str__(self) -> str:
        return str(self.pk)

    def request(self) -> dict[str, Any]:
        """Return the parsed request, less what named the patient.

        Raises
        ------
        UnreadableIntakeError
            When its key is not installed, or it is not what was written.
        """
        return unseal(SealedIntake(token=bytes(self.token), key_id=self.key_id))


class GroundTruth(AppendOnlyModel):
    """One person's or system's word on what would have been right. Rows add up, none is edited."""

    may_change = frozenset({"state"})

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    prediction_log = models.ForeignKey(
        MLPredictionLog, on_delete=models.PROTECT, related_name="labels"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    level = models.PositiveSmallIntegerField(choices=LEVEL_CHOICES)
    scale = models.CharField(max_length=8, blank=True, choices=LabelScale.choices)
    original_level = models.PositiveSmallIntegerField(null=True)
    source = models.CharField(max_length=16, choices=LabelSource.choices)
    saw_prediction = models.BooleanField(null=True)
    state = models.CharField(max_length=16, choices=LabelState.choices)
    note_encrypted = models.BinaryField(default=bytes)

    class Meta(AppendOnlyModel.Meta):
        verbose_name = "label"
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(level__lte=LAST_LEVEL), name="label_level_is_a_level"
            ),
            models.CheckConstraint(
                condition=Q(scale="", original_level=None)
                | Q(original_level__isnull=False, original_level__range=(1, 5)) & ~Q(scale=""),
                name="label_original_level_has_a_scale",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_level_display()} by {self.source}"


class MonitoringRun(models.Model):
    """The result of one job for one local day. However often the job runs, there is one row."""

    class Job(models.TextChoices):
        """What was checked."""

        ACCURACY = "accuracy"

    class Status(models.TextChoices):
        """How it ended."""

        OK = "ok"
        BELOW_THRESHOLD = "below_threshold"
        NOT_ENOUGH_LABELS = "not_enough_labels"

    job = models.CharField(max_length=16, choices=Job.choices)
    day = models.DateField()
    status = models.CharField(max_length=32, choices=Status.choices)
    result = models.JSONField()
    ran_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-day",)
        constraints = [models.UniqueConstraint(fields=["job", "day"], name="run_once_a_day")]

    def __str__(self) -> str:
        return f"{self.job} {self.day}"


class RetrainingRun(models.Model):
    """One attempt to train a candidate from the log: why, how it went, and what came of it.

    At most one is running; ``result`` holds counts and figures, ``error`` one sentence.
    """

    class Status(models.TextChoices):
        """How far it is."""

        RUNNING = "running"
        REGISTERED = "registered"
        FAILED = "failed"

    reason = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.RUNNING)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    version = models.CharField(max_length=64, blank=True)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ("-started_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["status"], condition=Q(status="running"), name="retraining_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} {self.status}"


class Alert(models.Model):
    """Something a person must know: one row per policy and day, delivered once."""

    class Severity(models.TextChoices):
        """How sure the alarm is."""

        WARNING = "warning"
        CRITICAL = "critical"

    policy = models.CharField(max_length=32)
    day = models.DateField()
    severity = models.CharField(max_length=16, choices=Severity.choices)
    message = models.TextField()
    provisional = models.BooleanField()
    created_at = models.DateTimeField(auto_now_add=True)
    claimed_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-day",)
        constraints = [models.UniqueConstraint(fields=["policy", "day"], name="alert_once_a_day")]

    def __str__(self) -> str:
        return f"{self.policy} {self.day}"
