"""High dynamic range to what a screen of standard range shows.

Light is computed from the code values (PQ, SMPTE ST 2084; HLG, ITU-R BT.2100-2), moved from the
primaries of BT.2020 to those of BT.709, and its highlights are rolled off above a knee as ITU-R
BT.2390-8 section 5.4.1 says. Diffuse white is 203 cd/m2 (ITU-R BT.2408-5). FFmpeg's own conversion
(libswscale 9) clips there instead: below the knee both agree.
"""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from reelshelf.schemas.media import Pixels, Vectors

Codes: TypeAlias = npt.NDArray[np.uint16]
Light: TypeAlias = npt.NDArray[np.float64]

PQ, HLG = 16, 18  # as ITU-T H.273 numbers transfer characteristics
_WHITE, _PEAK = 203.0, 1000.0
_GAMMA = 2.4  # BT.1886
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
# Linear BT.2020 to BT.709 (ITU-R BT.2087-0).
_PRIMARIES = np.array(
    [
        [1.6605, -0.5876, -0.0728],
        [-0.1246, 1.1329, -0.0083],
        [-0.0182, -0.1006, 1.1187],
    ],
    np.float32,
)
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
_STEPS = 4096


def tone_mapped(codes: Codes, transfer: int) -> Pixels:
    """`(H, W, 3)` uint16 RGB of BT.2020 primaries to uint8 RGB of BT.709."""
    index = codes >> 4
    if transfer == PQ:
        light = _pq_light()[index]
    else:
        scene = _hlg_scene()[index]
        luminance = scene @ _LUMINANCE
        # The system gamma of a display of 1000 cd/m2.
        light = scene * (np.maximum(luminance, 1e-6) ** 0.2)[..., None] * _PEAK
    light = np.clip(light @ _PRIMARIES.T, 0.0, _PEAK)
    return np.asarray(_shown()[np.sqrt(light * (_STEPS - 1) ** 2 / _PEAK).astype(np.intp)])


@lru_cache(maxsize=1)
def _pq_light() -> Vectors:
    """Light in cd/m2 for each code, of 4096."""
    root = (np.arange(_STEPS) / (_STEPS - 1)) ** (1 / _M2)
    light = (np.maximum(root - _C1, 0.0) / (_C2 - _C3 * root)) ** (1 / _M1)
    return np.asarray(light * 10_000.0, np.float32)


@lru_cache(maxsize=1)
def _hlg_scene() -> Vectors:
    """Light of the scene, 0..1, for each code, of 4096."""
    code = np.arange(_STEPS) / (_STEPS - 1)
    low, high = code**2 / 3, (np.exp((code - _C) / _A) + _B) / 12
    return np.asarray(np.where(code <= 0.5, low, high), np.float32)


@lru_cache(maxsize=1)
def _shown() -> Pixels:
    """What a screen is given for light up to the peak, by the square root of it, in 4096 steps."""
    light = (np.arange(_STEPS) / (_STEPS - 1)) ** 2 * _PEAK
    mapped = _from_pq(_rolled_off(_to_pq(light)))
    shown = np.clip(mapped / _WHITE, 0.0, 1.0) ** (1 / _GAMMA)
    return np.asarray(np.round(shown * 255), np.uint8)


def _to_pq(light: Light) -> Light:
    power = (light / 10_000.0) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def _from_pq(code: Light) -> Light:
    root = code ** (1 / _M2)
    return np.asarray((np.maximum(root - _C1, 0.0) / (_C2 - _C3 * root)) ** (1 / _M1) * 10_000.0)


def _rolled_off(code: Light) -> Light:
    """The spline of BT.2390: the same below the knee, and the peak becomes white."""
    peak = float(_to_pq(np.array(_PEAK)))
    most = float(_to_pq(np.array(_WHITE))) / peak
    part = code / peak
    knee = 1.5 * most - 0.5
    t = np.clip((part - knee) / (1 - knee), 0.0, 1.0)
    above = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * most
    )
    return np.asarray(np.where(part < knee, part, above) * peak)
