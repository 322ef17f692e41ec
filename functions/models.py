"""GET /api/models: the model that is served and all that are shipped."""

from functools import partial

import azure.functions as func
from msgspec import Struct

from sentiment.manifest import Metrics, Thresholds, read_manifest

from .shared.api import Api, Operation
from .shared.http import ApiResponse
from .shared.problems import MODEL_UNAVAILABLE
from .shared.service import Service


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


MODELS = Operation(
    name="models",
    method="GET",
    path="/api/models",
    summary="Describe the models",
    responses={200: ModelsResponse},
    problems=(MODEL_UNAVAILABLE,),
)


def register(api: Api, service: Service) -> None:
    api.add(MODELS, partial(models, service))


async def models(service: Service, _: func.HttpRequest, __: None) -> ApiResponse:
    served = service.model
    folders = sorted(path.parent for path in service.models_folder.glob("*/manifest.json"))
    shipped = [read_manifest(folder, served.released) for folder in folders]
    descriptions = [
        Description(m.name, m.version, m.family, m.created, m.thresholds, m.metrics)
        for m in [served.manifest, *shipped]
    ]
    return ApiResponse(200, ModelsResponse(descriptions[0], descriptions[1:], service.build))
