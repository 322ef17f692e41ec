"""Azure Monitor's action group: for every alert, an e-mail to operations and a call of the app, independently."""

import json
import logging
import smtplib
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request

from msgspec import Struct

from devhost.local_http import urlopen

from .alert_rules import Alert
from .notifications import common_alert_schema, email_message

log = logging.getLogger(__name__)

# https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#webhook. After the last attempt Azure skips the
# endpoint for 15 minutes. This one does not.
_RETRY_DELAYS_SECONDS = (5, 20, 5, 40, 5)
_RETRIABLE_STATUSES = (408, 429, 503, 504)
_TIMEOUT_SECONDS = 10


class Receivers(Struct, frozen=True, kw_only=True):
    """Who is notified."""

    function_url: str  # with the key of the function
    smtp: tuple[str, int]  # host and port
    recipients: Sequence[str]  # e-mail addresses


class _CallError(Exception):
    """A call of the function failed."""

    def __init__(self, message: str, retriable: bool) -> None:
        super().__init__(message)
        self.retriable = retriable


class ActionGroup:
    """Notify the receivers of alerts in daemon threads."""

    def __init__(self, receivers: Receivers, sleep: Callable[[float], None] = time.sleep) -> None:
        """`sleep` is called with the seconds before each retry."""
        self._receivers = receivers
        self._sleep = sleep
        self._threads: list[threading.Thread] = []

    def notify(self, alert: Alert) -> None:
        """Start to notify the receivers and return at once."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for action in (self._send_email, self._call_function):
            thread = threading.Thread(target=action, args=(alert,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        """Wait until every notification is delivered or has failed."""
        for thread in self._threads:
            thread.join()

    def _send_email(self, alert: Alert) -> None:
        try:
            with smtplib.SMTP(*self._receivers.smtp, local_hostname="localhost", timeout=_TIMEOUT_SECONDS) as server:
                server.send_message(email_message(alert, self._receivers.recipients))
        except OSError:
            log.exception("the e-mail for %s %s is not sent", alert.condition.lower(), alert.rule.name)

    def _call_function(self, alert: Alert) -> None:
        body = json.dumps(common_alert_schema(alert)).encode()
        for delay in (*_RETRY_DELAYS_SECONDS, None):
            try:
                _post(self._receivers.function_url, body)
            except _CallError as error:
                log.warning("calling the function for %s: %s", alert.rule.name, error)
                if delay is None or not error.retriable:
                    log.error("the function has not received %s %s", alert.condition.lower(), alert.rule.name)
                    return
                self._sleep(delay)
            else:
                return


def _post(url: str, body: bytes) -> None:
    """Raise _CallError, whose message does not contain the URL, because the key is in it."""
    request = Request(url, body, {"content-type": "application/json; charset=utf-8"})  # noqa: S310
    try:
        with urlopen(request, _TIMEOUT_SECONDS):
            return
    except HTTPError as error:
        with error:
            raise _CallError(f"status {error.code}", error.code in _RETRIABLE_STATUSES) from None
    except (OSError, HTTPException) as error:
        raise _CallError(f"no response: {type(error).__name__}", retriable=True) from None
