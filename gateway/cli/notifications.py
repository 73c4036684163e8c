"""notifications: list, send, retry."""

from typing import Annotated, Any
from uuid import uuid4

import typer
from pydantic import ValidationError

from domain.documents.identifiers import checked_name
from domain.errors import InvalidRequest
from domain.notifications.messages import SendNotification
from domain.notifications.retry_policy import STATES, State
from domain.validation_messages import describe_error
from gateway.cli.output import Json, Org, console, out, print_json, use_services
from gateway.schemas import notifications as schemas
from resources.ledger.notifications.outbox import Notification

HELP = "Messages to people and apps, and their delivery."
OLD_NAME = "notices"  # accepted for one release
ICONS = {"waiting": "⏳", "sending": "📤", "sent": "✅", "failed": "❌", "unknown": "❓"}


def register(app: typer.Typer) -> None:
    for name in ("notifications", OLD_NAME):
        group = typer.Typer(name=name, help=HELP, hidden=name == OLD_NAME)
        group.callback(invoke_without_command=True)(list_notifications)
        group.command()(send)
        group.command()(retry)
        app.add_typer(group)


def list_notifications(
    context: typer.Context,
    org: Annotated[str | None, typer.Option("--org", help="Only this organization's.")] = None,
    state: Annotated[str | None, typer.Option(help=f"{', '.join(STATES)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The number of messages at most.")] = 100,
    as_json: Json = False,
) -> None:
    """List messages, newest first."""
    if context.info_name == OLD_NAME:
        console.print("! `rowline notices` is now `rowline notifications`; the old name goes with the next release")
    if context.invoked_subcommand is not None:
        return
    with use_services() as services:
        notifications = services.ledger.outbox.list_all(org, checked_state(state), limit=limit)
    if as_json:
        key = OLD_NAME if context.info_name == OLD_NAME else "notifications"
        print_json({key: [schemas.Notification.from_notification(each).to_json() for each in notifications]})
        return
    if not notifications:
        out.print("No messages.")
    for notification in notifications:
        out.print(summary(notification), markup=False)
        if notification.error and notification.state != "sent":
            out.print(f"    {notification.error}", markup=False, style="dim")


def send(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="slack, email or webhook.")],
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="The text.")],
    org: Org,
    to: Annotated[str | None, typer.Option(help="An e-mail address, or the URL of a webhook.")] = None,
    subject: Annotated[str | None, typer.Option(help="Of the e-mail; in other channels the first line.")] = None,
    key: Annotated[str | None, typer.Option(help="A message with the same key is sent once.")] = None,
    as_json: Json = False,
) -> None:
    """Put a message into the outbox; the sensor `outbox` sends it."""
    organization = checked_name("Organization", org)
    request = checked_message({"channel": channel, "message": message, "to": to, "subject": subject})
    with use_services() as services:
        notification_id = services.ledger.outbox.enqueue(
            request.notification(organization, key or f"command:{uuid4()}")
        )
        notification = services.ledger.outbox.get(notification_id)
    show(notification, as_json)


def retry(
    notification: Annotated[str, typer.Argument(metavar="ID", help="A message that failed, or is unknown.")],
    as_json: Json = False,
) -> None:
    """Send a message again. One that is unknown may have arrived the first time: ask its recipient before."""
    with use_services() as services:
        before = services.ledger.outbox.get(notification)
        after = services.ledger.outbox.retry(notification)
    if before.state == "unknown":
        console.print("! It may have arrived already; then it arrives twice", markup=False)
    show(after, as_json)


def checked_state(text: str | None) -> State | None:
    """Raises InvalidRequest for a state that does not exist."""
    if text is None:
        return None
    for state in STATES:
        if state == text:
            return state
    raise InvalidRequest(f"State {text} does not exist; choose one of {', '.join(STATES)}")


def checked_message(fields: dict[str, Any]) -> SendNotification:
    """Raises InvalidRequest, which names the field and what is wrong with it."""
    try:
        return SendNotification.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        raise InvalidRequest(f"The message is wrong: {describe_error(wrong)}") from None


def show(notification: Notification, as_json: bool) -> None:
    if as_json:
        print_json(schemas.Notification.from_notification(notification).to_json())
    else:
        out.print(summary(notification), markup=False)


def summary(notification: Notification) -> str:
    title = notification.subject or notification.message.splitlines()[0][:60]
    attempts = f", {notification.attempts} attempts" if notification.attempts > 1 else ""
    return (
        f"{ICONS[notification.state]} {notification.notification_id}  {notification.channel}  "
        f"{notification.state}{attempts}  {title}"
    )
