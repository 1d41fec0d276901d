"""The ledger in one SQLite file: the default, with nothing to install."""
