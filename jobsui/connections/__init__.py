"""Zendesk accounts: their credentials, hosts and custom objects."""
