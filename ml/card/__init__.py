"""The documents that travel with a model version: a card to read and three figures to look at."""

from __future__ import annotations

from ml.artefacts import TrainedModel
from ml.card import figures
from ml.card.text import card


def documents(model: TrainedModel) -> dict[str, bytes]:
    """Return the content of each document of ``model`` by its file name.

    The same model gives the same bytes. What its metrics lack is left out of the card.
    """
    return {
        "card.md": card(model).encode(),
        "confusion.svg": figures.confusion(model.metrics),
        "reliability.svg": figures.reliability(model.metrics),
        "under_triage.svg": figures.under_triage(model.metrics),
    }
