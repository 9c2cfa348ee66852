"""One condition that a release has to meet, what was looked at for it, and whether it was met."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Scope(StrEnum):
    """Which rows: those of runs since the served release, those that were there, or all."""

    NEW = "new"
    OLD = "old"
    ALL = "all"


class Finding(BaseModel):
    """What one check of one column found.

    `claim` is what must hold, `rows` how many rows there are of its scope, `looked_at` how many
    were looked at, `wrong` how many of these it does not hold for. `share` is the largest share of
    the scope that this leaves likely; more than `allowed` is refused. `examples` name a few of the
    wrong ones, and `harm` says what they would do to searchers. `skipped` says why nothing was
    looked at, where that is so. `asked_models`: models were asked for it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    column: str
    claim: str
    scope: Scope = Scope.ALL
    rows: int = 0
    looked_at: int = 0
    wrong: int = 0
    share: float = 0.0
    allowed: float = 0.0
    examples: tuple[str, ...] = ()
    harm: str = ""
    skipped: str = ""
    asked_models: bool = False

    @property
    def passed(self) -> bool:
        """Whether a release with this may be published."""
        return self.share <= self.allowed

    @property
    def name(self) -> str:
        """The column with what must hold of it."""
        rows = "" if self.scope is Scope.ALL else f", {self.scope.value} rows"
        return f"{self.column}{rows}: {self.claim}"

    def as_check(self) -> "GateCheck":
        """It as a condition of the gate."""
        wanted = "none wrong" if not self.allowed else f"at most {self.allowed:.3g} wrong"
        found = f"{self.wrong} of {self.looked_at} looked at"
        if self.rows > self.looked_at:
            found += f" ({self.rows} there are)"
        return GateCheck(
            name=self.name,
            passed=self.passed,
            wanted=wanted,
            found=found,
            missed_by=0.0 if self.passed else self.share - self.allowed,
            examples=self.examples,
            harm=self.harm,
            asked_models=self.asked_models,
        )


class GateCheck(BaseModel):
    """One condition of the gate, with what was asked and what was found.

    `missed_by` is how far the found number lies on the wrong side of the limit; 0 where it passed,
    or where there is no number. `examples` are of what is wrong, `harm` is what it would do to
    searchers.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    passed: bool
    wanted: str
    found: str
    missed_by: float = 0.0
    examples: tuple[str, ...] = ()
    harm: str = ""
    asked_models: bool = False

    @property
    def told(self) -> str:
        """It in one line, for somebody whose release was refused."""
        parts = [f"{self.name}: wanted {self.wanted}, found {self.found}"]
        if self.examples:
            parts.append(f"e.g. {', '.join(self.examples)}")
        if self.harm:
            parts.append(self.harm)
        return "; ".join(parts)


def at_least(name: str, found: float, wanted: float, harm: str = "") -> GateCheck:
    """A number that must not be smaller than `wanted`."""
    return _check(name, found, f">= {wanted:g}", wanted - found, harm, passed=found >= wanted)


def at_most(name: str, found: float, wanted: float, harm: str = "") -> GateCheck:
    """A number that must not be larger than `wanted`."""
    return _check(name, found, f"<= {wanted:g}", found - wanted, harm, passed=found <= wanted)


def _check(
    name: str, found: float, wanted: str, beyond: float, harm: str, *, passed: bool
) -> GateCheck:
    missed = 0.0 if passed else float(beyond)
    return GateCheck(
        name=name, passed=passed, wanted=wanted, found=f"{found:.4g}", missed_by=missed, harm=harm
    )
