"""Stands in for Zendesk: a separate process that shares no code with the client."""
