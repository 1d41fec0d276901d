"""Bytes to text: encodings, how they are found, and blocks of whole lines."""
