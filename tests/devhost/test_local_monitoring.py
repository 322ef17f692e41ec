"""The settings and rules of the local monitoring."""

from devhost.monitoring.alert_rules import read_rules
from devhost.monitoring.local_monitoring import INFRA, LocalMonitoring


def test_adds_its_settings_to_an_environment(monitoring: LocalMonitoring) -> None:
    environment: dict[str, str] = {}
    monitoring.apply_settings(environment)
    assert environment == monitoring.settings
    names = {"APPLICATIONINSIGHTS_CONNECTION_STRING", "SMTP_HOST", "SMTP_PORT", "SMTP_SECURITY", "MAIL_FROM", "MAIL_TO"}
    assert names <= set(environment)


def test_keeps_existing_settings_and_mail_server(monitoring: LocalMonitoring) -> None:
    environment = {"SMTP_HOST": "relay.example.org", "APPLICATIONINSIGHTS_CONNECTION_STRING": ""}
    monitoring.apply_settings(environment)
    assert environment["SMTP_HOST"] == "relay.example.org"
    assert environment["APPLICATIONINSIGHTS_CONNECTION_STRING"] == ""
    assert not {"SMTP_PORT", "SMTP_SECURITY", "MAIL_FROM", "MAIL_TO"} & set(environment)


def test_has_no_rules_that_expect_traffic(monitoring: LocalMonitoring) -> None:
    omitted = {rule.name for rule in read_rules(INFRA / "alerts.json")} - {rule.name for rule in monitoring.rules}
    assert omitted == {"no-heartbeat"}
