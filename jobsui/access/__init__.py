"""Finds what a person or program may see, and keeps API tokens."""
