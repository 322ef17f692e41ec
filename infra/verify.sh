#!/bin/sh
# Asks what is deployed for predictions:  sh infra/verify.sh ZIP
#
# Fails unless the model of that package answers. Where the app is comes from the outputs of infra/main.bicep, which azd
# and the workflow put into the environment.
set -eu
app() {
    az functionapp "$@" --name "$AZURE_FUNCTION_NAME" --resource-group "$AZURE_RESOURCE_GROUP" \
        --subscription "$AZURE_SUBSCRIPTION_ID" --output tsv
}
MODEL=$(app config appsettings list --query "[?name=='MODEL'].value | [0]")
FUNCTION_KEY=$(app keys list --query functionKeys.default)
export MODEL FUNCTION_KEY
exec python3 infra/smoke.py "$AZURE_FUNCTION_URL" "$1"
