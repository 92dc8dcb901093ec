"""Sends planned batches to Zendesk and records the responses."""
