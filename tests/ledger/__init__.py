"""Tests of the results ledger."""
