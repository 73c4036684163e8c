"""Checks of the channels that carry notifications, without sending anybody anything."""

from urllib.parse import urlsplit

from domain.errors import RowlineError
from gateway.doctor.context import Context
from gateway.doctor.results import Verdict, failed, fine, skipped, warned
from gateway.doctor.settings import is_plain_http
from resources.notifications.channels import create_email, create_slack
from resources.notifications.email import MailServerUnusable
from resources.notifications.webhook import resolve_target
from settings.settings import Settings
from settings.values import is_loopback


def slack(context: Context) -> Verdict:
    """Slack refuses a message without text, and says by how whether it would have taken one with it."""
    channel = create_slack(context.settings)
    if channel is None:
        return skipped("SLACK_WEBHOOK_URL is not set")
    refusal = channel.check()
    if refusal:
        return failed(refusal, "Make a webhook in Slack and set SLACK_WEBHOOK_URL to its address")
    return fine("Slack knows the webhook; nothing was said")


def mail(context: Context) -> Verdict:
    """The mail server lets us in; no mail is sent."""
    channel = create_email(context.settings)
    if channel is None:
        return skipped("SMTP_URL is not set")
    try:
        channel.check()
    except MailServerUnusable as error:
        return failed(str(error), "See SMTP_URL")
    if _is_read_on_the_way(context.settings):
        return context.error_in_production(
            "SMTP_URL is smtp:// to another computer: mail can be read on the way", "Use smtps://"
        )
    return fine("the mail server lets us in; nothing was sent")


def _is_read_on_the_way(settings: Settings) -> bool:
    parts = urlsplit(settings.smtp_url.get_secret_value() if settings.smtp_url else "")
    return parts.scheme == "smtp" and not is_loopback(parts.hostname or "")


def webhooks(context: Context) -> Verdict:
    """Their names have addresses where notifications may go; none is asked."""
    settings = context.settings
    if not settings.webhooks:
        return skipped("WEBHOOK_ALLOWED_URLS is not set")
    plain = [address for address in settings.webhooks if is_plain_http(address)]
    if plain:
        return context.error_in_production(
            f"{len(plain)} of WEBHOOK_ALLOWED_URLS are plain http: notifications can be read", "Use https"
        )
    for address in settings.webhooks:
        try:
            resolve_target(address, settings.webhook_allow_private_networks)
        except RowlineError as error:
            return failed(f"{urlsplit(address).hostname}: {error}", "Correct WEBHOOK_ALLOWED_URLS, or the name")
    return fine(f"{len(settings.webhooks)} named, all where notifications may go")


def alerts(context: Context) -> Verdict:
    """Whether alerts have a recipient."""
    targets = context.settings.alert_targets
    if targets:
        return fine(f"sent by {', '.join(sorted({target.channel for target in targets}))}")
    message = "ALERT_CHANNELS is not set: nobody gets an alert when documents fail"
    return warned(message, "Set ALERT_CHANNELS (docs/notifications.md)") if context.production else skipped(message)
