"""Everything else: a clear 404, or 405 with the methods a path does answer."""

import azure.functions as func

from .http import catch_all

blueprint = func.Blueprint()
catch_all(blueprint)
