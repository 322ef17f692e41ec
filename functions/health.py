"""GET /api/health/live and /api/health/ready, for whoever watches from outside."""

from typing import Literal

import azure.functions as func
from msgspec import Struct

from .predict import ModelName
from .shared.http import Answer, endpoint
from .shared.service import service


class Live(Struct, frozen=True):
    status: Literal["alive"] = "alive"


class Ready(Struct, frozen=True):
    model: ModelName
    build: str | None  # of the package that answers
    status: Literal["ready"] = "ready"


blueprint = func.Blueprint()


@endpoint(
    blueprint,
    "GET",
    "/api/health/live",
    summary="Whether the process answers",
    auth_level="anonymous",
    answers={200: Live},
)
async def live(_: func.HttpRequest, __: None) -> Answer:
    return Answer(200, Live())


@endpoint(
    blueprint,
    "GET",
    "/api/health/ready",
    summary="Whether predictions can be made",
    auth_level="anonymous",
    answers={200: Ready},
    problems=("Model unavailable",),
)
async def ready(_: func.HttpRequest, __: None) -> Answer:
    about = service.model.manifest
    return Answer(200, Ready(ModelName(about.name, about.version), service.build))
