"""The form in which a reviewer says what was right."""

from __future__ import annotations

from django import forms

from monitoring.labels import Label, LabelSource
from monitoring.models import LEVEL_CHOICES
from triage_rules.level import Level


class LabelForm(forms.Form):
    """A reviewer's word on one prediction."""

    level = forms.TypedChoiceField(
        label="What would have been right",
        choices=[("", "choose a level"), *LEVEL_CHOICES],
        coerce=lambda value: Level(int(value)),
    )
    source = forms.ChoiceField(
        label="Known from", choices=LabelSource.choices, initial=LabelSource.CLINICIAN
    )
    note = forms.CharField(
        label="Note (stored encrypted)",
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def label(self) -> Label:
        """Return the checked label; a reviewer in the admin has seen the prediction."""
        return Label(
            level=self.cleaned_data["level"],
            source=LabelSource(self.cleaned_data["source"]),
            note=self.cleaned_data["note"],
            saw_prediction=True,
        )
