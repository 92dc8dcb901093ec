"""Reads records by their keys, compares items with them, and keeps what they held before."""
