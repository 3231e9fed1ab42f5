"""The form in which a reviewer says what was right."""

from __future__ import annotations

from django import forms

from monitoring.labels import CANNOT_ASSESS, MAX_NOTE_CHARACTERS, Label, LabelSource
from monitoring.models import LEVEL_CHOICES
from triage_rules.level import Level


def _level(word: str) -> Level | None:
    return None if word == CANNOT_ASSESS else Level(int(word))


class LabelForm(forms.Form):
    """A reviewer's word on one prediction."""

    level = forms.TypedChoiceField(
        label="What would have been right",
        choices=[
            ("", "choose a level"),
            *LEVEL_CHOICES,
            (CANNOT_ASSESS, "cannot be assessed from this record"),
        ],
        coerce=_level,
    )
    source = forms.ChoiceField(
        label="Known from", choices=LabelSource.choices, initial=LabelSource.CLINICIAN
    )
    note = forms.CharField(
        label="Note (stored encrypted)",
        required=False,
        max_length=MAX_NOTE_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def label(self, *, saw_prediction: bool = True) -> Label:
        """Return the checked label; a reviewer in the admin has seen the prediction."""
        return Label(
            level=self.cleaned_data["level"],
            source=LabelSource(self.cleaned_data["source"]),
            note=self.cleaned_data["note"],
            saw_prediction=saw_prediction,
        )
