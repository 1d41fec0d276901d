"""The API that the benchmarks post to, its load generators, and their own limits."""
