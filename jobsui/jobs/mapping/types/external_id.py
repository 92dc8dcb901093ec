"""Keys of the person's own. One that an export has probably ruined would create a second
record instead of changing the first, or change another one."""

import re

from jobsui.files import invisible
from jobsui.jobs.mapping.types.base import (
    CONTROL,
    PLAIN_TEXT_BYTES,
    SPACES,
    ValueType,
    problem,
)
from jobsui.jobs.mapping.types.name import require_no_spaces

ROUNDED = re.compile(r"[+-]?\d+([.,]\d+[eE]\+?|[eE]\+)\d+", re.ASCII)
"""What spreadsheets make of long numbers: 4.01E+12, 4,01E12, 4E+12. A plain 12E5 may be an
ID."""
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
"""Invisible characters: control characters, soft hyphens, zero-width spaces and
joiners, marks of direction, byte order marks."""
REMOVE_BY_RULE = (
    "Remove invisible characters in the rule of External ID, or type the ID again."
)
TYPE_AGAIN = "Type the ID again."
"""No rule removes control characters, and joiners: some texts need these."""
NEVER_PLAIN = (
    rf'"\\{CONTROL}\x{{7f}}-\x{{9f}}\x{{ad}}\x{{180e}}\x{{200b}}-\x{{200f}}'
    r"\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}"
)
SEEN = f"[^{NEVER_PLAIN}]"
AT_ENDS = f"[^{NEVER_PLAIN}{SPACES}]"
MAY_BEGIN = f"[^{NEVER_PLAIN}{SPACES}#0-9+-]"
NO_POWER = f"[^{NEVER_PLAIN}eE]"
NO_POWER_AT_END = f"[^{NEVER_PLAIN}{SPACES}eE]"


class ExternalID(ValueType, names=("standard::external_id",)):
    plain = f"{MAY_BEGIN}(?:{SEEN}*{AT_ENDS})?|[0-9+-](?:{NO_POWER}*{NO_POWER_AT_END})?"
    plain_bytes = PLAIN_TEXT_BYTES.translate(None, b"eE")
    is_text = True
    keeps_text = True
    is_field = False

    def parse(self, text: str) -> str:
        if ROUNDED.fullmatch(text.strip()):
            raise problem(
                "rounded",
                text.strip(),
                "is a rounded number: its last digits are lost",
                "Format the column as text before it is exported, and upload the file again.",
            )
        require_no_spaces(text)
        if hidden := INVISIBLE.search(text):
            is_removable = not INVISIBLE.search(invisible.removed(text))
            raise problem(
                "invisible_character",
                INVISIBLE.sub("�", text),
                f"has an invisible character (U+{ord(hidden[0]):04X})",
                REMOVE_BY_RULE if is_removable else TYPE_AGAIN,
            )
        return text
