"""Getting a torrent by HTTP to the operator's machine, before any host is touched."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from email.message import Message
from typing import IO, Optional

from ..errors import BadInput, Interrupted
from ..metainfo.web_seeds import moved, shown_origin

#: Seconds that the server may be silent, and that all of it may take.
SILENCE, TIMEOUT = 10.0, 60.0
_PART_LENGTH = 64 * 1024
#: What may be raised where a URL is opened.
FAILURES = (OSError, ValueError, http.client.HTTPException)


def download(url: str, certificates: str, max_length: int) -> bytes:
    """
    Return what is at *url*, through the proxy that the environment names, as `curl` would.

    Args:
        certificates: CA certificates (PEM) that count beside those of this machine.
        max_length: bytes that it may have.

    Raises:
        BadInput: it did not come; one sentence, in which no query stands, as that may be a secret.
        Interrupted: Ctrl-C.
    """
    try:
        return _download(url, certificates, max_length)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; no host was touched") from None
    except FAILURES as error:
        why = explain(error, f"no answer within {SILENCE:g} s, or not all of it within {TIMEOUT:g} s")
    raise BadInput(f"{shown_origin(url)}: {why}; no host was touched")


def opener(certificates: str, *handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """
    Return what opens `http://` and `https://` URLs, and no others, through the proxy of the environment.

    Args:
        certificates: CA certificates (PEM) that count beside those of this machine.
        handlers: what else it is to be able to do; without any it goes after no redirect.
    """
    context = ssl.create_default_context()
    if certificates:
        context.load_verify_locations(cadata=certificates)
    made = urllib.request.OpenerDirector()  # `build_opener` would know file:// and ftp:// too
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        *handlers,
    ):
        made.add_handler(handler)
    return made


def _download(url: str, certificates: str, max_length: int) -> bytes:
    deadline = time.monotonic() + TIMEOUT
    data = bytearray()
    request = urllib.request.Request(url, headers={"User-Agent": "murder_fabric"})  # noqa: S310 - see above
    with opener(certificates, _Redirects()).open(request, timeout=SILENCE) as answer:
        while part := answer.read1(_PART_LENGTH):
            data += part
            if len(data) > max_length:
                raise ValueError(f"it is longer than {max_length} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError
    return bytes(data)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows as far as it is as safe there."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> Optional[urllib.request.Request]:
        if moved(req.full_url, newurl) is None:
            raise ValueError(f"it is moved to {shown_origin(newurl)}, where we do not go from there")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def explain(error: Exception, late: str) -> str:
    """Say why a URL could not be opened, given one of `FAILURES`; *late* is said where it took too long."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the answer is HTTP status {error.code}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, (TimeoutError, socket.timeout)):  # one and the same from Python 3.10 on
        return late
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {cause.verify_message}; murder.ca_file can name the CA"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {cause.reason}"
    if isinstance(cause, http.client.HTTPException):
        return f"the answer is no HTTP: {type(cause).__name__}"
    return str(getattr(cause, "strerror", None) or cause)
