"""Looks at a file and proposes a mapping: each choice with its reason, each doubt as a question."""
