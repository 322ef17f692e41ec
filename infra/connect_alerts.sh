#!/bin/sh
# Let alerts call the incident function, after its package is deployed:  sh infra/connect_alerts.sh
#
# Run it again after incident-key was changed. Without a mail server it does nothing: the app could not send reports.
set -eu
smtp=$(az functionapp config appsettings list --name "$AZURE_FUNCTION_NAME" --resource-group "$AZURE_RESOURCE_GROUP" \
    --subscription "$AZURE_SUBSCRIPTION_ID" --query "[?name=='SMTP_HOST'].value | [0]" --output tsv)
if [ -z "$smtp" ]; then
    echo "SMTP_HOST is not set: Azure mails alerts, but without a report of the predictions"
    exit
fi
export AZURE_FUNCTION_NAME AZURE_INCIDENTS_GROUP AZURE_KEY_VAULT # infra/incidents.bicepparam reads these
az deployment group create --name incidents --resource-group "$AZURE_RESOURCE_GROUP" \
    --subscription "$AZURE_SUBSCRIPTION_ID" --parameters infra/incidents.bicepparam --output none
