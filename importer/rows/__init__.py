"""Rows: records in, validated customers with fingerprints out."""
