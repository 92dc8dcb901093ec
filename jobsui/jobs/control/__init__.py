"""Accepts what people, programs and the sweep ask of a job."""
