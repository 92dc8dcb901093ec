"""Accepts the actions of people, programs and the sweep on a job."""
