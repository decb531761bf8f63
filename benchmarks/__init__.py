"""What we measure, and against whom: `make bench-NAME` runs `python -m benchmarks.NAME`."""
