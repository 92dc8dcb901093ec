"""Asks a Zendesk account which of our assumptions hold there, for `manage.py verify`."""
