"""From an upload to planned batches: read, check, plan."""
