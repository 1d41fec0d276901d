"""The results ledger: which row became which customer, durable before anything is sent.

A SQLite file, or a PostgreSQL database. Synchronous and without a clock: times are passed in, and
the caller decides where its calls run (one thread at a time).
"""
