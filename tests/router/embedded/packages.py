"""Data packages as they lie in an environment after installation: a dist-info directory and the files it records."""

from __future__ import annotations

import hashlib
from pathlib import Path

from router.embedded.models import Model, Part


def install(site: Path, distribution: str, file: str, content: bytes) -> Path:
    """Lay out one installed package below `site`, as pip does; return the data file."""
    package = distribution.replace("-", "_")
    data = site / package / "data" / file
    data.parent.mkdir(parents=True)
    data.write_bytes(content)
    (site / package / "__init__.py").write_text("raise AssertionError('code of a data package was imported')\n")
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {distribution}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{package}/__init__.py,,\n{package}/data/{file},,\n{info.name}/METADATA,,\n")
    return data


def a_model(site: Path, contents: tuple[bytes, ...], *, sha256: str | None = None) -> Model:
    """Install one package per content; return the model that they join to."""
    for number, content in enumerate(contents, start=1):
        install(site, f"toy-model-part{number}", f"part{number:02}.bin", content)
    whole = b"".join(contents)
    return Model(
        name="toy",
        parts=tuple(Part(f"toy-model-part{n}", f"data/part{n:02}.bin") for n in range(1, len(contents) + 1)),
        size=len(whole),
        sha256=sha256 or hashlib.sha256(whole).hexdigest(),
        extra="local",
    )
