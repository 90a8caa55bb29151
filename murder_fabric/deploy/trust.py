"""The certificates of your own CA, for hosts that do not know it."""

from __future__ import annotations

import os
import ssl

from ..control import MAX_CERTIFICATES
from ..errors import BadInput
from ..units import shown_size
from .settings import Settings


def certificates(settings: Settings) -> str:
    """
    Return what is in `murder.ca_file`; nothing where that is not set.

    Raises:
        BadInput: it cannot be read, or holds no certificate.
    """
    if not settings.ca_file:
        return ""
    try:
        with open(os.path.expanduser(settings.ca_file), "rb") as file:
            found = file.read(MAX_CERTIFICATES + 1)
        text = found.decode("ascii", "ignore")  # comments may be in any language
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text or "none")
    except (ssl.SSLError, ValueError):
        why = "it holds no certificates (PEM)"
    except OSError as error:
        why = str(error.strerror)
    else:
        if len(found) <= MAX_CERTIFICATES:
            return text
        why = f"it is longer than {shown_size(MAX_CERTIFICATES)}"
    raise BadInput(f"murder.ca_file, {settings.ca_file}: {why}; no host was touched")
