"""The front door: every trigger of `functions/` in one Function App. Nothing else happens here."""

import azure.functions as func

from functions import feedback, health, models, notfound, openapi, predict

app = func.FunctionApp()
for trigger in (predict, feedback, health, models, openapi, notfound):
    app.register_functions(trigger.blueprint)
