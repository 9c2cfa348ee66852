"""One known input for each model, which it answers when it is loaded.

A model can be loaded and still be wrong: a library of another CUDA that fails at the first call, a
kernel that this GPU does not have, a checkpoint that does not fit its code. So each is asked once
before it sees a video: for what it must read or hear, and for vectors that its weights are known to
give. Vectors are compared by sixteen fixed projections, which differ by less than 0.045 of their
length where the cosine is 0.999.
"""

import wave
from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from reelshelf.models.protocols import ImageEncoder, TextEncoder, TextReader
from reelshelf.schemas.errors import ModelUnavailable
from reelshelf.schemas.media import Pixels, Samples, Vectors

WORDS = "REELSHELF 2049"
SENTENCE = "a red apple and a green pear"
_PROJECTIONS, _TOLERANCE = 16, 0.045

# What the shipped weights answer, by their space. Made on a CPU with `signature`.
# fmt: off
_PICTURES: Mapping[str, tuple[float, ...]] = {
    "offline-visual-2": (
        0.9237, -1.2534, 0.695, -0.3296, -0.9787, 0.3028, -1.42, -0.3733,
        0.8713, 2.3037, -0.3756, 1.4126, -0.4905, 0.0505, -0.679, 0.3724,
    ),
}
_SENTENCES: Mapping[str, tuple[float, ...]] = {
    "all-MiniLM-L6-v2": (
        -0.7463, -1.8778, -0.96, 0.3809, -1.0326, 1.4117, 1.8591, -1.322,
        0.3108, 0.1912, 1.4626, 0.65, 0.4797, -0.1675, -1.0937, -0.7426,
    ),
    "use-multilingual-3": (
        0.3476, -2.0014, 0.2943, 0.4462, -0.8591, -1.586, 0.5418, 1.7826,
        0.3167, -0.0136, 0.253, 0.1033, 1.0161, 0.7452, -0.5158, 0.4727,
    ),
    "all-MiniLM-L6-v2+use-multilingual-3": (
        -1.1692, -0.1356, -0.135, -0.5517, -0.9398, 0.7948, -1.2049, -0.2512,
        1.9015, 0.0594, 0.5369, 2.5595, -0.6215, 0.6335, -1.1085, -0.7984,
    ),
}
# fmt: on


def check_pictures(encoder: ImageEncoder) -> None:
    """Raise ModelUnavailable where an encoder does not see the known picture as it must."""
    found = encoder.encode_images([picture()])
    _check_vector(found, _PICTURES.get(encoder.ref.space), encoder.ref.name, encoder.device)


def check_sentences(encoder: TextEncoder) -> None:
    """Raise ModelUnavailable where an encoder does not take the known sentence as it must."""
    found = encoder.encode_texts([SENTENCE])
    _check_vector(found, _SENTENCES.get(encoder.ref.space), encoder.ref.name, encoder.device)


def check_reading(reader: TextReader) -> None:
    """Raise ModelUnavailable where a reader does not find and read the known words."""
    if not set(WORDS.replace(" ", "")) <= reader.characters:
        return  # a recognizer of other letters
    # Whatever it takes the colored spot for besides is no fault.
    lines = reader.detect(picture())
    read = " ".join(text for text, _ in reader.recognize([line.crop for line in lines]))
    if WORDS.replace(" ", "") not in read.replace(" ", ""):
        raise _wrong(reader.ref.name, reader.device, f"it reads {read!r} where {WORDS!r} is drawn")


def check_heard(heard: str, name: str, device: str) -> None:
    """Raise ModelUnavailable where what was heard in the known sound is not what is said there."""
    # "Pear" is a pair to some.
    if "apple" not in heard.lower():
        raise _wrong(name, device, f"it hears {heard!r} where {SENTENCE!r} is said")


def check_same(found: Vectors, wanted: Vectors, name: str, device: str) -> None:
    """Raise ModelUnavailable where `(n, dim)` unit vectors of a device are not those of a CPU."""
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    cosine = float(((found * wanted).sum(axis=1) / lengths).min())
    if not cosine >= 0.999:
        raise _wrong(name, device, f"the cosine to what a CPU answers is {cosine:.4f}")


def picture() -> Pixels:
    """`(360, 640, 3)`: colors that run into each other, with the known words below."""
    # Whoever only names models does not pay for it.
    import cv2

    down, right = np.mgrid[0:360, 0:640]
    image = np.stack([right * 255 // 639, down * 255 // 359, 255 - right * 255 // 639], axis=2)
    image = np.ascontiguousarray(image, np.uint8)
    cv2.circle(image, (320, 130), 90, (200, 30, 40), -1)
    cv2.rectangle(image, (0, 260), (640, 360), (255, 255, 255), -1)
    cv2.putText(image, WORDS, (60, 330), cv2.FONT_HERSHEY_SIMPLEX, 2.0, (0, 0, 0), 4, cv2.LINE_AA)
    return image


def speech() -> Samples:
    """The known sentence, said by a synthetic voice: 16 kHz mono."""
    path = files("reelshelf.models").joinpath("sounds", "red-apple-green-pear.wav")
    with path.open("rb") as file, wave.open(file) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), np.int16)


def signature(vector: Vectors) -> tuple[float, ...]:
    """A vector `(dim,)` as what is kept of it: its projections on fixed directions."""
    signs = np.random.default_rng(7).choice([-1.0, 1.0], (_PROJECTIONS, len(vector)))
    return tuple(float(value) for value in (signs @ vector).round(4))


def _check_vector(found: Vectors, wanted: tuple[float, ...] | None, name: str, device: str) -> None:
    if not np.isfinite(found).all() or abs(float(np.linalg.norm(found)) - 1.0) > 1e-2:
        raise _wrong(name, device, "its vector is not finite and of length 1")
    if wanted is None:
        return
    difference = np.linalg.norm(np.subtract(signature(found[0]), wanted))
    if difference > _TOLERANCE * np.linalg.norm(wanted):
        raise _wrong(name, device, "its vector is not the one that its weights are known to give")


def _wrong(name: str, device: str, why: str) -> ModelUnavailable:
    on = "a GPU" if device == "cuda" else "the CPU"
    return ModelUnavailable(
        f"model {name} on {on} does not give the known answer to a known input: {why}. "
        "Its libraries do not fit each other: install them anew as README.md says, on GPUs with "
        "the versions in constraints-gpu.txt"
    )
