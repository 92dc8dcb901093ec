"""The drop-in endpoint, /api/v2/: Zendesk's calls, answered by Jobs UI."""
