"""The REST API: what programs see, on the same functions as the pages."""
