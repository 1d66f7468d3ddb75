"""Small messages for the tests."""

from mapigw.mail.mime import message_from_mime
from mapigw.wire import tags
from mapigw.wire.message import Message


def text_message(headers: str = "", body: str = "text") -> Message:
    return message_from_mime(f"{headers.strip()}\n\n{body}".encode())


def multipart(kind: str, *parts: str) -> str:
    """A whole multipart entity; each part is its header, a blank line and its body."""
    boundary = f"={kind}="
    body = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{body}--{boundary}--\n'


def message_of(entity: str) -> Message:
    return message_from_mime(f"Subject: x\n{entity}".encode())


def names(message: Message) -> list[str | None]:
    return [item.properties.get(tags.PidTagAttachLongFilename) for item in message.attachments]


PLAIN = "Content-Type: text/plain; charset=utf-8\n\nplain text"
HTML = "Content-Type: text/html; charset=utf-8\n\n<p>html text</p>"
PDF = 'Content-Type: application/pdf; name="a.pdf"\nContent-Transfer-Encoding: base64\n\nJVBERg=='
IMAGE = "Content-Type: image/png\nContent-ID: <logo@x>\nContent-Transfer-Encoding: base64\n\niVBORw=="
