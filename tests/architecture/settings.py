"""The settings that exist, found in the models that read them."""

from __future__ import annotations

import importlib
import re
from typing import Final

from pydantic import BaseModel

#: Read by Flower or by OpenTelemetry, or without a model (tasks.settings.redis_url).
WITHOUT_MODEL: Final = {
    "REDIS_URL",
    "FLOWER_BASIC_AUTH",
    "FLOWER_PORT",
    "FLOWER_DB",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_SDK_DISABLED",
}


def models() -> dict[str, type[BaseModel]]:
    """Return the model of each prefix, which its docstring names as (`STOCKRELAY_LEDGER_…`)."""
    found = {}
    for package in ("tasks", "workers", "producers"):
        for value in vars(importlib.import_module(f"{package}.settings")).values():
            if isinstance(value, type) and issubclass(value, BaseModel):
                prefix = re.search(r"\(`(STOCKRELAY_[A-Z]+_)…`\)", value.__doc__ or "")
                if prefix:
                    found[prefix[1]] = value
    return found


def known_settings() -> set[str]:
    """Return the names of all settings, without their `_FILE` forms."""
    return WITHOUT_MODEL | {
        f"{prefix}{field.upper()}" for prefix, model in models().items() for field in model.model_fields
    }
