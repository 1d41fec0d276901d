"""What may be sent, and what an answer means: pure state machines, one step at a time."""
