import pytest

from cloud.settings import MailSettings, SettingsError, read_settings

GOOD = {"RECEIPT_KEY": "k" * 32, "TABLES_CONNECTION_STRING": "AccountName=nobody"}


def test_optional_settings_have_safe_defaults() -> None:
    settings = read_settings(GOOD)
    assert (settings.auth_level, settings.receipt_days, settings.feedback_table) == ("function", 30, "feedback")
    assert settings.model is None and settings.receipt_keys == ("k" * 32,)
    assert settings.incident_keys == ()
    assert settings.mail is None and settings.applicationinsights_connection_string is None
    assert (settings.feedback_retention_days, settings.incidents_table) == (90, "incidents")
    assert settings.export_container_url is None


@pytest.mark.parametrize(
    ("value", "has_sign_in"), [("True", True), ("true", True), ("False", False), ("", False), ("1", False)]
)
def test_people_sign_in_where_azure_says_so(value: str, has_sign_in: bool) -> None:
    """As Azure's host reads it. An unexpected value is no fault: nobody here sets it."""
    assert read_settings(GOOD | {"WEBSITE_AUTH_ENABLED": value}).has_sign_in is has_sign_in


def test_reads_every_setting() -> None:
    settings = read_settings(
        {
            "RECEIPT_KEY": " " + "n" * 40 + " ",
            "RECEIPT_KEY_PREVIOUS": "o" * 32,
            "RECEIPT_DAYS": "7",
            "AUTH_LEVEL": "anonymous",
            "MODEL": "champion",
            "FEEDBACK_TABLE": "other",
            "TABLES_ENDPOINT": "https://account.table.example",
            "MANAGED_IDENTITY_CLIENT_ID": "id",
            "FEEDBACK_RETENTION_DAYS": "7",
            "SMTP_HOST": "smtp.example",
            "SMTP_PORT": "25",
            "SMTP_SECURITY": "none",
            "MAIL_FROM": "buzzguard@example.org",
            "MAIL_TO": "ops@example.org, boss@example.org",
            "INCIDENT_KEY": "i" * 32,
            "INCIDENT_KEY_PREVIOUS": "j" * 32,
            "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=1",
        }
    )
    assert settings.feedback_retention_days == 7
    assert settings.applicationinsights_connection_string == "InstrumentationKey=1"
    assert settings.mail == MailSettings(
        "smtp.example", 25, None, None, "buzzguard@example.org", ("ops@example.org", "boss@example.org"), "none"
    )
    assert settings.receipt_keys == ("n" * 40, "o" * 32)
    assert settings.incident_keys == ("i" * 32, "j" * 32)
    assert (settings.receipt_days, settings.auth_level, settings.model) == (7, "anonymous", "champion")
    assert (settings.tables_endpoint, settings.managed_identity_client_id) == ("https://account.table.example", "id")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"RECEIPT_KEY": ""}, "RECEIPT_KEY is not set"),
        ({"RECEIPT_KEY": "short"}, "RECEIPT_KEY must have at least 32 characters"),
        ({"RECEIPT_KEY_PREVIOUS": "short"}, "RECEIPT_KEY_PREVIOUS must have"),
        ({"RECEIPT_KEY": "@Microsoft.KeyVault(SecretUri=https://v.example/k)"}, "RECEIPT_KEY is a Key Vault reference"),
        ({"SMTP_PASSWORD": "@Microsoft.KeyVault(…)"}, "SMTP_PASSWORD is a Key Vault reference"),
        ({"RECEIPT_DAYS": "0"}, "RECEIPT_DAYS must be a number of days"),
        ({"RECEIPT_DAYS": "²"}, "RECEIPT_DAYS must be a number of days"),
        ({"AUTH_LEVEL": "admin"}, "AUTH_LEVEL must be anonymous or function"),
        ({"TABLES_CONNECTION_STRING": ""}, "TABLES_CONNECTION_STRING or TABLES_ENDPOINT must be set"),
        ({"TABLES_ENDPOINT": "https://x.example"}, "and not both"),
        ({"TABLES_CONNECTION_STRING": "nowhere"}, "TABLES_CONNECTION_STRING must be the connection string"),
        ({"TABLES_CONNECTION_STRING": "", "TABLES_ENDPOINT": "http://x.example"}, "TABLES_ENDPOINT must be a URL"),
        ({"FEEDBACK_RETENTION_DAYS": "-1"}, "FEEDBACK_RETENTION_DAYS must be a number of days"),
        (
            {"RECEIPT_DAYS": "31", "FEEDBACK_RETENTION_DAYS": "30"},
            "RECEIPT_DAYS must not be above FEEDBACK_RETENTION_DAYS",
        ),
        ({"EXPORT_CONTAINER_URL": "http://a.example/container"}, "EXPORT_CONTAINER_URL must be the URL of a blob cont"),
        ({"EXPORT_CONTAINER_URL": "https://a.example/?sig=s"}, "EXPORT_CONTAINER_URL must be the URL of a blob cont"),
        ({"EXPORT_CONTAINER_URL": "https://a.example/container/folder"}, "EXPORT_CONTAINER_URL must be the URL of a"),
        ({"SMTP_HOST": "smtp.example"}, "MAIL_FROM and MAIL_TO must be set where SMTP_HOST is"),
        ({"SMTP_HOST": "smtp.example"}, "INCIDENT_KEY must be set where SMTP_HOST is"),
        ({"INCIDENT_KEY": "short"}, "INCIDENT_KEY must have at least 32 characters"),
        ({"INCIDENT_KEY_PREVIOUS": "short"}, "INCIDENT_KEY_PREVIOUS must have"),
        ({"INCIDENT_KEY": "@Microsoft.KeyVault(…)"}, "INCIDENT_KEY is a Key Vault reference"),
        ({"SMTP_PORT": "0"}, "SMTP_PORT must be a port"),
        ({"SMTP_USER": "u"}, "SMTP_USER and SMTP_PASSWORD must be set together"),
        ({"SMTP_SECURITY": "ssl"}, "SMTP_SECURITY must be starttls, tls or none, not 'ssl'"),
        ({"SMTP_SECURITY": "none", "SMTP_USER": "u"}, "SMTP_SECURITY must not be none where SMTP_USER is set"),
        ({"SMTP_PORT": "465"}, "SMTP_SECURITY must be tls where SMTP_PORT is 465"),
        ({"MAIL_TO": "a@example.org,b"}, "MAIL_TO must be an e-mail address, not 'b'"),
        ({"MAIL_FROM": "a@b\nBcc: c@d"}, "MAIL_FROM must be an e-mail address"),
        ({"APPLICATIONINSIGHTS_CONNECTION_STRING": "https://x"}, "must be the connection string of Application"),
    ],
)
def test_fault_is_named(change: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError, match=fault):
        read_settings(GOOD | change)


@pytest.mark.parametrize(("retention", "receipts"), [("7", 7), ("30", 30), ("365", 30)])
def test_receipts_are_accepted_no_longer_than_feedback_is_kept(retention: str, receipts: int) -> None:
    assert read_settings(GOOD | {"FEEDBACK_RETENTION_DAYS": retention}).receipt_days == receipts


@pytest.mark.parametrize(("security", "port"), [("", 587), ("starttls", 587), ("tls", 465)])
def test_mail_is_encrypted_unless_a_setting_says_otherwise(security: str, port: int) -> None:
    mail = {"SMTP_HOST": "smtp.example", "MAIL_FROM": "a@b.example", "MAIL_TO": "c@d.example", "INCIDENT_KEY": "i" * 32}
    settings = read_settings(GOOD | mail | {"SMTP_SECURITY": security})
    assert settings.mail and (settings.mail.security, settings.mail.port) == (security or "starttls", port)


@pytest.mark.parametrize(
    "url", ["https://a.example/container", "https://a.example/container?sig=s", "http://127.0.0.1:10000/a/container"]
)
def test_accepts_container_url_of_azure_and_azurite(url: str) -> None:
    assert read_settings(GOOD | {"EXPORT_CONTAINER_URL": url}).export_container_url == url


def test_message_does_not_repeat_a_sas() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(GOOD | {"EXPORT_CONTAINER_URL": "http://a.example/container?sig=hunter2"})
    assert "hunter2" not in str(caught.value)


def test_reports_all_faults_together() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"RECEIPT_DAYS": "x", "AUTH_LEVEL": "x", "SMTP_HOST": "smtp.example"})
    assert [line.split()[0] for line in str(caught.value).splitlines()] == [
        "MAIL_FROM",
        "RECEIPT_DAYS",
        "AUTH_LEVEL",
        "RECEIPT_KEY",
        "INCIDENT_KEY",
        "TABLES_CONNECTION_STRING",
    ]


def test_message_does_not_repeat_a_key() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(GOOD | {"RECEIPT_KEY": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["RECEIPT_KEY", "INCIDENT_KEY", "INCIDENT_KEY_PREVIOUS"])
def test_development_key_is_accepted_on_a_laptop_only(name: str) -> None:
    laptop = GOOD | {name: "development-" + "k" * 32}
    settings = read_settings(laptop | {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"})
    assert laptop[name] in settings.receipt_keys + settings.incident_keys
    for environment in ({}, {"AZURE_FUNCTIONS_ENVIRONMENT": "Production"}):
        with pytest.raises(SettingsError, match=f"{name} is a development key"):
            read_settings(laptop | environment)
