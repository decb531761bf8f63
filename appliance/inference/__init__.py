"""Models: the catalog, the store, fetching and conversion, sessions, and families of detectors."""
