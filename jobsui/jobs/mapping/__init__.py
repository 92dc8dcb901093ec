"""Turns a row's cells into a Zendesk item, by the job's mapping."""
