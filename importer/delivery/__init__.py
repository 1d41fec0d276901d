"""Delivery: planned rows in, settled rows out, by the protocol in docs/delivery.md."""
