"""Runs the product: commands, supervised processes, health checks, the demo."""
