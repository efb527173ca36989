"""Owns the kinds of values in config.yaml: how each is written, what it becomes, what editors are told."""

from collections.abc import Callable
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from appliance.site import names

GENERATE = "generate"
EXTERNAL = "external"
"""Stands for a password whose hash is in one of `logins: files`, or that `logins: program` knows."""
SCOPES: tuple[Literal["smtp", "pop3"], ...] = ("smtp", "pop3")
ALL_OTHERS = "*"
"""The key of the route for what has no route of its own."""

Plain = None | bool | int | float | str | tuple["Plain", ...] | dict[str, "Plain"]
"""What stands in a YAML file, its positions taken away; a sequence is a tuple."""


def lines_of(value: Plain) -> Plain:
    """One text stands for a list of one."""
    return (value,) if isinstance(value, str) else value


def _counted(count: Callable[[str], int]) -> BeforeValidator:
    return BeforeValidator(lambda value: count(value) if isinstance(value, str) else value)


def _password(value: str) -> str:
    return value if value in (GENERATE, EXTERNAL) else names.password_hash(value)


def _control(value: Plain) -> Plain:
    """A control file as it will lie on disk: a line each; None leaves the file out."""
    lines = value if isinstance(value, tuple) else (value,)
    if value is None or isinstance(value, str) and value.endswith("\n"):
        return value
    if any(isinstance(line, bool) or not isinstance(line, str | int) for line in lines):
        raise ValueError(
            "this is no text for a control file; write a line, a number, a list of lines, or null"
        )
    return "".join(f"{line}\n" for line in lines)


def _control_text(value: str) -> str:
    if any(ord(letter) < 32 and letter not in "\t\n" or ord(letter) == 127 for letter in value):
        raise ValueError("there is a control character in the text; take it out")
    return value


def one_or_many(pattern: str) -> WithJsonSchema:
    """The schema of what `lines_of` takes."""
    one = {"type": "string", "pattern": pattern}
    return WithJsonSchema({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})


_COUNTED_BYTES = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+[KMG]?$"}]
}
_COUNTED_TIME = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+[smhdw]?$"}]
}
_TEXT_OR_LINES = {
    "anyOf": [
        {"type": ["string", "integer", "null"]},
        {"type": "array", "items": {"type": ["string", "integer"]}},
    ]
}

_STORED = r"\$(argon2id|2[aby]|6|y)\$.+|\{(SCRAM-SHA-256|PLAIN)\}.+"

Hostname = Annotated[str, AfterValidator(names.domain)]
Host = Annotated[str, AfterValidator(names.host)]
MailboxName = Annotated[str, AfterValidator(names.mailbox)]
AliasName = Annotated[str, AfterValidator(names.alias)]
Address = Annotated[str, AfterValidator(names.address)]
Network = Annotated[str, AfterValidator(names.network)]
ClientNetwork = Annotated[str, AfterValidator(names.client_network)]
FilePath = Annotated[str, AfterValidator(names.file_path)]
Port = Annotated[int, Field(ge=1, le=65535)]
Messages = Annotated[int, Field(ge=0, le=10**9)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Amount = Annotated[int, Field(ge=0, le=10_000_000)]
Password = Annotated[
    str,
    AfterValidator(_password),
    WithJsonSchema({"type": "string", "pattern": rf"^(generate|external|{_STORED})$"}),
]
PasswordHash = Annotated[
    str,
    AfterValidator(names.password_hash),
    WithJsonSchema({"type": "string", "pattern": rf"^({_STORED})$"}),
]
Label = Annotated[str, AfterValidator(names.label)]
Day = Annotated[str, AfterValidator(names.day), WithJsonSchema({"type": "string", "format": "date"})]
Scopes = Annotated[
    tuple[Literal["smtp", "pop3"], ...],
    Field(min_length=1),
    BeforeValidator(lines_of),
    one_or_many("^(smtp|pop3)$"),
]
Listener = Literal["smtp", "qmtp", "qmqp", "submission", "submissions", "pop3", "pop3s"]
Listeners = Annotated[
    tuple[Listener, ...],
    BeforeValidator(lines_of),
    one_or_many(f"^({'|'.join(get_args(Listener))})$"),
]
Command = Annotated[
    tuple[Annotated[str, AfterValidator(names.word)], ...],
    BeforeValidator(lines_of),
    one_or_many("^.+$"),
]
SenderPattern = Annotated[str, AfterValidator(names.sender_pattern)]
Target = Annotated[str, AfterValidator(names.target)]
Targets = Annotated[
    tuple[Target, ...],
    Field(min_length=1),
    BeforeValidator(lines_of),
    one_or_many(r"^[^\s{}|]+$"),
]
Bytes = Annotated[int, Field(ge=0), _counted(names.size), WithJsonSchema(_COUNTED_BYTES)]
Seconds = Annotated[int, Field(ge=0), _counted(names.seconds), WithJsonSchema(_COUNTED_TIME)]
ControlText = Annotated[
    Annotated[str, AfterValidator(_control_text)] | None,
    BeforeValidator(_control),
    WithJsonSchema(_TEXT_OR_LINES),
]
RouteDomain = Annotated[str, AfterValidator(lambda text: text if text == ALL_OTHERS else _route_domain(text))]


def _route_domain(text: str) -> str:
    dot = "." if text.startswith(".") else ""
    return dot + names.host(text.removeprefix("."))


class Part(BaseModel):
    """A mapping of config.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
