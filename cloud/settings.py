"""The settings: read from the environment once, at start, all faults reported together."""

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, get_args

import msgspec

from sentiment.errors import SettingsError

type AuthLevel = Literal["anonymous", "function"]

DEVELOPMENT = "development-"  # what a key made on a laptop starts with
_SHORTEST_KEY = 32  # characters


class Mail(NamedTuple):
    """Where incident reports go, and the SMTP server that takes them there."""

    host: str  # SMTP_HOST
    port: int  # SMTP_PORT
    user: str | None  # SMTP_USER; with it, the session is encrypted before it logs in
    password: str | None  # SMTP_PASSWORD
    sender: str  # MAIL_FROM
    to: tuple[str, ...]  # MAIL_TO, separated by commas


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    receipt_key: str  # RECEIPT_KEY signs prediction ids
    receipt_key_previous: str | None  # RECEIPT_KEY_PREVIOUS is still accepted while a rotation lasts
    receipt_days: int  # RECEIPT_DAYS: how long a prediction can be given feedback
    auth_level: AuthLevel  # AUTH_LEVEL: who may call, anyone or the holders of a function key
    model: str | None  # MODEL: a name or folder that overrules the champion of models/registry.json
    feedback_table: str  # FEEDBACK_TABLE
    tables_connection_string: str | None  # TABLES_CONNECTION_STRING: Azurite, or an account with shared keys
    tables_endpoint: str | None  # TABLES_ENDPOINT: an account's table URL, reached by managed identity
    managed_identity_client_id: str | None  # MANAGED_IDENTITY_CLIENT_ID of a user-assigned identity
    feedback_retention_days: int  # FEEDBACK_RETENTION_DAYS: older feedback is purged
    export_container_url: str | None  # EXPORT_CONTAINER_URL: a blob container; feedback is not exported without it
    incidents_table: str  # INCIDENTS_TABLE: which alerts were reported
    mail: Mail | None  # no incident reports without it
    incident_key: str | None  # INCIDENT_KEY, without which nobody may have an incident reported
    incident_key_previous: str | None  # INCIDENT_KEY_PREVIOUS is still accepted while a rotation lasts
    applicationinsights_connection_string: str | None  # APPLICATIONINSIGHTS_CONNECTION_STRING: no telemetry without it

    @property
    def receipt_keys(self) -> tuple[str, ...]:
        return (self.receipt_key, self.receipt_key_previous) if self.receipt_key_previous else (self.receipt_key,)

    @property
    def incident_keys(self) -> tuple[str, ...]:
        return tuple(key for key in (self.incident_key, self.incident_key_previous) if key)


def read(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`. Raises SettingsError, which names every fault at once, one a line."""
    on_a_laptop = environment.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"  # set by Core Tools and by devhost
    faults: list[str] = []

    def get[T](name: str, parse: Callable[[str], T], default: T) -> T:
        value = environment.get(name, "").strip()
        try:
            if value.startswith("@Microsoft.KeyVault("):  # which anybody could guess
                raise ValueError("is a Key Vault reference that Azure has not resolved")
            return parse(value) if value else default
        except ValueError as error:
            faults.append(f"{name} {error}")
            return default

    def key(value: str) -> str:
        if len(value) < _SHORTEST_KEY:
            raise ValueError(f"must have at least {_SHORTEST_KEY} characters")
        if value.startswith(DEVELOPMENT) and not on_a_laptop:
            raise ValueError("is a development key: in Azure it must be a secret of your own")
        return value

    mail = Mail(
        host=get("SMTP_HOST", str, ""),
        port=get("SMTP_PORT", _port, 587),
        user=get("SMTP_USER", str, None),
        password=get("SMTP_PASSWORD", str, None),
        sender=get("MAIL_FROM", _address, ""),
        to=get("MAIL_TO", _addresses, ()),
    )
    if mail.host and not (mail.sender and mail.to):
        faults.append("MAIL_FROM and MAIL_TO must be set where SMTP_HOST is")
    if (mail.user is None) != (mail.password is None):
        faults.append("SMTP_USER and SMTP_PASSWORD must be set together")
    settings = Settings(
        receipt_key=get("RECEIPT_KEY", key, ""),
        receipt_key_previous=get("RECEIPT_KEY_PREVIOUS", key, None),
        receipt_days=get("RECEIPT_DAYS", _days, 30),
        auth_level=get("AUTH_LEVEL", _auth_level, "function"),
        model=get("MODEL", str, None),
        feedback_table=get("FEEDBACK_TABLE", str, "feedback"),
        tables_connection_string=get("TABLES_CONNECTION_STRING", _connection_string, None),
        tables_endpoint=get("TABLES_ENDPOINT", _https, None),
        managed_identity_client_id=get("MANAGED_IDENTITY_CLIENT_ID", str, None),
        feedback_retention_days=get("FEEDBACK_RETENTION_DAYS", _days, 90),
        export_container_url=get("EXPORT_CONTAINER_URL", _container, None),
        incidents_table=get("INCIDENTS_TABLE", str, "incidents"),
        mail=mail if mail.host else None,
        incident_key=get("INCIDENT_KEY", key, None),
        incident_key_previous=get("INCIDENT_KEY_PREVIOUS", key, None),
        applicationinsights_connection_string=get("APPLICATIONINSIGHTS_CONNECTION_STRING", _instrumentation, None),
    )
    if not environment.get("RECEIPT_KEY", "").strip():
        faults.append("RECEIPT_KEY is not set; it signs the prediction ids")
    if mail.host and not environment.get("INCIDENT_KEY", "").strip():
        faults.append("INCIDENT_KEY must be set where SMTP_HOST is: it is what lets alerts have a report mailed")
    stores = [name for name in ("TABLES_CONNECTION_STRING", "TABLES_ENDPOINT") if environment.get(name, "").strip()]
    if len(stores) != 1:
        faults.append("TABLES_CONNECTION_STRING or TABLES_ENDPOINT must be set, and not both")
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


def _connection_string(value: str) -> str:
    if "AccountName=" not in value:
        raise ValueError("must be the connection string of a storage account: AccountName=…;…")
    return value


def _instrumentation(value: str) -> str:
    if "InstrumentationKey=" not in value:
        raise ValueError("must be the connection string of Application Insights: InstrumentationKey=…;…")
    return value


def _https(value: str) -> str:
    if not value.startswith("https://"):
        raise ValueError(f"must be a URL that starts with https://, not {value!r}")
    return value


def _container(value: str) -> str:
    azurite = r"http://127\.0\.0\.1:\d+/[^/?]+"
    if not re.fullmatch(rf"(https://[^/?]+|{azurite})/[^/?]+/?(\?.*)?", value):  # not repeated: it may carry a SAS
        raise ValueError("must be the URL of a blob container: https://ACCOUNT.blob.core.windows.net/CONTAINER")
    return value


def _days(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 3650):
        raise ValueError(f"must be a number of days from 1 to 3650, not {value!r}")
    return int(value)


def _port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65535):
        raise ValueError(f"must be a port from 1 to 65535, not {value!r}")
    return int(value)


def _address(value: str) -> str:
    if value.count("@") != 1 or value != "".join(value.split()):
        raise ValueError(f"must be an e-mail address, not {value!r}")
    return value


def _addresses(value: str) -> tuple[str, ...]:
    return tuple(_address(part.strip()) for part in value.split(","))


def _auth_level(value: str) -> AuthLevel:
    if value not in get_args(AuthLevel.__value__):
        raise ValueError(f"must be anonymous or function, not {value!r}")
    return value  # type: ignore[return-value]
