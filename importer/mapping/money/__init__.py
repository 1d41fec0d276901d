"""Amounts as files write them, to minor units, as text all the way."""
