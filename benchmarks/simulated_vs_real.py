"""How much of a real model's kappa does a model keep that saw simulated patients alone?

``TRIAGE_DATA_DIR=... python -m benchmarks.simulated_vs_real``. The committed tables were counted
from the very rows that are judged; the lines that end in "tables of other rows" are the fair ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import StratifiedKFold
from tqdm import tqdm

from ml.aggregates import SOURCES, Tables, committed
from ml.artefacts import TrainedModel
from ml.datasets import DEFAULT_SYNTHETIC_ROWS, load_dataset
from ml.labelled import LabelledCase
from ml.predictor import decide
from ml.simulator import simulate
from ml.simulator.counting import aggregate
from ml.training import DEFAULT_SEED, train
from triage_rules.case import case_from_request
from triage_rules.level import Level

Cases = Sequence[LabelledCase]

FOLDS = 5
LEARNT_SHARE = 0.7
STEPS = FOLDS + 4


@dataclass(frozen=True, slots=True)
class Kappas:
    """Quadratic kappa of the likeliest level and of the level of least expected cost."""

    likeliest: float
    decided: float

    def share_of(self, other: Kappas) -> Kappas:
        """Return both as shares of another's."""
        return Kappas(self.likeliest / other.likeliest, self.decided / other.decided)


@dataclass(frozen=True, slots=True)
class Answers:
    """The two answers to each case."""

    likeliest: list[int]
    decided: list[int]

    def kappas(self, cases: Cases) -> Kappas:
        """Return how well they agree with the truth."""
        truth = [int(case.level) for case in cases]
        return Kappas(_kappa(truth, self.likeliest), _kappa(truth, self.decided))


def main() -> None:
    """Train and judge with a progress bar, and print one line a comparison as it is known."""
    folder = Path(os.environ.get("TRIAGE_DATA_DIR", "data"))
    rows = {
        name: load_dataset(name, path=None, folder=folder, rows=None, seed=0) for name in SOURCES
    }
    with tqdm(total=STEPS, unit="model") as bar:
        bar.write(f"{'quadratic kappa: likeliest level, decision':58}{'real':>14}{'simulated':>16}")
        for name, real, simulated in compare(rows, bar):
            share = simulated.share_of(real)
            line = f"{name:58}{real.likeliest:>7.3f}{real.decided:>7.3f}"
            line += f"{simulated.likeliest:>9.3f}{simulated.decided:>7.3f}"
            bar.write(f"{line}   {share.likeliest:>4.0%} {share.decided:>4.0%}")


def compare(rows: Mapping[str, Cases], bar: tqdm[None]) -> Iterator[tuple[str, Kappas, Kappas]]:
    """Yield each comparison's name, and the kappas of the real and of the simulated model."""
    parts = {name: split(cases) for name, cases in rows.items()}
    same = trained_on_simulated(committed(), bar)
    ktas = rows["ktas"]
    yield (
        f"KTAS, all {len(ktas)} rows ({FOLDS} folds); tables of these rows",
        in_folds(ktas, bar).kappas(ktas),
        answers(same, ktas).kappas(ktas),
    )
    other = trained_on_simulated(tables_of({name: part[0] for name, part in parts.items()}), bar)
    for name, (learnt, held_out) in parts.items():
        real = answers(trained(learnt, name, bar), held_out).kappas(held_out)
        for whose, model in (("these and other", same), ("other", other)):
            yield (
                f"{name.upper()}, {len(held_out)} rows held out; tables of {whose} rows",
                real,
                answers(model, held_out).kappas(held_out),
            )


def split(cases: Cases) -> tuple[Cases, Cases]:
    """Return rows to learn from and rows held out, by a hash of their ids."""
    learnt = [case for case in cases if _share(case.row_id) < LEARNT_SHARE]
    return learnt, [case for case in cases if _share(case.row_id) >= LEARNT_SHARE]


def tables_of(rows: Mapping[str, Cases]) -> Tables:
    """Return tables like the committed ones, from these rows."""
    return {
        "sources": {
            name: aggregate(cases, source=SOURCES[name], sha256="") for name, cases in rows.items()
        }
    }


def trained(cases: Cases, dataset: str, bar: tqdm[None]) -> TrainedModel:
    """Return a model of these cases, and count it."""
    model = train(cases, seed=DEFAULT_SEED, dataset=dataset, synthetic=dataset == "synthetic")
    bar.update()
    return model


def trained_on_simulated(tables: Tables, bar: tqdm[None]) -> TrainedModel:
    """Return what set-up would train if these were the committed tables."""
    patients = simulate(DEFAULT_SYNTHETIC_ROWS, seed=DEFAULT_SEED, tables=tables)
    return trained(patients, "synthetic", bar)


def in_folds(cases: Cases, bar: tqdm[None]) -> Answers:
    """Return the answers to each fold of a model that learnt from the others."""
    found = Answers([0] * len(cases), [0] * len(cases))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=DEFAULT_SEED)
    for learnt, left_out in folds.split(cases, [int(case.level) for case in cases]):
        model = trained([cases[row] for row in learnt], "ktas", bar)
        part = answers(model, [cases[row] for row in left_out])
        for row, likeliest, decided in zip(left_out, part.likeliest, part.decided, strict=True):
            found.likeliest[row], found.decided[row] = likeliest, decided
    return found


def answers(model: TrainedModel, cases: Cases) -> Answers:
    """Return both answers to every case; a model never abstains here."""
    probabilities = [model.probabilities(case_from_request(case.request)) for case in cases]
    return Answers(
        likeliest=[int(np.argmax(row)) for row in probabilities],
        decided=[int(decide(row, cost_matrix=model.cost_matrix)) for row in probabilities],
    )


def _kappa(truth: Sequence[int], answered: Sequence[int]) -> float:
    return float(cohen_kappa_score(truth, answered, weights="quadratic", labels=list(Level)))


def _share(row_id: str) -> float:
    return int.from_bytes(sha256(row_id.encode()).digest()[:8]) / 2**64


if __name__ == "__main__":
    main()
