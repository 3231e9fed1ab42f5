"""What a request may hold is what the feature schema says, and nothing beside it."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.serializers import ListField, Serializer

from api.fields import NumberField, TextField, WordField
from api.serializers import TriageRequestSerializer
from ml import schema
from ml.schema import InputField


def leaves(serializer: Serializer[Any], part: str = "") -> dict[str, Any]:
    """Return every field that is no object, by its path."""
    found: dict[str, Any] = {}
    for key, field in serializer.fields.items():
        path = f"{part}.{key}" if part else key
        if isinstance(field, Serializer):
            found |= leaves(field, path)
            continue
        found[path] = field
        if isinstance(field, ListField) and isinstance(field.child, Serializer):
            found |= leaves(field.child, f"{path}[]")
    return found


LEAVES = leaves(TriageRequestSerializer())


def test_the_fields_are_those_of_the_schema() -> None:
    assert set(LEAVES) == {each.path for each in schema.FIELDS}


@pytest.mark.parametrize("spec", schema.FIELDS, ids=lambda spec: spec.path)
def test_a_field_is_held_to_the_schema(spec: InputField) -> None:
    field = LEAVES[spec.path]

    assert field.required is (spec.presence is schema.Presence.REQUIRED)
    assert field.allow_null is not field.required
    assert getattr(field, "limits", None) == spec.range
    assert getattr(field, "words", []) == list(spec.categories)
    if isinstance(field, ListField):
        assert field.max_length == spec.most
        assert getattr(field.child, "longest", None) == spec.longest
    else:
        assert getattr(field, "longest", None) == spec.longest
        assert isinstance(field, NumberField | WordField | TextField) or spec.kind == "flag"
