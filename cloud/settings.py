"""The settings: read from the environment once, at start, with all faults reported together."""

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, get_args

import msgspec

from sentiment.errors import BuzzguardError

type AuthLevel = Literal["anonymous", "function"]
type MailSecurity = Literal["starttls", "tls", "none"]  # tls: from the first byte, without a greeting in clear text

DEVELOPMENT_KEY_PREFIX = "development-"  # of every key that a laptop generates
MIN_KEY_LENGTH = 32  # characters
_STARTTLS_PORT, _TLS_PORT = 587, 465  # RFC 6409, RFC 8314


class SettingsError(BuzzguardError):
    """The app cannot run with this environment. The message has one line for each fault."""


class MailSettings(NamedTuple):
    """Who gets incident reports, and the SMTP server that delivers them."""

    host: str  # SMTP_HOST
    port: int  # SMTP_PORT
    user: str | None  # SMTP_USER
    password: str | None  # SMTP_PASSWORD
    sender: str  # MAIL_FROM
    to: tuple[str, ...]  # MAIL_TO, separated by commas
    security: MailSecurity = "starttls"  # SMTP_SECURITY: how the session is encrypted


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    receipt_key: str  # RECEIPT_KEY signs prediction ids
    receipt_key_previous: str | None  # RECEIPT_KEY_PREVIOUS is still accepted during a rotation
    receipt_days: int  # RECEIPT_DAYS: how long a prediction accepts feedback
    auth_level: AuthLevel  # AUTH_LEVEL: who may call, everybody or only holders of a function key
    has_sign_in: bool  # WEBSITE_AUTH_ENABLED: whether App Service makes people sign in; Azure sets it
    model: str | None  # MODEL: a name or folder that overrides the champion of models/registry.json
    feedback_table: str  # FEEDBACK_TABLE
    tables_connection_string: str | None  # TABLES_CONNECTION_STRING: Azurite, or an account with shared keys
    tables_endpoint: str | None  # TABLES_ENDPOINT: an account's table URL, for managed identity
    managed_identity_client_id: str | None  # MANAGED_IDENTITY_CLIENT_ID of a user-assigned identity
    feedback_retention_days: int  # FEEDBACK_RETENTION_DAYS: older feedback is purged
    export_container_url: str | None  # EXPORT_CONTAINER_URL: a blob container; without it feedback is not exported
    incidents_table: str  # INCIDENTS_TABLE: which predictions and alerts have been reported
    mail: MailSettings | None  # without it, no incident is reported
    incident_key: str | None  # INCIDENT_KEY: required to report an incident
    incident_key_previous: str | None  # INCIDENT_KEY_PREVIOUS is still accepted during a rotation
    applicationinsights_connection_string: str | None  # APPLICATIONINSIGHTS_CONNECTION_STRING: else no telemetry

    @property
    def receipt_keys(self) -> tuple[str, ...]:
        return (self.receipt_key, self.receipt_key_previous) if self.receipt_key_previous else (self.receipt_key,)

    @property
    def incident_keys(self) -> tuple[str, ...]:
        return tuple(key for key in (self.incident_key, self.incident_key_previous) if key)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings in `environment`. Raises SettingsError, which names every fault, one per line."""
    values = _Environment(environment)
    mail = _read_mail(values)
    retention_days = values.get("FEEDBACK_RETENTION_DAYS", _parse_days, 90)
    settings = Settings(
        receipt_key=values.get("RECEIPT_KEY", values.parse_key, ""),
        receipt_key_previous=values.get("RECEIPT_KEY_PREVIOUS", values.parse_key, None),
        receipt_days=values.get("RECEIPT_DAYS", _parse_days, min(30, retention_days)),
        auth_level=values.get("AUTH_LEVEL", _parse_auth_level, "function"),
        has_sign_in=values.get("WEBSITE_AUTH_ENABLED", _is_true, False),
        model=values.get("MODEL", str, None),
        feedback_table=values.get("FEEDBACK_TABLE", str, "feedback"),
        tables_connection_string=values.get("TABLES_CONNECTION_STRING", _parse_storage_connection_string, None),
        tables_endpoint=values.get("TABLES_ENDPOINT", _parse_https_url, None),
        managed_identity_client_id=values.get("MANAGED_IDENTITY_CLIENT_ID", str, None),
        feedback_retention_days=retention_days,
        export_container_url=values.get("EXPORT_CONTAINER_URL", _parse_container_url, None),
        incidents_table=values.get("INCIDENTS_TABLE", str, "incidents"),
        mail=mail,
        incident_key=values.get("INCIDENT_KEY", values.parse_key, None),
        incident_key_previous=values.get("INCIDENT_KEY_PREVIOUS", values.parse_key, None),
        applicationinsights_connection_string=values.get(
            "APPLICATIONINSIGHTS_CONNECTION_STRING", _parse_insights_connection_string, None
        ),
    )
    if not values.has("RECEIPT_KEY"):
        values.faults.append("RECEIPT_KEY is not set; it signs the prediction ids")
    if settings.receipt_days > settings.feedback_retention_days:
        values.faults.append(
            "RECEIPT_DAYS must not be above FEEDBACK_RETENTION_DAYS: later reports would be purged at once"
        )
    if mail and not values.has("INCIDENT_KEY"):
        values.faults.append("INCIDENT_KEY must be set where SMTP_HOST is: it is what lets alerts have a report mailed")
    if values.has("TABLES_CONNECTION_STRING") == values.has("TABLES_ENDPOINT"):
        values.faults.append("TABLES_CONNECTION_STRING or TABLES_ENDPOINT must be set, and not both")
    if values.faults:
        raise SettingsError("\n".join(values.faults))
    return settings


class _Environment:
    """Reads variables and collects their faults."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.faults: list[str] = []
        self._environment = environment
        # Core Tools and `make serve` set this.
        self._is_development = environment.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"

    def has(self, name: str) -> bool:
        return bool(self._environment.get(name, "").strip())

    def get[T](self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return the parsed variable, or `default` if it is empty or `parse` raises ValueError, which is a fault."""
        value = self._environment.get(name, "").strip()
        try:
            if value.startswith("@Microsoft.KeyVault("):  # as a key, it would be easy to guess
                raise ValueError("is a Key Vault reference that Azure has not resolved")
            return parse(value) if value else default
        except ValueError as error:
            self.faults.append(f"{name} {error}")
            return default

    def parse_key(self, value: str) -> str:
        if len(value) < MIN_KEY_LENGTH:
            raise ValueError(f"must have at least {MIN_KEY_LENGTH} characters")
        if value.startswith(DEVELOPMENT_KEY_PREFIX) and not self._is_development:
            raise ValueError("is a development key: in Azure it must be a secret of your own")
        return value


def _read_mail(values: _Environment) -> MailSettings | None:
    """Return the settings of the mail server, or None if no host is set."""
    security: MailSecurity = values.get("SMTP_SECURITY", _parse_mail_security, "starttls")
    mail = MailSettings(
        host=values.get("SMTP_HOST", str, ""),
        port=values.get("SMTP_PORT", _parse_port, _TLS_PORT if security == "tls" else _STARTTLS_PORT),
        user=values.get("SMTP_USER", str, None),
        password=values.get("SMTP_PASSWORD", str, None),
        sender=values.get("MAIL_FROM", _parse_address, ""),
        to=values.get("MAIL_TO", _parse_addresses, ()),
        security=security,
    )
    if mail.host and not (mail.sender and mail.to):
        values.faults.append("MAIL_FROM and MAIL_TO must be set where SMTP_HOST is")
    if (mail.user is None) != (mail.password is None):
        values.faults.append("SMTP_USER and SMTP_PASSWORD must be set together")
    if mail.user and security == "none":
        values.faults.append("SMTP_SECURITY must not be none where SMTP_USER is set: the password would be readable")
    if mail.port == _TLS_PORT and security == "starttls":
        values.faults.append(f"SMTP_SECURITY must be tls where SMTP_PORT is {_TLS_PORT}")
    return mail if mail.host else None


def _parse_storage_connection_string(value: str) -> str:
    if "AccountName=" not in value:
        raise ValueError("must be the connection string of a storage account: AccountName=…;…")
    return value


def _parse_insights_connection_string(value: str) -> str:
    if "InstrumentationKey=" not in value:
        raise ValueError("must be the connection string of Application Insights: InstrumentationKey=…;…")
    return value


def _parse_https_url(value: str) -> str:
    if not value.startswith("https://"):
        raise ValueError(f"must be a URL that starts with https://, not {value!r}")
    return value


def _parse_container_url(value: str) -> str:
    azurite = r"http://127\.0\.0\.1:\d+/[^/?]+"
    if not re.fullmatch(rf"(https://[^/?]+|{azurite})/[^/?]+/?(\?.*)?", value):
        # The message does not repeat the value: it may contain a SAS.
        raise ValueError("must be the URL of a blob container: https://ACCOUNT.blob.core.windows.net/CONTAINER")
    return value


def _parse_days(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 3650):
        raise ValueError(f"must be a number of days from 1 to 3650, not {value!r}")
    return int(value)


def _parse_port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65535):
        raise ValueError(f"must be a port from 1 to 65535, not {value!r}")
    return int(value)


def _parse_mail_security(value: str) -> MailSecurity:
    if value not in get_args(MailSecurity.__value__):
        raise ValueError(f"must be starttls, tls or none, not {value!r}")
    return value  # type: ignore[return-value]


def _parse_address(value: str) -> str:
    if value.count("@") != 1 or value != "".join(value.split()):
        raise ValueError(f"must be an e-mail address, not {value!r}")
    return value


def _parse_addresses(value: str) -> tuple[str, ...]:
    return tuple(_parse_address(part.strip()) for part in value.split(","))


def _is_true(value: str) -> bool:
    return value.lower() == "true"  # as Azure's host reads it


def _parse_auth_level(value: str) -> AuthLevel:
    if value not in get_args(AuthLevel.__value__):
        raise ValueError(f"must be anonymous or function, not {value!r}")
    return value  # type: ignore[return-value]
