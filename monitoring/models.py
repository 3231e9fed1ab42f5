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
from monitoring.roles import Action as RoleAction
from triage_rules.case import ArrivalMode, Consciousness, Sex
from triage_rules.level import Decider, Level
from triage_rules.outcome import FallbackReason, Method

LEVEL_CHOICES = [(level.value, level.label) for level in Level]
LAST_LEVEL = max(Level).value
# What a row loses in the end, and what it then holds. Who decided what, and by which versions,
# stays: it is how the service is judged, and tells of nobody.
ABOUT_THE_PATIENT: dict[str, Any] = {
    "triage_log_id": "",
    "subject": "",
    "encounter": "",
    "subject_key_id": "",
    # A keyed hash of the patient's id: one in a million would still know them by it.
    "bucket": None,
    "age_years": None,
    "sex": "",
    "arrival_mode": "",
    "injury": None,
    "heart_rate": None,
    "respiratory_rate": None,
    "spo2": None,
    "spo2_scale": None,
    "on_oxygen": None,
    "systolic_bp": None,
    "diastolic_bp": None,
    "temperature_c": None,
    "consciousness": "",
    "gcs": None,
    "pain_score": None,
    "glucose_mmol_l": None,
    "missing": [],
    "words": None,
    "unknown_words": None,
}


def _choices(words: type) -> list[tuple[str, str]]:
    return [(word, word) for word in words]  # type: ignore[attr-defined]


class MLPredictionLog(AppendOnlyModel):
    """One answered call: who asked, which arm, what both deciders said, what was answered.

    ``ground_truth`` is the resolved label, filled in later from ``GroundTruth`` rows. ``words`` and
    ``unknown_words`` count the words of the complaint and those the model had never met.
    ``audited`` says that the case was drawn at random for a blind label.
    """

    may_change = frozenset({"ground_truth", "ground_truth_at"})
    may_be_rewritten = frozenset({*ABOUT_THE_PATIENT, "stripped_at"})

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

    age_years = models.FloatField(null=True)
    sex = models.CharField(max_length=8, blank=True, choices=_choices(Sex))
    arrival_mode = models.CharField(max_length=16, blank=True, choices=_choices(ArrivalMode))
    injury = models.BooleanField(null=True)
    heart_rate = models.FloatField(null=True)
    respiratory_rate = models.FloatField(null=True)
    spo2 = models.FloatField(null=True)
    spo2_scale = models.PositiveSmallIntegerField(null=True)
    on_oxygen = models.BooleanField(null=True)
    systolic_bp = models.FloatField(null=True)
    diastolic_bp = models.FloatField(null=True)
    temperature_c = models.FloatField(null=True)
    consciousness = models.CharField(max_length=1, blank=True, choices=_choices(Consciousness))
    gcs = models.PositiveSmallIntegerField(null=True)
    pain_score = models.PositiveSmallIntegerField(null=True)
    glucose_mmol_l = models.FloatField(null=True)
    missing = models.JSONField(default=list)
    words = models.PositiveSmallIntegerField(null=True)
    unknown_words = models.PositiveSmallIntegerField(null=True)

    audited = models.BooleanField(default=False)
    latency_ms = models.FloatField()
    durability = models.CharField(max_length=8, default="db")
    ground_truth = models.PositiveSmallIntegerField(null=True, choices=LEVEL_CHOICES)
    ground_truth_at = models.DateTimeField(null=True)
    # When everything about the patient was taken out: by age, or because the patient asked.
    stripped_at = models.DateTimeField(null=True)

    class Meta(AppendOnlyModel.Meta):
        verbose_name = "prediction"
        permissions = [
            ("view_own_mlpredictionlog", "Can view the predictions it asked for"),
            ("view_pseudonymous_mlpredictionlog", "Can list predictions without references"),
        ]
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
            models.Index(
                fields=["ground_truth_at"],
                condition=Q(ground_truth__isnull=False),
                name="log_by_label_time",
            ),
            models.Index(fields=["subject"], condition=~Q(subject=""), name="log_by_subject"),
            # A list of one kind, newest first: ids are in order of time.
            models.Index(fields=["client", "-id"], name="log_by_client"),
            models.Index(fields=["prediction", "-id"], name="log_by_level"),
            models.Index(fields=["method", "-id"], name="log_by_method"),
            models.Index(fields=["ab_group", "-id"], name="log_by_arm"),
            models.Index(fields=["model_version", "-id"], name="log_by_version"),
            models.Index(fields=["site", "-id"], condition=~Q(site=""), name="log_by_site"),
            models.Index(
                fields=["fallback_reason", "-id"],
                condition=~Q(fallback_reason=""),
                name="log_by_fallback",
            ),
            models.Index(
                fields=["triage_log_id", "-id"],
                condition=~Q(triage_log_id=""),
                name="log_by_reference",
            ),
            models.Index(
                fields=["-id"], condition=Q(ground_truth__isnull=False), name="log_labelled"
            ),
            # The queues of the review page hold only what has no label yet.
            models.Index(fields=["-id"], condition=Q(ground_truth=None), name="log_unlabelled"),
            models.Index(
                fields=["-id"],
                condition=Q(ground_truth=None, fallback_reason=FallbackReason.LOW_CONFIDENCE),
                name="log_unsure",
            ),
            models.Index(
                fields=["-id"],
                condition=Q(ground_truth=None)
                & (Q(model_level__lt=F("rules_level")) | Q(model_level__gt=F("rules_level"))),
                name="log_differing",
            ),
            models.Index(
                fields=["-id"],
                condition=Q(ground_truth=None, prediction=Level.EMERGENCY),
                name="log_acute",
            ),
            models.Index(fields=["-id"], condition=Q(audited=True), name="log_drawn"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class TriageIntake(AppendOnlyModel):
    """The request of one answered call, encrypted; it leaves earlier than the row it belongs to."""

    may_be_rewritten = frozenset({"key_id", "token"})
    may_be_pruned = True

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
    """One person's or system's word on what would have been right. Rows add up, none is edited.

    Without a level it says that the case cannot be assessed.
    """

    may_change = frozenset({"state"})
    may_be_rewritten = frozenset({"note_encrypted"})

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    prediction_log = models.ForeignKey(
        MLPredictionLog, on_delete=models.PROTECT, related_name="labels"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    level = models.PositiveSmallIntegerField(null=True, choices=LEVEL_CHOICES)
    scale = models.CharField(max_length=8, blank=True, choices=LabelScale.choices)
    original_level = models.PositiveSmallIntegerField(null=True)
    # The person a client names; the author is the account that sent it.
    actor = models.CharField(max_length=150, blank=True)
    source = models.CharField(max_length=16, choices=LabelSource.choices)
    saw_prediction = models.BooleanField(null=True)
    state = models.CharField(max_length=16, choices=LabelState.choices)
    note_encrypted = models.BinaryField(default=bytes)

    class Meta(AppendOnlyModel.Meta):
        verbose_name = "label"
        ordering = ("id",)
        permissions = [("add_own_groundtruth", "Can label the predictions it asked for")]
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
        indexes = [
            models.Index(
                fields=["-prediction_log"],
                condition=Q(state=LabelState.CONFLICT),
                name="label_conflicts",
            )
        ]

    def __str__(self) -> str:
        said = "cannot assess" if self.level is None else Level(self.level).label
        return f"{said} by {self.source}"


class AccessEvent(AppendOnlyModel):
    """Somebody saw, exported or erased what is kept of patients: who, what, when, by which door.

    ``prediction_log`` names the one case that was seen; ``cases`` counts them where there were
    several. A known account that was refused leaves a row too, and ``refused`` names the action of
    the table of roles.
    """

    may_be_pruned = True

    class Action(models.TextChoices):
        """What was done."""

        VIEW = "view"
        REPLAY = "replay"
        EXPORT = "export"
        ERASE = "erase"
        DENY = "deny"

    class Door(models.TextChoices):
        """How they came in; ``AUDIT`` is the review page that shows a case without its answer."""

        ADMIN = "admin"
        AUDIT = "audit"
        API = "api"
        COMMAND = "command"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=8, choices=Action.choices)
    door = models.CharField(max_length=8, choices=Door.choices)
    prediction_log = models.ForeignKey(
        MLPredictionLog, null=True, on_delete=models.PROTECT, related_name="accesses"
    )
    cases = models.PositiveIntegerField(default=1)
    refused = models.CharField(
        max_length=32, blank=True, choices=[("", "–"), *_choices(RoleAction)]
    )

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        indexes = [
            models.Index(fields=["created_at"], name="access_by_time"),
            models.Index(fields=["action", "-id"], name="access_by_action"),
            models.Index(fields=["actor", "-id"], name="access_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"


class MonitoringRun(models.Model):
    """The result of one job for one local day. However often the job runs, there is one row."""

    class Job(models.TextChoices):
        """What was checked."""

        ACCURACY = "accuracy"
        DRIFT = "drift"
        RETENTION = "retention"

    class Status(models.TextChoices):
        """How it ended."""

        OK = "ok"
        BELOW_THRESHOLD = "below_threshold"
        NOT_ENOUGH_LABELS = "not_enough_labels"
        DRIFTED = "drifted"
        NOT_ENOUGH_ROWS = "not_enough_rows"
        NO_REFERENCE = "no_reference"

    job = models.CharField(max_length=16, choices=Job.choices)
    day = models.DateField()
    status = models.CharField(max_length=32, choices=Status.choices)
    result = models.JSONField()
    ran_at = models.DateTimeField(auto_now=True)
    duration_ms = models.FloatField(null=True)

    class Meta:
        ordering = ("-day",)
        constraints = [models.UniqueConstraint(fields=["job", "day"], name="run_once_a_day")]
        permissions = [("view_metrics", "Can read /metrics")]

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
    """Something a person must know: one row per cause and day on which it came up.

    A cause is a policy, and where it watches several things, which of them: ``accuracy``,
    ``drift.temperature_c``. Of one cause at most one alert is open or acknowledged; while it is,
    later days add to it.
    """

    class Severity(models.TextChoices):
        """How sure the alarm is."""

        WARNING = "warning"
        CRITICAL = "critical"

    class State(models.TextChoices):
        """Whether somebody still has to see to it."""

        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        CLOSED = "closed"

    policy = models.CharField(max_length=32)
    cause = models.CharField(max_length=96)
    day = models.DateField()
    last_day = models.DateField()
    severity = models.CharField(max_length=16, choices=Severity.choices)
    message = models.TextField()
    provisional = models.BooleanField()
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    times_reopened = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledgement = models.CharField(max_length=500, blank=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-last_day", "-id")
        constraints = [
            models.UniqueConstraint(fields=["cause", "day"], name="alert_once_a_day"),
            models.UniqueConstraint(
                fields=["cause"], condition=~Q(state="closed"), name="alert_one_open_per_cause"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cause} {self.day}"


class AlertDelivery(models.Model):
    """One notification of an alert over one channel: claimed once, tried until it is handed over.

    ``number`` counts the notifications of an alert: its first, and one for each time it got worse,
    came back, or had been open for another week.
    """

    class Channel(models.TextChoices):
        """How people are told."""

        EMAIL = "email"
        WEBHOOK = "webhook"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    claimed_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "alert deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "channel", "number"], name="delivery_once_a_channel"
            )
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(delivered_at=None),
                name="delivery_pending",
            )
        ]

    def __str__(self) -> str:
        return f"{self.alert} by {self.channel}"


class IdempotentCall(models.Model):
    """A call that its client may send again: the answer of the first is kept for a day.

    ``key`` and ``fingerprint`` are keyed hashes of the client's key and of the request. Who holds
    ``claim`` may answer; the answer, which is encrypted, is kept in the transaction of its record.
    """

    client = models.CharField(max_length=150)
    key = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    claim = models.UUIDField()
    claimed_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.BinaryField(default=bytes)

    class Meta:
        verbose_name = "idempotent call"
        constraints = [
            models.UniqueConstraint(fields=["client", "key"], name="idempotent_once_a_key")
        ]
        indexes = [models.Index(fields=["claimed_at"], name="idempotent_by_time")]

    def __str__(self) -> str:
        return self.key


class BatchJob(models.Model):
    """A file of cases that workers score in chunks; when done, each row is answered or refused."""

    class Format(models.TextChoices):
        """How the file was written."""

        CSV = "csv"
        NDJSON = "ndjson"

    class State(models.TextChoices):
        """How far it is."""

        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    request_id = models.UUIDField()
    client = models.CharField(max_length=150)
    actor = models.CharField(max_length=150)
    format = models.CharField(max_length=8, choices=Format.choices)
    rows = models.PositiveIntegerField()
    answered = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = "batch"
        verbose_name_plural = "batches"
        indexes = [models.Index(fields=["client", "-id"], name="batch_by_client")]

    def __str__(self) -> str:
        return str(self.id)


class BatchChunk(models.Model):
    """Some rows of a batch: scored in one transaction with its own state, so exactly once.

    Whoever set ``claimed_at`` a moment ago is at it. ``rows_encrypted`` holds the rows as they were
    sent until they are scored, then nothing; ``result_encrypted`` what was answered to each.
    """

    class State(models.TextChoices):
        """Whether its rows are scored."""

        QUEUED = "queued"
        DONE = "done"
        FAILED = "failed"

    job = models.ForeignKey(BatchJob, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    first_row = models.PositiveIntegerField()
    rows = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    published_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    rows_encrypted = models.BinaryField(default=bytes)
    result_encrypted = models.BinaryField(default=bytes)

    class Meta:
        ordering = ("job", "number")
        verbose_name = "chunk of a batch"
        verbose_name_plural = "chunks of batches"
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="chunk_once_a_job")]
        indexes = [
            models.Index(fields=["published_at"], condition=Q(state="queued"), name="chunk_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.number}"
