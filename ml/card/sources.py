"""Where the rows of each data set come from, under which licence, and how to cite them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One data set as a model card presents it.

    Attributes
    ----------
    title
        What people call it.
    patients
        Who they are and who gave the label.
    licence
        On which terms it may be used.
    citation
        The publication to name.
    limits
        What it cannot teach.
    """

    title: str
    patients: str
    licence: str
    citation: str
    limits: tuple[str, ...]


SOURCES: Mapping[str, Source] = {
    "synthetic": Source(
        title="simulated patients",
        patients="Nobody: the rows come from the simulator of this project, which draws a level "
        "and then a visit of that level from aggregate tables of KTAS and NHAMCS visits.",
        licence="Apache-2.0, as the project; the tables under CC BY 4.0 (KTAS) and, for "
        "statistical reporting only, in the public domain (NHAMCS).",
        citation="Moon et al. (2019), doi:10.1371/journal.pone.0216972; NCHS, NHAMCS 2016-2021. "
        "docs/simulator.md says what was counted.",
        limits=(
            "It shows that the software works. It says nothing about real patients, and its "
            "figures must not be quoted as clinical performance.",
        ),
    ),
    "ktas": Source(
        title="KTAS (Moon et al., 2019)",
        patients="Adults from 16 years on in two Korean emergency departments, October 2016 to "
        "September 2017; three experts gave the label, the triage nurse's own level is known.",
        licence="CC BY 4.0; columns were renamed, decoded and cleaned.",
        citation="Moon SH, Shim JL, Park KS, Park CS (2019). Triage accuracy and causes of "
        "mistriage using the Korean Triage and Acuity Scale. PLOS ONE 14(9): e0216972. "
        "doi:10.1371/journal.pone.0216972",
        limits=(
            "No children, and few patients: 26 of the most urgent level in the whole study.",
            "The experts judged from the record that the nurse wrote, which flatters the nurse.",
            "One of the two departments did not record oxygen saturation.",
        ),
    ),
    "nhamcs": Source(
        title="NHAMCS emergency departments, 2016 to 2021",
        patients="Patients of all ages in United States emergency departments; the label is the "
        "immediacy that one triage nurse gave.",
        licence="United States government work, public domain, under the restriction of the "
        "Public Health Service Act, section 308(d): statistical reporting and analysis only; no "
        "attempt to identify a person or establishment; no linking with identifiable data. "
        "Ask before a product serves a model trained on it.",
        citation="National Center for Health Statistics. National Hospital Ambulatory Medical "
        "Care Survey, 2016-2021 Emergency Department public-use data files. Hyattsville, MD.",
        limits=(
            "The label is one nurse's, unreviewed, from hospitals with different scales.",
            "Complaints are coded reasons for the visit, not what a patient says or types.",
            "Level of consciousness was not recorded.",
            "Visits cluster in hospitals, so every interval below is too narrow.",
        ),
    ),
    "mimic": Source(
        title="MIMIC-IV-ED Demo 2.2",
        patients="Stays in one Boston emergency department, 2011 to 2019; the label is the "
        "acuity (ESI) that the triage nurse gave.",
        licence="Open Database License 1.0: a public derivative database must carry it too.",
        citation="Johnson A, Bulgarelli L, Pollard T, Celi LA, Horng S, Mark R (2023). "
        "MIMIC-IV-ED Demo (version 2.2). PhysioNet. doi:10.13026/jzz5-vs76",
        limits=(
            "Far too small to learn from, and picked among patients with intensive care.",
            "The sickest stays carry no label and are left out.",
        ),
    ),
    "log": Source(
        title="this service's own record",
        patients="Patients of the sites this service answered for; the label is the ground truth "
        "that clinicians reported.",
        licence="Patient data of the operator; it leaves neither the operator nor this version.",
        citation="None.",
        limits=(
            "Clinicians may have seen the answer before they reported the truth.",
            "Only visits with a reported truth are here, and those are not drawn at random.",
        ),
    ),
}
UNKNOWN = Source(
    title="a file of the operator",
    patients="As the operator knows; the file does not say.",
    licence="As the operator knows.",
    citation="As the operator knows.",
    limits=("Who the patients are and who gave the label is not documented here.",),
)


def source_of(dataset: str) -> Source:
    """Return what is known of a data set; of an operator's own file that is little."""
    return SOURCES.get(dataset, UNKNOWN)
