"""The front door: every trigger of `functions/` in one Function App. Nothing else happens here."""

import gc

gc.disable()  # what is imported stays: looking for garbage among it would only lengthen a cold start

import azure.functions as func  # noqa: E402

from functions import export, feedback, health, incident, models, not_found, page, predict, retention  # noqa: E402
from functions.openapi import route, viewer  # noqa: E402

app = func.FunctionApp()
for trigger in (predict, feedback, incident, retention, export, health, models, route, viewer, page, not_found):
    app.register_functions(trigger.blueprint)

gc.freeze()
gc.enable()
