"""What every section of the configuration has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """A mapping of the file: unknown fields are refused, nothing is converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
