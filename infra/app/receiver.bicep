// The receiver in the action group. It is a webhook with our own key, which the app checks. A function receiver would
// use a host key, and a host key opens every function.
import * as types from '../types.bicep'

param actionGroup string
param tags types.tags
param host string

@secure()
param key string

resource incidents 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroup
  location: 'Global'
  tags: tags
  properties: {
    groupShortName: 'incidents'
    enabled: true
    webhookReceivers: [
      {
        name: 'incident'
        serviceUri: 'https://${host}/api/incidents?key=${uriComponent(key)}'
        useCommonAlertSchema: true
      }
    ]
  }
}
