"""An SMTP server in this process. It keeps the mails that it receives, and can refuse or delay them."""

import asyncio
import email
import email.policy
from email.message import EmailMessage
from ssl import SSLContext
from threading import Event, Thread
from typing import Any, Self

from aiosmtpd.smtp import SMTP


class Mailbox:
    """Accepts mails on 127.0.0.1. The first start chooses `port`, later ones use it again. `options` go to aiosmtpd.

    With `ssl_context` the connection is encrypted from its first byte.
    """

    def __init__(self, ssl_context: SSLContext | None = None, **options: Any) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.answer = "250 OK"  # the response to each mail
        self.refuse: bytes | None = None  # refuses a mail that has this in it
        self.reached = Event()  # set when a mail arrives
        self.answering = Event()  # clear it to delay the responses
        self.answering.set()
        self._ssl_context = ssl_context
        self._options = options

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.reached.set()
        await asyncio.to_thread(self.answering.wait)
        if self.refuse and self.refuse in envelope.content:
            return "554 5.7.1 refused"
        if self.answer.startswith("250"):
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.answer

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        def session() -> SMTP:
            return SMTP(self, loop=self._loop, hostname="mailbox", **self._options)

        return await self._loop.create_server(session, "127.0.0.1", self.port, ssl=self._ssl_context)

    async def _close(self) -> None:
        self._server.close()
        self._server.close_clients()
        await self._server.wait_closed()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def part(mail: EmailMessage, kind: str) -> str:
    """Return the text of a mail's part of subtype "plain", "html" or "json"."""
    (found,) = [part for part in mail.walk() if part.get_content_subtype() == kind]
    content = found.get_content()
    return content.decode() if isinstance(content, bytes) else content
