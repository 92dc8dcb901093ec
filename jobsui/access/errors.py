class TokenRefused(Exception):
    """An API token that may not be created. Its text is a sentence for people."""
