// For infra/connect_alerts.sh. azd and the workflow run it with the outputs of the deployment as environment variables.
using 'app/incidents.bicep'

param functionApp = readEnvironmentVariable('AZURE_FUNCTION_NAME')
param actionGroup = readEnvironmentVariable('AZURE_INCIDENTS_GROUP')
param keyVault = readEnvironmentVariable('AZURE_KEY_VAULT')
