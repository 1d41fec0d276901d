"""Parquet files, whole columns at a time."""
