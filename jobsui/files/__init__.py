"""Reads tables from CSV, XLSX, JSON and JSON Lines, as a stream."""
