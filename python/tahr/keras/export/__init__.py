"""`keras.export`: several functions of a model as graph files. The work is done in `tahr.keras.exporting`."""

from __future__ import annotations

from tahr.keras.exporting.archive import ExportArchive

__all__ = ["ExportArchive"]
