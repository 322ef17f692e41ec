// Lets alerts call the incident function. Deployed on its own after the package, which is when the function has a key:
// infra/connect.sh. The key opens this one function and is written into the action group, nowhere else.
param functionApp string
param actionGroup string

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionApp
}

resource incident 'Microsoft.Web/sites/functions@2025-03-01' existing = {
  parent: site
  name: 'incident'
}

resource incidents 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroup
  location: 'Global'
  properties: {
    groupShortName: 'incidents'
    enabled: true
    azureFunctionReceivers: [
      {
        name: 'incident'
        functionAppResourceId: site.id
        functionName: 'incident'
        httpTriggerUrl: 'https://${site.properties.defaultHostName}/api/incidents?code=${incident.listKeys().default}'
        useCommonAlertSchema: true
      }
    ]
  }
}
