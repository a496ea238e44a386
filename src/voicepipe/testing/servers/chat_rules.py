"""Checks of a chat completion request: messages, functions and limits.

The rules are those of `POST /v1/chat/completions` at OpenAI, and those of the strictest chat templates (Mistral, Gemma,
Llama 2) for the order of roles, which OpenAI does not check: what passes here is valid everywhere. Unknown fields are
accepted, because services have fields of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, cast

__all__ = ["BadRequest", "check", "check_messages"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ROLES = ("developer", "system", "user", "assistant", "tool")
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_MOST_TOOLS = 128
# What may come behind each role; "call" is an assistant's message with function calls.
_FOLLOWS = {
    "start": ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user",),
    "call": ("tool",),
    "tool": ("tool", "assistant"),
}


class BadRequest(Exception):
    """HTTP 400: `param` is the wrong place, `code` the kind of the mistake, if it has a name."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code


def check(body: Any) -> None:
    """Raise BadRequest for the first mistake in a request's body."""
    if not isinstance(body, dict):
        raise BadRequest("We could not parse the JSON body of your request.")
    request = cast("dict[str, Any]", body)
    check_messages(_list(request.get("messages"), "messages"))
    names = _tool_names(request["tools"]) if "tools" in request else []
    _check_choice(request, names)
    for key in ("max_tokens", "max_completion_tokens"):
        _check_number(request, key, least=1, most=None, whole=True)
    _check_number(request, "temperature", least=0, most=2, whole=False)
    if "stream_options" in request and not request.get("stream"):
        raise BadRequest("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")


# ---- messages --------------------------------------------------------------------------------------------------------


def check_messages(messages: list[Any]) -> None:
    """Check that messages are complete, and that each message with calls is followed by exactly their results."""
    waiting: list[str] = []
    answered: list[str] = []
    for number, message in enumerate(messages):
        where = f"messages.[{number}]"
        role = _role(message, where)
        if role != "tool" and waiting:
            _refuse_unanswered(waiting, f"{where}.role")
        if role == "tool":
            _check_result(message, waiting, answered, where)
        else:
            answered = []
            waiting = list(_call_ids(message, where)) if role == "assistant" else []
        _check_content(message, role, where)
    if waiting:
        _refuse_unanswered(waiting, f"messages.[{len(messages) - 1}].role")
    _check_order(messages)


def _check_order(messages: list[Any]) -> None:
    """Check that the system prompt is first, user and assistant alternate, and the user or a result is last."""
    before = "start"
    for number, message in enumerate(messages):
        role = "system" if message["role"] == "developer" else message["role"]
        if role not in _FOLLOWS[before]:
            what = f"{role} may not come behind {before}; roles must alternate user/assistant, with the system first"
            raise BadRequest(f"Conversation roles: {what}.", f"messages.[{number}].role")
        before = "call" if message.get("tool_calls") else role
    if before not in ("user", "tool"):
        what = f"Expected last role user or tool, but got {before}."
        raise BadRequest(what, f"messages.[{len(messages) - 1}].role")


def _refuse_unanswered(waiting: list[str], param: str) -> NoReturn:
    what = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
    raise BadRequest(f"{what} The following tool_call_ids did not have response messages: {', '.join(waiting)}", param)


def _role(message: Any, where: str) -> str:
    role = cast("dict[str, Any]", message).get("role") if isinstance(message, dict) else None
    if role not in _ROLES:
        raise BadRequest(f"Invalid value: {role!r}. Supported values are: {', '.join(_ROLES)}.", f"{where}.role")
    return str(role)


def _check_result(message: dict[str, Any], waiting: list[str], answered: list[str], where: str) -> None:
    call_id = _text(message.get("tool_call_id"), f"{where}.tool_call_id")
    if not waiting and not answered:
        what = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
        raise BadRequest(f"Invalid parameter: {what}", f"{where}.role")
    if call_id not in waiting:
        what = f"'tool_call_id' of {call_id!r} not found in 'tool_calls' of previous message."
        raise BadRequest(f"Invalid parameter: {what}", f"{where}.tool_call_id")
    waiting.remove(call_id)
    answered.append(call_id)


def _check_content(message: dict[str, Any], role: str, where: str) -> None:
    content = message.get("content")
    if content is None and role == "assistant" and message.get("tool_calls"):
        return
    if not isinstance(content, str | list):
        got = "null" if content is None else type(content).__name__
        raise BadRequest(f"Invalid value for 'content': expected a string, got {got}.", f"{where}.content")
    if isinstance(content, str) and not _can_be_encoded(content):
        raise BadRequest("We could not parse the JSON body of your request.", f"{where}.content")


def _can_be_encoded(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _call_ids(message: dict[str, Any], where: str) -> Iterator[str]:
    if "tool_calls" not in message:
        return
    seen: list[str] = []
    for number, call in enumerate(_list(message["tool_calls"], f"{where}.tool_calls")):
        at = f"{where}.tool_calls[{number}]"
        match call:
            case {"id": str(call_id), "type": "function", "function": {"name": str(name), "arguments": str()}}:
                _check_name(name, f"{at}.function.name")
            case _:
                what = "an 'id', 'type': 'function', and a 'function' with 'name' and 'arguments', both strings"
                raise BadRequest(f"Invalid '{at}': a tool call has {what}.", at)
        if not call_id or call_id in seen:
            raise BadRequest(f"Invalid parameter: Duplicate value for 'tool_call_id' of {call_id!r}.", f"{at}.id")
        seen.append(call_id)
        yield call_id


# ---- functions -------------------------------------------------------------------------------------------------------


def _tool_names(tools: Any) -> list[str]:
    """Return the offered functions."""
    names: list[str] = []
    for number, tool in enumerate(_list(tools, "tools", most=_MOST_TOOLS)):
        where = f"tools[{number}]"
        match tool:
            case {"type": "function", "function": {"name": str(name)} as function}:
                _check_name(name, f"{where}.function.name")
            case _:
                what = "a tool has 'type': 'function', and a 'function' with a 'name'"
                raise BadRequest(f"Invalid '{where}': {what}.", where)
        if name in names:
            raise BadRequest(f"Invalid '{where}': there is a function {name!r} already.", f"{where}.function.name")
        names.append(name)
        if "description" in function:
            _text(function["description"], f"{where}.function.description")
        if "parameters" in function:
            _check_parameters(name, function["parameters"], f"{where}.function.parameters")
    return names


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        what = "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]{1,64}$'."
        raise BadRequest(f"Invalid '{where}': {what}", where, "invalid_value")


def _check_parameters(name: str, schema: Any, where: str) -> None:
    kind = cast("Mapping[str, Any]", schema).get("type") if isinstance(schema, dict) else schema

    def refuse(what: str) -> BadRequest:
        return BadRequest(f"Invalid schema for function {name!r}: {what}", where, "invalid_function_parameters")

    if kind != "object":
        raise refuse(f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'.")
    _check_schema(schema, (), refuse)


def _check_schema(schema: Any, path: tuple[str, ...], refuse: Callable[[str], BadRequest]) -> None:
    """Check a schema and the schemas within it, for mistakes that occur in practice."""
    context = f"In context={path}, "
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise refuse(f"{context}{schema!r} is not of type 'object', 'boolean'.")
    part = cast("dict[str, Any]", schema)
    kinds: Any = part.get("type", [])
    if wrong := [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind not in _TYPES]:
        raise refuse(f"{context}{wrong[0]!r} is not valid under any of the given schemas.")
    if kinds == "array" and "items" not in part:
        raise refuse(f"{context}array schema missing items.")
    if unknown := set(part.get("required", ())) - set(part.get("properties", ())):
        raise refuse(f"{context}'required' names {', '.join(map(repr, sorted(unknown)))}, which is no property.")
    for key in ("properties", "$defs"):
        for name, inner in part.get(key, {}).items():
            _check_schema(inner, (*path, key, name), refuse)
    for key in ("items", "additionalProperties"):
        if key in part:
            _check_schema(part[key], (*path, key), refuse)
    for key in ("anyOf", "allOf", "oneOf"):
        for number, inner in enumerate(part.get(key, [])):
            _check_schema(inner, (*path, key, str(number)), refuse)


def _check_choice(request: dict[str, Any], names: list[str]) -> None:
    for key in ("tool_choice", "parallel_tool_calls"):
        if key in request and not names:
            raise BadRequest(f"'{key}' is only allowed when 'tools' are specified.", key)
    match request.get("tool_choice", "auto"):
        case "none" | "auto" | "required":
            pass
        case {"type": "function", "function": {"name": str(name)}}:
            if name not in names:
                what = f"Tool choice {name!r} not found in 'tools' parameter."
                raise BadRequest(f"Invalid value for 'tool_choice': {what}", "tool_choice")
        case other:
            supported = "'none', 'auto', 'required', and an object with 'type' and 'function'"
            raise BadRequest(f"Invalid value: {other!r}. Supported values are: {supported}.", "tool_choice")


# ---- values ----------------------------------------------------------------------------------------------------------


def _list(value: Any, where: str, *, most: int | None = None) -> list[Any]:
    """Check that it is a list with at least one element."""
    if not isinstance(value, list):
        what = "Missing required parameter" if value is None else f"Invalid type, expected an array, for '{where}'"
        raise BadRequest(f"{what}: '{where}'.", where, "missing_required_parameter" if value is None else None)
    values = cast("list[Any]", value)
    if not values:
        what = "empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise BadRequest(f"Invalid '{where}': {what}", where, "empty_array")
    if most is not None and len(values) > most:
        what = f"array too long. Expected an array with maximum length {most}, but got {len(values)} instead."
        raise BadRequest(f"Invalid '{where}': {what}", where, "array_above_max_length")
    return values


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        what = f"Missing parameter '{where}'." if value is None else f"Invalid type for '{where}': expected a string."
        raise BadRequest(what, where)
    return value


def _check_number(request: dict[str, Any], key: str, *, least: int, most: int | None, whole: bool) -> None:
    value = request.get(key)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        kind = "an integer" if whole else "a decimal"
        raise BadRequest(f"Invalid type for '{key}': expected {kind}, but got {value!r}.", key, "invalid_type")
    if value < least:
        raise BadRequest(f"Invalid '{key}': expected a value >= {least}, but got {value} instead.", key)
    if most is not None and value > most:
        raise BadRequest(f"Invalid '{key}': expected a value <= {most}, but got {value} instead.", key)
