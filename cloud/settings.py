"""The settings: read from the environment once, at start, all faults reported together."""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import msgspec

from sentiment.errors import SettingsError

type AuthLevel = Literal["anonymous", "function"]

DEVELOPMENT = "development-"  # what a receipt key made on a laptop starts with
_SHORTEST_KEY = 32  # characters


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

    @property
    def receipt_keys(self) -> tuple[str, ...]:
        return (self.receipt_key, self.receipt_key_previous) if self.receipt_key_previous else (self.receipt_key,)


def read(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`. Raises SettingsError, which names every fault at once, one a line."""
    on_a_laptop = environment.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"  # set by Core Tools and by devhost
    faults: list[str] = []

    def get[T](name: str, parse: Callable[[str], T], default: T) -> T:
        value = environment.get(name, "").strip()
        try:
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
    )
    if not environment.get("RECEIPT_KEY", "").strip():
        faults.append("RECEIPT_KEY is not set; it signs the prediction ids")
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


def _https(value: str) -> str:
    if not value.startswith("https://"):
        raise ValueError(f"must be a URL that starts with https://, not {value!r}")
    return value


def _days(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 3650):
        raise ValueError(f"must be a number of days from 1 to 3650, not {value!r}")
    return int(value)


def _auth_level(value: str) -> AuthLevel:
    if value not in get_args(AuthLevel.__value__):
        raise ValueError(f"must be anonymous or function, not {value!r}")
    return value  # type: ignore[return-value]
