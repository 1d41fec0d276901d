"""Results: what became of every input record, as files for people, spreadsheets and scripts."""
