"""A cluster on one machine: database, scheduler, workers and sandbox, killed and audited."""
