"""Serves programs: the REST API at /api/v1/, the Zendesk-compatible one at /api/v2/."""
