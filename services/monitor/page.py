"""The page's files, as they lie in `static/`: no build step, nothing from a foreign host."""

import hashlib
from pathlib import Path
from typing import Any, Final

from fastapi import Response
from starlette.staticfiles import StaticFiles

STATIC: Final = Path(__file__).parent / "static"
# Asked for anew each time, so that all files are of one build; nothing may be loaded from elsewhere.
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}


class PageFiles(StaticFiles):
    """Serves `static/`, its index at the root."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC, html=True)

    def file_response(self, *args: Any, **options: Any) -> Response:
        """A file with our headers."""
        response = super().file_response(*args, **options)
        response.headers.update(HEADERS)
        return response


def page_build() -> str:
    """Names the build of the page by its content: an open page loads itself anew when this changes."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
