"""Tells people and programs how a job is going and what it did."""
