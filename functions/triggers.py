"""Registers every trigger of the app."""

from . import feedback, health, incident, models, not_found, page, predict, retention
from .openapi import route, viewer
from .shared.api import Api
from .shared.service import Service


def register_triggers(api: Api, service: Service) -> None:
    predict.register(api, service)
    feedback.register(api, service)
    health.register(api, service)
    incident.register(api, service)
    retention.register(api.app, service)
    if service.export is not None:
        from . import export  # imported lazily: few deployments have an export

        export.register(api.app, service.store, service.export, service.retention)
    models.register(api, service)
    route.register(api)
    viewer.register(api)
    page.register(api)
    not_found.register(api)
