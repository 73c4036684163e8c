"""notices: listed, sent, sent anew."""

from typing import Annotated, Any
from uuid import uuid4

import typer
from pydantic import ValidationError

from domain.documents.identifiers import checked_name
from domain.errors import InvalidRequest
from domain.notifications.messages import SendNotification
from domain.notifications.retry_policy import STATES, State
from domain.validation_messages import describe_error
from gateway.cli.output import Json, Org, console, opened, out, print_json
from gateway.schemas.notifications import notice_json
from resources.ledger.notifications.outbox import Notification

app_of_notices = typer.Typer(name="notices", help="Messages to people and apps, and what became of them.")
ICONS = {"waiting": "⏳", "sending": "📤", "sent": "✅", "failed": "❌", "unknown": "❓"}


def register(app: typer.Typer) -> None:
    app.add_typer(app_of_notices)


@app_of_notices.callback(invoke_without_command=True)
def listing(
    context: typer.Context,
    org: Annotated[str | None, typer.Option("--org", help="Only this organization's.")] = None,
    state: Annotated[str | None, typer.Option(help=f"{', '.join(STATES)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most messages.")] = 100,
    as_json: Json = False,
) -> None:
    """Messages, newest first."""
    if context.invoked_subcommand is not None:
        return
    with opened() as services:
        found = services.ledger.outbox.list_all(org, checked_state(state), limit=limit)
    if as_json:
        print_json({"notices": [notice_json(notice) for notice in found]})
        return
    if not found:
        out.print("No messages.")
    for notice in found:
        out.print(line_of(notice), markup=False)
        if notice.error and notice.state != "sent":
            out.print(f"    {notice.error}", markup=False, style="dim")


@app_of_notices.command()
def send(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="slack, email or webhook.")],
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="The text.")],
    org: Org,
    to: Annotated[str | None, typer.Option(help="An e-mail address, or a webhook's address.")] = None,
    subject: Annotated[str | None, typer.Option(help="Of the e-mail; elsewhere its first line.")] = None,
    key: Annotated[str | None, typer.Option(help="The same key again is the same message: it is sent once.")] = None,
    as_json: Json = False,
) -> None:
    """Put a message into the outbox; the sensor `outbox` sends it."""
    organization = checked_name("Organization", org)
    asked = checked_message({"channel": channel, "message": message, "to": to, "subject": subject})
    with opened() as services:
        notice_id = services.ledger.outbox.enqueue(asked.notice(organization, key or f"command:{uuid4()}"))
        notice = services.ledger.outbox.get(notice_id)
    if as_json:
        print_json(notice_json(notice))
    else:
        out.print(line_of(notice), markup=False)


@app_of_notices.command()
def retry(
    notice: Annotated[str, typer.Argument(metavar="ID", help="A message that failed, or is unknown.")],
    as_json: Json = False,
) -> None:
    """Send a message anew. One that is unknown may have arrived the first time: look there before."""
    with opened() as services:
        before = services.ledger.outbox.get(notice)
        after = services.ledger.outbox.retry(notice)
    if before.state == "unknown":
        console.print("! It may have arrived already; then it comes twice now", markup=False)
    if as_json:
        print_json(notice_json(after))
    else:
        out.print(line_of(after), markup=False)


def checked_state(text: str | None) -> State | None:
    """Raises InvalidRequest for a state that does not exist."""
    if text is None:
        return None
    for state in STATES:
        if state == text:
            return state
    raise InvalidRequest(f"State {text} does not exist; choose of {', '.join(STATES)}")


def checked_message(fields: dict[str, Any]) -> SendNotification:
    """Raises InvalidRequest, which names the field and what is wrong with it."""
    try:
        return SendNotification.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        raise InvalidRequest(f"The message is wrong: {describe_error(wrong)}") from None


def line_of(notice: Notification) -> str:
    title = notice.subject or notice.message.splitlines()[0][:60]
    tries = f", {notice.attempts} attempts" if notice.attempts > 1 else ""
    return f"{ICONS[notice.state]} {notice.notice_id}  {notice.channel}  {notice.state}{tries}  {title}"
