"""Changes a job's state and counts, and gives each row its result."""
