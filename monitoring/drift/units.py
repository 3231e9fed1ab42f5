"""Which other unit would make sense of values that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ml.reference import STEPS, NumericSummary

# In sd of the reference: from where on a value is strange, and how near a converted one must be.
STRANGE = 2.0
NEAR = 1.5


@dataclass(frozen=True, slots=True)
class Unit:
    """Another unit of a measurement: ``value * factor + shift`` of ours."""

    name: str
    factor: float
    shift: float = 0.0

    def ours(self, value: float) -> float:
        """Return the value in the unit of our column."""
        return (value - self.shift) / self.factor


_PRESSURES = (Unit("kPa", 0.133322), Unit("cmHg", 0.1))
OTHER_UNITS: Mapping[str, tuple[Unit, ...]] = {
    "age_years": (Unit("months", 12.0), Unit("days", 365.25)),
    "spo2": (Unit("a share of 1", 0.01),),
    "systolic_bp": _PRESSURES,
    "diastolic_bp": _PRESSURES,
    "temperature_c": (Unit("degrees Fahrenheit", 1.8, 32.0), Unit("kelvin", 1.0, 273.15)),
    "glucose_mmol_l": (Unit("mg/dL", 18.016),),
}


def likely_unit(name: str, centre: float, *, reference: NumericSummary) -> Unit | None:
    """Return the unit in which strange values would be usual ones; None where there is none.

    ``centre`` is the median or mean of the values in question.
    """
    middle, sd = reference.median, max(reference.sd or 0.0, STEPS[name])
    if abs(centre - middle) <= STRANGE * sd:
        return None
    distances = {unit: abs(unit.ours(centre) - middle) for unit in OTHER_UNITS.get(name, ())}
    nearest = min(distances, key=lambda unit: distances[unit], default=None)
    return nearest if nearest is not None and distances[nearest] <= NEAR * sd else None
