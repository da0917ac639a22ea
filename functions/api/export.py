"""Writes the OpenAPI document to a file: `python -m functions.api.export docs/openapi.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from common.bootstrap import Services
from common.settings import Settings
from functions.api.app import create_app
from functions.api.openapi import document


def export(path: Path) -> None:
    """Writes the document as it is now."""
    with create_app(Services(Settings())).app_context():
        path.write_text(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    export(Path(sys.argv[1]))
