"""Reads tables from CSV, XLSX, JSON and JSON Lines, as a stream."""

import os

# pyarrow reads it when it is imported. Its own allocators keep freed memory for
# themselves, and a worker reads one file after the other.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
