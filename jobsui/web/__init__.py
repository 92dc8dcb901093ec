"""Serves the pages: views, forms, middleware."""
