"""Everything else: a clear 404, or 405 with the methods a path does answer.

The host asks functions in the order of their names, and this one takes all that it is asked: its name must be the last.
"""

import azure.functions as func

from .shared.http import OPERATIONS, Answer, Problem, trigger

blueprint = func.Blueprint()


async def not_found(request: func.HttpRequest, _: None) -> Answer:
    path = "/" + request.route_params.get("path", "")
    allowed = {method for operation in OPERATIONS if operation.matches(path) for method in operation.methods}
    if not allowed:
        raise Problem(404, "Not found", f"There is nothing at {path}.")
    headers = {"Allow": ", ".join(sorted({*allowed, "OPTIONS"}))}
    if request.method == "OPTIONS":
        return Answer(204, headers=headers)
    raise Problem(405, "Method not allowed", f"{path} does not answer {request.method}.", headers=headers)


route = blueprint.route("{*path}", auth_level=func.AuthLevel.ANONYMOUS)
blueprint.function_name("zz_not_found")(route(trigger(not_found)))
