"""The pytest fixtures of this package. The plugin registers them, so that a test names them as arguments.

Imported only by the plugin, when pytest runs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..engine import Domain, as_default_domain

__all__ = ["rws_domain"]


@pytest.fixture
def rws_domain(request: pytest.FixtureRequest) -> Iterator[Domain]:
    """A fresh domain for each test: the default domain of the process while the test runs.

    It is strict: an exception of an observer, a selector or a derive function leaves the write that delivered it, so the test
    fails. Stores that the test makes without `domain=` belong to it. Stores of imported modules keep their own domain.
    """
    with as_default_domain(Domain(request.node.name, strict=True)) as domain:
        yield domain
