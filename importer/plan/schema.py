"""The tables of the staging file."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE invalid (
    position INTEGER PRIMARY KEY,
    reference TEXT NOT NULL,
    cells TEXT NOT NULL,
    extra TEXT,
    error_code TEXT NOT NULL,
    error TEXT NOT NULL,
    outcome TEXT NOT NULL,
    origin INTEGER,
    unseen TEXT
);
-- The valid rows of a batch: positions of the first and the last. What belongs to a segment lies
-- in tables of its own, so that each is read and written without the others.
CREATE TABLE segment (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    height INTEGER NOT NULL,
    rest TEXT
);
CREATE TABLE hashes (first INTEGER PRIMARY KEY, frame BLOB NOT NULL);
CREATE TABLE keys (first INTEGER PRIMARY KEY, frame BLOB NOT NULL);
CREATE TABLE body (first INTEGER PRIMARY KEY, frame BLOB NOT NULL);
CREATE TABLE unchanged (first INTEGER PRIMARY KEY, height INTEGER NOT NULL, frame BLOB NOT NULL);
CREATE TABLE outcome (
    position INTEGER PRIMARY KEY,
    outcome TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    http_status INTEGER NOT NULL,
    error_code TEXT NOT NULL,
    error TEXT NOT NULL
);
CREATE TABLE suspect (
    position INTEGER PRIMARY KEY,
    reference TEXT NOT NULL,
    fingerprint BLOB,
    origin INTEGER NOT NULL
);
"""
PRAGMAS = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA locking_mode = EXCLUSIVE",
    # Frames are written once and read in order: a cache would only hold memory.
    "PRAGMA cache_size = -8192",
    "PRAGMA page_size = 16384",
)
LEFT = (
    "SELECT s.first, s.last, coalesce(s.rest, '') AS rest, s.height - coalesce(u.height, 0)"
    " - (SELECT count(*) FROM outcome o WHERE o.position BETWEEN s.first AND s.last) AS n"
    " FROM segment s LEFT JOIN unchanged u ON u.first = s.first ORDER BY s.first"
)
"""Per segment: how many of its rows have no outcome of their own, and what all those have."""
