"""The ledger in PostgreSQL: one that several machines share."""
