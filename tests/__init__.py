"""Tests, and the programs that make targets run."""
