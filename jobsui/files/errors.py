class FileRefused(Exception):
    """A file, or a row of it, that cannot be read. `str()` says what is wrong and what
    to do."""
