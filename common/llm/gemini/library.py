"""The one import of google-generativeai."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # The package announces its own end of life; docs/adr/0004-llm-layer.md says why it is used all the same.
    warnings.filterwarnings("ignore", message=r"\s*All support for the `google.generativeai`", category=FutureWarning)
    from google.generativeai import protos

__all__ = ["protos"]
