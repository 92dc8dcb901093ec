"""Speaks HTTP to Zendesk. Knows neither Django nor the database."""
