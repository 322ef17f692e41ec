"""The catch-all: 404, or 405 with the methods that the path supports.

The host matches functions in the order of their names. This one matches every path, so its name must come last.
"""

from functools import partial

import azure.functions as func

from .shared.api import Api
from .shared.http import ApiResponse, as_azure_function
from .shared.problems import METHOD_NOT_ALLOWED, NOT_FOUND, Problem


def register(api: Api) -> None:
    route = api.app.route("{*path}", auth_level=func.AuthLevel.ANONYMOUS)
    route(as_azure_function("zz_not_found", partial(not_found, api)))


async def not_found(api: Api, request: func.HttpRequest, _: None) -> ApiResponse:
    path = "/" + request.route_params.get("path", "")
    allowed = {method for operation in api.operations if operation.matches(path) for method in operation.methods}
    if not allowed:
        raise Problem(NOT_FOUND, f"There is nothing at {path}.")
    headers = {"Allow": ", ".join(sorted({*allowed, "OPTIONS"}))}
    if request.method == "OPTIONS":
        return ApiResponse(204, headers=headers)
    raise Problem(METHOD_NOT_ALLOWED, f"{path} does not answer {request.method}.", headers=headers)
