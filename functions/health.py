"""GET /api/health/live and GET /api/health/ready, for monitoring from outside."""

from functools import partial
from typing import Annotated, Literal

import azure.functions as func
from msgspec import Meta, Struct

from .schemas import ModelName
from .shared.api import Api, Operation
from .shared.bulkhead import Load
from .shared.http import ApiResponse
from .shared.problems import MODEL_UNAVAILABLE
from .shared.service import Service


class Live(Struct, frozen=True):
    status: Literal["alive"] = "alive"


class Ready(Struct, frozen=True):
    model: ModelName
    build: str | None  # of the package that answers
    trusted: bool  # whether the package was built with this model; false in a checkout, which nothing vouches for
    load: Annotated[dict[str, Load], Meta(description="Each kind of work has threads and a queue of its own.")]
    status: Literal["ready"] = "ready"


LIVE = Operation(
    name="live",
    method="GET",
    path="/api/health/live",
    summary="Whether the process answers",
    security=None,
    responses={200: Live},
)
READY = Operation(
    name="ready",
    method="GET",
    path="/api/health/ready",
    summary="Whether predictions can be made",
    security=None,
    responses={200: Ready},
    problems=(MODEL_UNAVAILABLE,),
)


def register(api: Api, service: Service) -> None:
    api.add(LIVE, live)
    api.add(READY, partial(ready, service))


async def live(_: func.HttpRequest, __: None) -> ApiResponse:
    return ApiResponse(200, Live())


async def ready(service: Service, _: func.HttpRequest, __: None) -> ApiResponse:
    model = service.model
    name = ModelName(model.manifest.name, model.manifest.version)
    load = {name: bulkhead.load for name, bulkhead in service.bulkheads._asdict().items()}
    return ApiResponse(200, Ready(name, service.build, model.trusted, load))
