"""GET /api/models: what each shipped model says of itself, and which one is served."""

import azure.functions as func
from msgspec import Struct

from sentiment.manifest import Metrics, Thresholds, read_manifest

from .shared.http import Answer, endpoint
from .shared.service import MODELS, service


class Description(Struct, frozen=True):
    name: str
    version: str
    family: str
    created: str
    thresholds: Thresholds
    metrics: dict[str, Metrics]


class ModelsResponse(Struct, frozen=True):
    served: Description
    shipped: list[Description]
    build: str | None  # of the package that answers


blueprint = func.Blueprint()


@endpoint(
    blueprint,
    "GET",
    "/api/models",
    summary="Describe the models",
    auth_level=service.auth_level,
    answers={200: ModelsResponse},
    problems=("Model unavailable",),
)
async def models(_: func.HttpRequest, __: None) -> Answer:
    shipped = [read_manifest(path.parent) for path in sorted(MODELS.glob("*/manifest.json"))]
    descriptions = [
        Description(m.name, m.version, m.family, m.created, m.thresholds, m.metrics)
        for m in [service.model.manifest, *shipped]
    ]
    return Answer(200, ModelsResponse(descriptions[0], descriptions[1:], service.build))
