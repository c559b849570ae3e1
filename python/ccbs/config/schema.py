"""The JSON schema of the configuration, and what it says of one field."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import ModelSchema

from ccbs.config.asterisk import AsteriskFile
from ccbs.config.model import ConfigFile
from ccbs.config.problem import FieldPath

__all__ = ["DIALECT", "draw", "expected_at", "fields_at", "schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Plain(GenerateJsonSchema):
    """Titles are kept for what a field expects, so none is made up from the field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        drawn = super().model_schema(schema)
        drawn.pop("title", None)
        return drawn


def draw(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model."""
    return model.model_json_schema(schema_generator=_Plain)


def schema() -> dict[str, Any]:
    """The JSON schema of the configuration file, whichever its switch (draft 2020-12)."""
    models: list[type[BaseModel]] = [ConfigFile, AsteriskFile]
    _, drawn = models_json_schema([(model, "validation") for model in models], schema_generator=_Plain)
    return {
        "$schema": DIALECT,
        "title": "Configuration of ccbs serve",
        "type": "object",
        "properties": {"switch": {"enum": ["sip", "asterisk"]}},
        # An editor tells what is wrong by the one that `switch` chooses; of `oneOf` it would tell both.
        "if": {"properties": {"switch": {"const": "asterisk"}}, "required": ["switch"]},
        "then": {"$ref": "#/$defs/AsteriskFile"},
        "else": {"$ref": "#/$defs/ConfigFile"},
        "$defs": drawn["$defs"],
    }


def _resolve(root: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
    for key in ("anyOf", "allOf"):
        if key in node and "title" not in node:
            options = [option for option in node[key] if option.get("type") != "null"]
            if len(options) == 1:
                return _resolve(root, options[0])
    return node


def _at(root: dict[str, Any], path: FieldPath) -> dict[str, Any] | None:
    node = _resolve(root, root)
    for step in path:
        if isinstance(step, int):
            below = node.get("items")
        else:
            below = node.get("properties", {}).get(step) or node.get("additionalProperties")
        if not isinstance(below, dict):
            return None
        node = _resolve(root, below)
    return node


def fields_at(root: dict[str, Any], path: FieldPath) -> list[str]:
    """The names of the fields that a mapping may have."""
    return list((_at(root, path) or {}).get("properties", {}))


def expected_at(root: dict[str, Any], path: FieldPath) -> str:
    """What a field takes, in words."""
    node = _at(root, path)
    if node is None:
        return "nothing here"
    if "title" in node and path:
        return str(node["title"])
    if "const" in node or "enum" in node:
        values = node.get("enum", [node.get("const")])
        return "one of " + ", ".join(str(value) for value in values) if len(values) > 1 else str(values[0])
    kind = node.get("type")
    if kind == "integer":
        low, high = node.get("minimum"), node.get("maximum")
        bounds = f" from {low} to {high}" if low is not None and high is not None else ""
        return f"a whole number{bounds}"
    if kind == "boolean":
        return "true or false"
    if kind == "array":
        items = _resolve(root, node.get("items", {})).get("enum")
        return f"a list of {', '.join(items)}" if items else "a list"
    if kind == "object":
        fields = list(node.get("properties", {}))
        return "a mapping" + (f" with {', '.join(fields)}" if fields else "")
    return "text"
