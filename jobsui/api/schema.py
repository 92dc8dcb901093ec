import ninja
from pydantic import ConfigDict


class Schema(ninja.Schema):
    """Docstrings of members become their descriptions in the OpenAPI document."""

    model_config = ConfigDict(use_attribute_docstrings=True)
