// For infra/connect_alerts.sh, which azd and the workflow run with the outputs of the deployment in the environment.
using 'app/incidents.bicep'

param functionApp = readEnvironmentVariable('AZURE_FUNCTION_NAME')
param actionGroup = readEnvironmentVariable('AZURE_INCIDENTS_GROUP')
param keyVault = readEnvironmentVariable('AZURE_KEY_VAULT')
