"""The benchmarks: what is measured, against what, and how (README.md)."""
