from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def site(request):
    """The folder of the site that `make docs` has built."""
    folder = request.config.getoption("--site")
    if not folder:
        pytest.skip("needs the site, which `make docs` builds: --site build/docs")
    return Path(folder).resolve()
