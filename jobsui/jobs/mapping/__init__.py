"""Which column fills which Zendesk field, and what a row becomes by it."""
