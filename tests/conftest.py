"""What tests of several parts share."""

from pathlib import Path

import pytest

from appliance.inference.catalog import load_catalog
from appliance.inference.fetch import pull, pull_demo_clip
from appliance.inference.store import Store


@pytest.fixture(scope="session")
def demo_store() -> Store:
    """The demo's own store with the model `people-ssdlite` and a clip, fetched once per machine."""
    store = Store(Path(__file__).parents[1] / ".appliance")
    catalog = load_catalog()
    pull(catalog["people-ssdlite"], store, print)
    pull_demo_clip(catalog, store, print)
    return store
