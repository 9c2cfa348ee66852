r"""The openly licensed packages that made shops take their pictures and fonts from.

    mkdir packages && cd packages
    apt-get download sweethome3d-furniture tuxpaint-stamps-default openclipart-png fonts-lato \
        fonts-open-sans fonts-comfortaa fonts-cantarell fonts-quicksand fonts-linuxlibertine \
        fonts-dejavu-core fonts-liberation                                (Debian 12)
    npm pack @lobehub/fluent-emoji-3d@1.1.0 openmoji@17.0.0

Nothing of them is in this repository, nor is anything that is made of them.
"""

import hashlib
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A file as its registry has it, pinned by its hash."""

    name: str
    file: str
    sha256: str
    licence: str


PACKAGES = (
    Package(
        "sweethome3d-furniture",
        "sweethome3d-furniture_1.8-1_all.deb",
        "3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
        "CC0 and CC BY 3.0 (3D models of five collections)",
    ),
    Package(
        "tuxpaint-stamps-default",
        "tuxpaint-stamps-default_2022.06.04-1_all.deb",
        "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
        "GPL-2 (photographs with their outline)",
    ),
    Package(
        "openclipart-png",
        "openclipart-png_1%3a0.18+dfsg-19_all.deb",
        "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
        "CC0 (drawings)",
    ),
    Package(
        "lobehub-fluent-emoji-3d",
        "lobehub-fluent-emoji-3d-1.1.0.tgz",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
        "MIT (Microsoft's Fluent Emoji as renders)",
    ),
    Package(
        "openmoji",
        "openmoji-17.0.0.tgz",
        "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68",
        "CC BY-SA 4.0 (drawings)",
    ),
    Package(
        "fonts-lato",
        "fonts-lato_2.0-2.1_all.deb",
        "86f50af146a7df9eca4e69f0262e73e708908435ebfa833df797adfa08843bc5",
        "OFL 1.1 (a font)",
    ),
    Package(
        "fonts-open-sans",
        "fonts-open-sans_1.11-2_all.deb",
        "ed8c4258af6c23e5105fa18940544f060f3c9664fbe881f25130fe0c65bc1485",
        "Apache-2.0 (a font)",
    ),
    Package(
        "fonts-comfortaa",
        "fonts-comfortaa_3.001-3_all.deb",
        "33c65e81b201177a56e6528f7ea5fd6b19f2db0bb6f4f95346b9483691851929",
        "OFL 1.1 (a font)",
    ),
    Package(
        "fonts-cantarell",
        "fonts-cantarell_0.303.1-1_all.deb",
        "8fdf5687d9e2ce70456664519025a6b48fbaaadbc5b1cfbf8b09f72c2dc5f09b",
        "OFL 1.1 (a font)",
    ),
    Package(
        "fonts-quicksand",
        "fonts-quicksand_0.2016-2.1_all.deb",
        "1175e5c64f116887b37ec3c8faea1f411bdef356580bc22298c3c9da75fac120",
        "OFL 1.1 (a font)",
    ),
    Package(
        "fonts-linuxlibertine",
        "fonts-linuxlibertine_5.3.0-6_all.deb",
        "5c77471e910189b3e4e2eda2b1c5f549ddcaf4de8f9640b97773643970d29087",
        "OFL 1.1 (a font)",
    ),
    Package(
        "fonts-dejavu-core",
        "fonts-dejavu-core_2.37-6_all.deb",
        "8892669e51aab4dc56682c8e39d8ddb7d70fad83c369344e1e240bf3ca22bb76",
        "Bitstream Vera (a font)",
    ),
    Package(
        "fonts-liberation",
        "fonts-liberation_1%3a1.07.4-11_all.deb",
        "efd381517f958b01969343634ffcbdd60056be7779af84c6f53a005090430204",
        "OFL 1.1 (a font)",
    ),
)


def unpack(packages: Path, out: Path) -> None:
    """Unpack all into folders of their names. Raises SystemExit for one that is not there."""
    for package in PACKAGES:
        target = out / package.name
        if target.is_dir():
            continue
        file = packages / package.file
        if not file.is_file():
            raise SystemExit(f"{file}: not there; see {__name__} for how to fetch it")
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != package.sha256:
            raise SystemExit(f"{file}: has SHA-256 {found}, expected {package.sha256}")
        target.mkdir(parents=True)
        if file.suffix == ".deb":
            subprocess.run(["dpkg-deb", "-x", str(file), str(target)], check=True)
        else:
            with tarfile.open(file) as archive:
                archive.extractall(target, filter="data")


def font_file(unpacked: Path, name: str) -> Path:
    """The file of a font. Raises SystemExit where no package has it."""
    found = sorted(unpacked.glob(f"fonts-*/**/{name}"))
    if not found:
        raise SystemExit(f"{name}: no package brings this font")
    return found[0]
