"""Where a model on another machine is, and who we are there."""

import base64
import re
from dataclasses import dataclass, field
from typing import Annotated, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_TOKEN = re.compile(r"[!-~]+")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PORTS = {"http": 80, "https": 443}
# Those that a request could not be told from another by, if they could be chosen.
_OURS = frozenset({"authorization", "connection", "content-length", "host", "transfer-encoding"})

Seconds = Annotated[float, Field(gt=0, le=60)]


class Remote(BaseModel):
    """A model that a server runs which speaks the Open Inference Protocol, version 2."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(repr=False, description="The server: http://gpu-box:8000.")
    model: str = Field(min_length=1, description="The model's name there.")
    version: str = Field(default="", description="Its version there; the server's choice if none.")
    timeout_s: Seconds = Field(default=2.0, description="An answer takes no longer than this.")
    token: str = Field(default="", repr=False, description="Bearer token; write it as a !secret.")
    headers: dict[str, str] = Field(
        default={}, repr=False, description="Further headers of each request."
    )
    ca_file: str = Field(default="", description="https: who signed the server, if a CA of yours.")
    fallback: str = Field(
        default="", description="The model that runs here while the server does not answer."
    )

    @field_validator("url")
    @classmethod
    def _leads_to_a_server(cls, url: str) -> str:
        Address.of(url)
        return url

    @field_validator("token")
    @classmethod
    def _is_one_word(cls, token: str) -> str:
        if token and not _TOKEN.fullmatch(token):
            raise ValueError("a token has no spaces, and plain letters only")
        return token

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name) or name.lower() in _OURS:
                raise ValueError(f"{name!r} is no header that can be chosen")
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the header {name} has other than plain letters in it")
        return headers

    @model_validator(mode="after")
    def _says_once_who_we_are(self) -> Self:
        if self.token and self.address.authorization:
            raise ValueError("give either a token, or user and password in the url")
        if self.ca_file and not self.address.tls:
            raise ValueError("a ca_file is for an https:// url")
        return self

    @property
    def address(self) -> "Address":
        """The url, taken apart."""
        return Address.of(self.url)

    @property
    def path(self) -> str:
        """Of the model on the server."""
        path = f"/v2/models/{quote(self.model, safe='')}"
        return f"{path}/versions/{quote(self.version, safe='')}" if self.version else path

    @property
    def sent(self) -> dict[str, str]:
        """The headers of each request."""
        who = f"Bearer {self.token}" if self.token else self.address.authorization
        return {**self.headers, **({"Authorization": who} if who else {})}

    @property
    def hidden(self) -> tuple[str, ...]:
        """What must not be shown anywhere."""
        sent = self.sent
        alone = [value.partition(" ")[2] for value in sent.values()]
        return tuple(text for text in (*sent.values(), *alone, *self.address.hidden) if text)


@dataclass(frozen=True, slots=True)
class Address:
    """A server. `prefix` goes before every path; `shown` is the address without its password."""

    host: str
    port: int
    tls: bool
    prefix: str
    shown: str
    authorization: str = field(default="", repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """Take a url apart.

        Raises:
            ValueError: it leads to no server; the sentence shows nothing of it.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError("the url has no proper host or port") from error
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("the url begins with http:// or https:// and a host")
        if parts.query or parts.fragment or not (url.isascii() and url.isprintable()):
            raise ValueError("the url has only a host, a port and a path, in plain letters")
        if " " in url:
            raise ValueError("the url has a space in it")
        host = parts.hostname
        name = f"[{host}]" if ":" in host else host
        prefix = parts.path.rstrip("/").removesuffix("/v2")
        who, password = unquote(parts.username or ""), unquote(parts.password or "")
        basic = base64.b64encode(f"{who}:{password}".encode()).decode("ascii")
        return cls(
            host,
            port or _PORTS[parts.scheme],
            parts.scheme == "https",
            prefix,
            f"{parts.scheme}://{name}{f':{port}' if port else ''}{prefix}",
            f"Basic {basic}" if who or password else "",
            tuple(text for text in (password, parts.password or "") if text),
        )
