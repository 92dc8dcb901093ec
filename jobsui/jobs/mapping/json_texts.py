"""JSON strings without their quotation marks, as blocks of columns have them."""

import json
from collections.abc import Iterable


def decoded(content: str) -> str:
    return str(json.loads(f'"{content}"'))


def encoded(texts: Iterable[str]) -> list[str]:
    return [json.dumps(text, ensure_ascii=False)[1:-1] for text in texts]
