"""Turns an upload into planned batches: read, check, plan."""
