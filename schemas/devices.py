"""Which device each model of a run runs on."""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

Device: TypeAlias = Literal["cpu", "cuda"]
Precision: TypeAlias = Literal["fp32", "fp16", "bf16"]


class ModelDevices(BaseModel):
    """The device of each model, as the model itself says once it is loaded.

    Which machine a model runs on is no part of what it is: vectors of both devices are of one
    space, and so this stands beside the models' refs and not in them.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    image: str
    text: str
    asr: str
    ocr: str
    # Text is searched for where frames are decoded, and that is on CPUs.
    detector: str = "cpu"

    @property
    def any_gpu(self) -> bool:
        """Whether any model runs on a GPU."""
        return any("cuda" in device for _, device in self)

    @property
    def told(self) -> str:
        """For a log: the device of each model."""
        return ", ".join(f"{role} on {device}" for role, device in self)

    def beside(self, other: "ModelDevices | None") -> "ModelDevices":
        """What models of several workers run on, where they may differ."""
        if other is None:
            return self
        both = {
            role: ", ".join(sorted({*device.split(", "), *getattr(other, role).split(", ")}))
            for role, device in self
        }
        return ModelDevices.model_validate(both)
