"""One question to another service over HTTP: in time, of a bounded size, from whom it should be.

Only the standard library is used. The whole exchange has one deadline, because a socket's own
time-out begins anew with every byte that arrives.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from causal_ranker.addresses import is_here
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, UpstreamError

__all__ = ["Upstream", "UpstreamConfig"]

# Of a service that is overloaded, restarting or behind a gateway that is: it may well answer soon.
_PASSING: Final = frozenset({429, 500, 502, 503, 504})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_SHOWN: Final = 200  # characters of an answer that a message quotes


class UpstreamConfig(FrozenConfig):
    """Bounds of what is asked of another service.

    Parameters
    ----------
    timeout_s : float
        Seconds for one try, from connecting to the last byte; looking up the host's name is the
        system's and has its own.
    retries : int
        Further tries after one that failed in a way that may pass: no connection, a break, a
        time-out, or status 429, 500, 502, 503 or 504. A question changes nothing, so it may be
        asked again.
    pause_s : float
        Seconds before the first further try; twice as many before each later one.
    users_per_request : int
        Users asked for at once; more are asked for in several requests, one after the other.
    most_candidates : int
        Longest list of a user.
    most_bytes : int
        Longest answer.
    ca_file : Path or None
        Certificates that may vouch for the service, as PEM; None for those of the system.
    """

    timeout_s: float = Field(default=1.0, gt=0, le=600)
    retries: int = Field(default=1, ge=0, le=10)
    pause_s: float = Field(default=0.05, ge=0, le=60)
    users_per_request: int = Field(default=100, ge=1, le=100_000)
    most_candidates: int = Field(default=10_000, ge=1)
    most_bytes: int = Field(default=64 * 2**20, ge=1)
    ca_file: Path | None = None


class Upstream:
    """A service at an address.

    Each question is a connection of its own: none can have gone stale, and threads share nothing.
    Certificates and host names are always verified, redirections are not followed, and proxies of
    the environment are not used.

    Parameters
    ----------
    url : str
        ``https://...``; ``http://...`` as well, but with `headers` only to this machine.
    headers : mapping of str to str
        Sent with each question, for example keys. They stand in no message and no ``repr``.
    config : UpstreamConfig
        Bounds.

    Raises
    ------
    ConfigError
        If the address, a header or the file of certificates cannot be used, or the headers would
        travel unencrypted.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str], config: UpstreamConfig) -> None:
        parts = _split(url)
        secure = parts.scheme == "https"
        self._host: str = parts.hostname
        self._port: int = parts.port or (443 if secure else 80)
        self._target = parts.path or "/"
        self._ours = {
            "Host": parts.netloc,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        # Without the query, which may hold a key.
        self._shown = f"{parts.scheme}://{parts.netloc}{parts.path}"
        if parts.query:
            self._target += f"?{parts.query}"
        self._headers = _checked_headers(headers, ours=self._ours)
        if self._headers and not secure and not is_here(self._host):
            raise ConfigError(
                expected="https for headers that leave this machine, as they may hold keys",
                came=self._shown,
                do="Use https, or an address of this machine.",
            )
        self._config = config
        self._context = _context(config.ca_file) if secure else None

    def __repr__(self) -> str:
        """Name the address, and no header."""
        return f"Upstream({self._shown!r})"

    def __deepcopy__(self, memo: Any) -> Upstream:
        """Return itself: it never changes, and certificates cannot be copied."""
        return self

    def ask(self, question: Any) -> Any:
        """Post a question and read the answer.

        Parameters
        ----------
        question : object
            Anything that can be written as JSON.

        Returns
        -------
        object
            The JSON of an answer with status 200.

        Raises
        ------
        UpstreamError
            If there is none: not in time, not of this size, another status, not JSON, or from a
            server whose certificate is not good for this host.
        """
        body = json.dumps(question, allow_nan=False).encode("ascii")
        tries = self._config.retries + 1
        for attempt in range(tries):
            if attempt:
                time.sleep(self._config.pause_s * 2 ** (attempt - 1))
            try:
                return self._parse(self._once(body))
            except _PassingError as error:
                came = str(error)
        raise UpstreamError(
            expected=f"an answer from {self._shown} within {self._config.timeout_s:g} s",
            came=f"{came}, at the last of {tries} tries" if tries > 1 else came,
            do="Look at that service, or give it more time.",
        )

    def _once(self, body: bytes) -> bytes:
        ends = time.monotonic() + self._config.timeout_s
        connection = http.client.HTTPConnection(self._host, self._port)
        try:
            connection.sock = sock = self._connect(ends)
            sock.settimeout(_left(ends))  # for all that is sent
            connection.putrequest("POST", self._target, skip_host=True)
            for name, value in {**self._ours, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            for name, value in self._headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            # http.client reads through whatever has `makefile`.
            reader: Any = _Until(sock, ends=ends)
            response = http.client.HTTPResponse(reader, method="POST")
            response.begin()
            return self._read(response)
        except ssl.SSLCertVerificationError as error:
            raise UpstreamError(
                expected=f"a certificate that is good for {self._host}",
                came=error.verify_message or str(error),
                do="Check the address, or name the certificates to trust in ca_file.",
            ) from None
        except TimeoutError:
            raise _PassingError("none in time") from None
        except http.client.IncompleteRead:
            raise _PassingError("an answer that was cut off") from None
        except (OSError, http.client.HTTPException) as error:
            raise _PassingError(self.quote(f"{type(error).__name__}: {error}")) from None
        finally:
            connection.close()

    def _connect(self, ends: float) -> socket.socket:
        sock = socket.create_connection((self._host, self._port), timeout=_left(ends))
        try:
            # Headers and body are sent one after the other, and shall not wait for one another.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                return sock
            sock.settimeout(_left(ends))
            return self._context.wrap_socket(sock, server_hostname=self._host)
        except BaseException:
            sock.close()
            raise

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        most = self._config.most_bytes
        declared = response.length  # None where it is sent in chunks, or until the end
        if declared is None or declared <= most:
            content = response.read(most + 1)
        if (declared is not None and declared > most) or len(content) > most:
            raise UpstreamError(
                expected=f"at most {most} bytes from {self._shown}",
                came=f"{declared} of them" if declared is not None else "more",
                do="Ask for fewer users at once or a smaller k, or raise most_bytes.",
            )
        if declared is not None and len(content) < declared:
            raise _PassingError(f"an answer that was cut off, {len(content)} of {declared} bytes")
        if response.status == 200:
            return content
        came = f"status {response.status}: {self.quote(content.decode('utf-8', 'replace'))}"
        if response.status in _PASSING:
            raise _PassingError(came)
        raise UpstreamError(
            expected=f"status 200 from {self._shown}",
            came=came,
            do="Check address, keys and what that service takes.",
        )

    def _parse(self, content: bytes) -> Any:
        try:
            return json.loads(content, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
            raise UpstreamError(
                expected=f"JSON from {self._shown}",
                came=f"{self.quote(content.decode('utf-8', 'replace'))} ({error})",
                do="Let that service answer as causal_ranker.recommenders.http says.",
            ) from None

    def quote(self, text: str) -> str:
        """Quote the beginning of a text, without what was sent in headers: some services echo it.

        Parameters
        ----------
        text : str
            What a service said.

        Returns
        -------
        str
            Its first characters, in quotes.
        """
        for value in self._headers.values():
            for secret in (value, value.rpartition(" ")[2]):  # "Bearer key", and the key alone
                text = text.replace(secret, "***") if secret else text
        return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


class _PassingError(Exception):
    """A failure that another try may not meet."""


class _Until(io.RawIOBase):
    """A socket that is read until a moment, however slowly it gives."""

    def __init__(self, sock: socket.socket, *, ends: float) -> None:
        self._sock, self._ends = sock, ends

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._ends))
        return self._sock.recv_into(buffer)


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _split(url: str) -> Any:
    """Take an address apart; messages leave out what may be a secret of it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        plain = parts.hostname and url.isascii() and url.isprintable() and " " not in url
    except (ValueError, AttributeError, TypeError):
        plain = False
    if not plain or parts.scheme not in ("http", "https") or "@" in parts.netloc or parts.fragment:
        raise ConfigError(
            expected="an address such as https://host:port/path, without user and password in it",
            came=f"one of {len(str(url))} characters that begins with {str(url)[:8]!r}",
            do="Write the address so; keys go into headers.",
        )
    return parts


def _checked_headers(headers: Mapping[str, str], *, ours: Iterable[str]) -> dict[str, str]:
    """Return headers that can be sent; messages name a header and never say its value."""
    taken = {name.lower() for name in ours} | {"content-length", "transfer-encoding"}
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name) or name.lower() in taken:
            raise ConfigError(
                expected="names of headers that are not sent anyway",
                came=repr(name),
                do="Name a header of your own, such as Authorization.",
            )
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise ConfigError(
                expected="printable ASCII text as the value of each header",
                came=f"something else in {name}",
                do="Remove line ends and other signs.",
            )
    return dict(headers)


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            expected=f"certificates as PEM in {ca_file}", came=str(error), do="Check the file."
        ) from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
