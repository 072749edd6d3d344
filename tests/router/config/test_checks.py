from __future__ import annotations

import pytest

from router.config.checks import HEADERS_OF_THE_CONNECTION
from tests.builders import a_provider


@pytest.mark.parametrize("name", sorted(HEADERS_OF_THE_CONNECTION))
def test_what_the_connection_says_by_itself_cannot_be_configured(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name.title()}' cannot be set"):
        a_provider("p", headers={name.title(): "x"})
    with pytest.raises(ValueError, match=f"'{name.title()}' cannot be set"):
        a_provider("p", key_header=name.title())
