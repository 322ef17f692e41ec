"""GET /api/models: the model that is served and all that are shipped."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated

import azure.functions as func
from msgspec import Meta, Struct

from sentiment.manifest import Manifest, Metrics, Thresholds, read_manifest
from sentiment.released import ModelDigests

from .schemas import EXPLAIN_BUDGET, MAX_TEXT_CHARACTERS, MAX_TEXTS
from .shared.api import Api, Operation
from .shared.bulkhead import TIME_LIMIT_SECONDS
from .shared.http import MAX_BODY_BYTES, ApiResponse
from .shared.problems import MODEL_UNAVAILABLE
from .shared.service import Service


class Description(Struct, frozen=True):
    name: str
    version: str
    family: str
    created: str
    thresholds: Thresholds
    metrics: dict[str, Metrics]


class Limits(Struct, frozen=True):
    """What one call of /api/predict may ask for."""

    texts: int = MAX_TEXTS
    characters: Annotated[int, Meta(description="Code points in a text.")] = MAX_TEXT_CHARACTERS
    body_bytes: int = MAX_BODY_BYTES
    explain_scorings: Annotated[
        int, Meta(description="Scorings with `explain`: one for each window of a text, and one for each part of one.")
    ] = EXPLAIN_BUDGET
    seconds: Annotated[int, Meta(description="After which a call that is not done is refused.")] = TIME_LIMIT_SECONDS


class ModelsResponse(Struct, frozen=True):
    served: Description
    shipped: list[Description]
    build: str | None  # of the package that answers
    limits: Limits = Limits()


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
    # In a thread: it reads files and checks their digests.
    shipped = await asyncio.to_thread(_read_shipped, service.models_folder, served.released)
    descriptions = [
        Description(m.name, m.version, m.family, m.created, m.thresholds, m.metrics)
        for m in [served.manifest, *shipped]
    ]
    return ApiResponse(200, ModelsResponse(descriptions[0], descriptions[1:], service.build))


def _read_shipped(models_folder: Path, released: ModelDigests | None) -> list[Manifest]:
    # A folder with a dot is one that `promote` was copying when it was killed.
    folders = sorted(path.parent for path in models_folder.glob("[!.]*/manifest.json"))
    return [read_manifest(folder, released) for folder in folders]
