"""One condition that a release has to meet, and whether it did."""

from pydantic import BaseModel, ConfigDict


class GateCheck(BaseModel):
    """One condition of the gate, with what was asked and what was found.

    `missed_by` is how far the found number lies on the wrong side of the limit; 0 where it passed,
    or where there is no number.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    passed: bool
    wanted: str
    found: str
    missed_by: float = 0.0


def at_least(name: str, found: float, wanted: float) -> GateCheck:
    """A number that must not be smaller than `wanted`."""
    return _check(name, found, f">= {wanted:g}", wanted - found, passed=found >= wanted)


def at_most(name: str, found: float, wanted: float) -> GateCheck:
    """A number that must not be larger than `wanted`."""
    return _check(name, found, f"<= {wanted:g}", found - wanted, passed=found <= wanted)


def _check(name: str, found: float, wanted: str, beyond: float, *, passed: bool) -> GateCheck:
    missed = 0.0 if passed else float(beyond)
    return GateCheck(
        name=name, passed=passed, wanted=wanted, found=f"{found:.4g}", missed_by=missed
    )
