"""What the documentation's pages show as questions or commands, each with the answer printed below it."""

import re
from typing import Final

ANSWERED: Final = re.compile(r"^```sql\n([^`]*)^```\n\n```csv\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
"""A question and its answer, with a header."""

SHOWN: Final = re.compile(r"^```sh\n((?:hoso [^\n]*\n)+)```\n\n```text\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
"""Lines of commands, and what they print."""
